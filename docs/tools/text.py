"""Plain text of docstrings and help as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ROLE = re.compile(r":\w+:`~?([^`]+)`")  # :func:`restill.restore`
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example")


def plain(text: str) -> str:
    """Roles and double backticks as code, on one line."""
    return " ".join(ROLE.sub(r"`\1`", text).replace("``", "`").split())


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return plain(text).replace("|", "\\|").replace("<", "&lt;")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; none if there are no rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines, ""] if lines else []


def docstring(text: str) -> list[str]:
    """A Google docstring, without its common indent, as lines of Markdown."""
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.M)
    lines = [line for part in parts[0].strip().split("\n\n") for line in (plain(part), "")]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        lines += [f"**{title}**", ""]
        if title == "Example":
            lines += ["```python", *_example(body), "```", ""]
        elif items := _items(body):
            lines += [f"- `{name}`: {plain(said)}" for name, said in items] + [""]
        else:
            lines += [plain(body), ""]
    return lines


def _items(body: str) -> list[tuple[str, str]]:
    """The names of a section and what it says of them; none if it is plain text."""
    indent = len(body) - len(body.lstrip(" "))
    found = re.split(rf"^ {{{indent}}}(\w+): ", body, flags=re.M)
    return list(zip(found[1::2], found[2::2], strict=True)) if not found[0].strip() else []


def _example(body: str) -> list[str]:
    """Lines of a doctest without its prompts and directives."""
    lines = [line.strip(" ") if ">>>" in line else line[4:] for line in body.rstrip().splitlines()]
    return [re.sub(r"^(>>> |\.\.\. )|\s*# doctest:.*$", "", line) for line in lines]
