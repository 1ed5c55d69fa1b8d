"""The pages: links lead somewhere, commands and names exist, marked blocks run, and the site has them all."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import numpy as np
import pytest
import typer
import yaml
from docs.tools import stage

import restill
from restill import zoo
from restill.cli import app
from restill.training.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *stage.pages().values()]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}
NOTEBOOKS = [path for path in PAGES if path.suffix == ".ipynb"]
FENCE = re.compile(r"(<!-- runs -->\n)?^( *)```(\w*)\n(.*?)\n\2```$", re.S | re.M)
SHELL = ("bash", "sh")
ROOT_COMMAND: Any = typer.main.get_command(app)
MAKE = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))

every_page = pytest.mark.parametrize("page", TEXTS)
needs_students = pytest.mark.skipif(not zoo.cards(), reason="the zoo is empty")


def blocks(page: str) -> Iterator[tuple[bool, str, str]]:
    """The fenced blocks of a page: whether it is marked to run, its language, and its text."""
    text = TEXTS[page]
    if page.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        return ((False, "python", "".join(cell["source"])) for cell in cells if cell["cell_type"] == "code")
    return ((bool(runs), language, dedent(code)) for runs, _, language, code in FENCE.findall(text))


# --- links and navigation


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub and the site make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head) for head in re.findall(r"^#+ (.+)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in plain}


@every_page
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", FENCE.sub("", TEXTS[page])):
        if "://" in target:
            continue
        file = path.parent / target if target else path
        assert file.exists(), f"{page} links to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page} links to {target}#{anchor}"


def navigation(part: Any) -> Iterator[str]:
    """The pages of the navigation, in its order."""
    for entry in part:
        for inner in entry.values():
            yield from [inner] if isinstance(inner, str) else navigation(inner)


def test_every_page_is_in_the_navigation_once():
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    placed = list(navigation(config["project"]["nav"]))
    assert len(placed) == len(set(placed))
    pages = stage.pages().keys() | stage.GENERATED.keys()
    assert not pages - set(placed), "give these pages a place in nav in zensical.toml"
    assert not set(placed) - pages, "nav in zensical.toml has pages that are not there"


def test_the_citation_has_the_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == restill.__version__


def test_links_of_the_site_lead_to_pages():
    known = {path: place for place, path in stage.pages().items()}
    for place, path in stage.pages().items():
        for target in re.findall(r"\]\(([^)#\s]+)", FENCE.sub("", stage.relinked(path, known))):
            if "://" not in target:
                found = os.path.normpath(os.path.join(os.path.dirname(place), target))  # noqa: PTH118, PTH120
                inside = (ROOT / "docs" / found).is_file() and not found.endswith((".md", ".py"))
                assert found in known.values() or found in stage.GENERATED or inside, f"{place} links to {target}"


def test_the_reference_has_every_command_field_and_name():
    commands = stage.GENERATED["reference/commands.md"]()
    for name, command in leaves(ROOT_COMMAND):
        assert f"## `restill {name}`" in commands
        for parameter in command.params:
            assert all(f"`{option}`" in commands for option in parameter.opts if option.startswith("--"))
    fields = stage.GENERATED["reference/recipe.md"]()
    for field in ("optimizer.lr", "data.crop", "data.photos.share", "teacher.checkpoint", "data.never.split"):
        assert f"| `{field}` |" in fields
    names = stage.GENERATED["reference/python.md"]()
    assert all(f"## `restill.{name}`" in names for name in restill.__all__ if name != "__version__")
    assert "- `resume`: Continue from the newest complete checkpoint in `output`;" in names


# --- shell


def leaves(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield from leaves(command, f"{before}{name} ") if hasattr(command, "commands") else [(before + name, command)]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words after ``restill`` name, and the rest of them."""
    command = ROOT_COMMAND
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"restill has no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def shell_commands(code: str) -> Iterator[list[str]]:
    """The commands of a block, as lists of words."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.commenters, lexer.whitespace_split = "#", True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|;&<>"):
                if words and not set(word) <= set("<>"):
                    yield words
                words = words[: len(words)] if set(word) <= set("<>") else []
            else:
                words.append(word)


@every_page
def test_commands_of_blocks_can_be_parsed(page):
    for _, language, code in blocks(page):
        for words in shell_commands(code) if language in SHELL else ():
            if words[0] == "restill":
                check_parses(words[1:], page)
            elif words[0] == "python" and len(words) > 1 and words[1].endswith(".py"):
                assert (ROOT / words[1]).is_file(), f"{page}: {words[1]}"
            elif words[0] == "make":
                assert set(words[1:]) <= MAKE, f"{page}: {' '.join(words)}"


def check_parses(words: list[str], page: str) -> None:
    """Parse a command line as ``restill`` does, without running it."""
    command, rest = command_of(words)
    if rest[:1] in (["--help"], ["--version"]):
        return
    try:
        parsed = command.make_context("restill", list(rest)).params
    except click.ClickException as error:
        pytest.fail(f"{page}: restill {' '.join(words)}: {error.format_message()}")
    if words[0] == "train" and (ROOT / str(parsed["recipe"])).is_file():
        load_recipe(ROOT / str(parsed["recipe"]), parsed["overrides"])  # its fields exist


@every_page
def test_commands_within_sentences_exist(page):
    for code in re.findall(r"(?<!`)`restill ([a-z][^`\n]*)`", FENCE.sub("", TEXTS[page])):
        command, rest = command_of([word for word in code.split() if not word.startswith("...")])
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.strip("[]").partition("=")[0] for word in rest if word.strip("[").startswith("-")} - {"-"}
        assert used <= known | {"--help"}, f"{page}: restill {code}"


# --- Python and YAML


@every_page
def test_python_and_yaml_blocks_are_right(page):
    for _, language, code in blocks(page):
        if language == "yaml":
            yaml.safe_load(code)
        if language == "python":
            check_names(ast.parse(code), page)


def check_names(tree: ast.AST, page: str) -> None:
    """Names of Restill exist, and public functions take the arguments that they are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("restill"):
            for alias in node.names:
                assert hasattr(import_module(str(node.module)), alias.name), f"{page}: {node.module}.{alias.name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "restill":
            assert hasattr(restill, node.attr) or import_module(f"restill.{node.attr}"), f"{page}: restill.{node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("restill.") in restill.__all__:
            function = getattr(restill, ast.unparse(node.func).removeprefix("restill."))
            given = {keyword.arg: None for keyword in node.keywords if keyword.arg}
            inspect.signature(function).bind_partial(**given)


# --- blocks that run


@pytest.fixture
def rainy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a folder that contains a tiny ``rainy.mp4``."""
    import av

    with av.open(tmp_path / "rainy.mp4", "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for t in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 60 + 20 * t, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


RUNNING = [page for page in TEXTS if any(runs for runs, *_ in blocks(page)) and page != "docs/own-network.md"]


@needs_students
def test_python_of_the_readme_runs(rainy):
    for _, language, code in blocks("README.md"):
        if language == "python":
            exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102


@needs_students
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page == "README.md" else page for page in RUNNING]
)
def test_blocks_marked_runs_run(page, rainy):
    """In their order, Python in one namespace. The tests of training run all of docs/own-network.md."""
    names: dict[str, Any] = {"__name__": "page"}
    for runs, language, code in blocks(page):
        if runs and language == "python":
            exec(compile(code, page, "exec"), names)  # noqa: S102
        elif runs:
            done = subprocess.run(["bash", "-ec", code], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


@needs_students
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run(notebook, rainy):
    names: dict[str, Any] = {"__name__": "notebook"}
    for _, _, code in blocks(notebook.relative_to(ROOT).as_posix()):
        exec(compile(code, notebook.name, "exec"), names)  # noqa: S102
    assert not any(cell.get("outputs") for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"])
    if "error" in names:  # rain went
        assert names["error"](names["restored"]) < names["error"](names["rainy"])


@pytest.mark.slow
def test_the_site_is_built():
    pytest.importorskip("zensical", reason="the site's generator is not installed: make docs")
    subprocess.run([sys.executable, "-m", "docs.tools"], cwd=ROOT, check=True)
    assert (ROOT / "site" / "reference" / "commands.html").is_file()
