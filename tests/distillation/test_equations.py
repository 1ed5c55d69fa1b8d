"""Every equation number that the code and the pages write is the paper's own, and stands at what the paper numbers."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest
from equations import EQUATIONS, FILES, SHARED

from restill.distillation import METHODS

ROOT = Path(__file__).resolve().parents[2]
# "(3) L_spatial", "(2) to (4) PFFB", "| (3) | L_spatial |", "**(3) L_spatial**"; not "f(3)"
NUMBER = re.compile(r"(?<![\w.\])])\((\d{1,2})\)(?: to \((\d{1,2})\))?[ |]*(.*)")


def place_of(name: str) -> Path:
    return ROOT / name if name.startswith(("docs/", "tests/")) else ROOT / "src" / "restill" / name


def prose(path: Path) -> list[str]:
    """The lines of a page; of a module, its comments and strings alone."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text.splitlines()
    kinds = {tokenize.COMMENT, tokenize.STRING}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [line for token in tokens if token.type in kinds for line in token.string.splitlines()]


def found(lines: list[str]) -> list[tuple[int, int, str]]:
    """(first number, last number, what stands behind), for each number."""
    result = []
    for line in lines:
        for match in NUMBER.finditer(line):
            # what follows may hold further numbers
            result.append((int(match[1]), int(match[2] or match[1]), match[3]))
            result += found([match[3]])
    return result


def is_symbol(text: str, symbols: tuple[str, ...]) -> bool:
    return any(re.match(re.escape(symbol) + r"(?![\w^])", text) for symbol in symbols)


@pytest.mark.parametrize(("method", "name"), [(method, name) for method, names in FILES.items() for name in names])
def test_a_number_stands_at_what_the_paper_numbers(method, name):
    numbers = found(prose(place_of(name)))
    for first, last, behind in numbers:
        for number in range(first, last + 1):
            symbols = EQUATIONS[method].get(number, ())
            assert is_symbol(behind, symbols), f"{name}: ({number}) {behind[:40]!r} is none of {symbols} of {method}"


@pytest.mark.parametrize("name", SHARED)
def test_a_file_of_several_papers_names_the_paper(name):
    for first, last, behind in found(prose(place_of(name))):
        papers = [method for method in EQUATIONS if re.search(rf"\bof {method}\b", behind, re.I)]
        for number in range(first, last + 1):
            symbols = EQUATIONS[papers[0]].get(number, ()) if papers else ()
            assert is_symbol(behind, symbols), f"{name}: ({number}) {behind[:40]!r} is no equation of {papers}"


@pytest.mark.parametrize("method", EQUATIONS)
def test_the_page_and_the_module_list_all_of_them(method):
    module = METHODS[method].partition(":")[0].removeprefix("restill.").replace(".", "/")
    for name in (f"docs/methods/{method}.md", f"{module}.py"):
        listed = {n for first, last, _ in found(prose(place_of(name))) for n in range(first, last + 1)}
        assert listed == set(EQUATIONS[method]), name
