"""The pages of the site in one folder: those of the repository, with links that work there, and the reference."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from docs.tools import api, commands, notebook, recipe, students

ROOT = Path(__file__).resolve().parents[2]
DOCS, STAGE = ROOT / "docs", ROOT / "build" / "docs"
GENERATED = {
    "reference/commands.md": commands.page,
    "reference/recipe.md": recipe.page,
    "reference/python.md": api.page,
    "reference/students.md": students.page,
}
BESIDE = {name: name.lower() for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")}  # pages beside docs/
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> dict[str, Path]:
    """All pages of the repository that the site has: the place in the site, and the file."""
    inside = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    inside |= {path.relative_to(DOCS).with_suffix(".md").as_posix(): path for path in sorted(DOCS.rglob("*.ipynb"))}
    return inside | {place: ROOT / name for name, place in BESIDE.items()}


def stage() -> None:
    """Write all pages to :data:`STAGE`."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(DOCS, STAGE, ignore=shutil.ignore_patterns("tools", "*.md", "__pycache__"))
    known = {path: place for place, path in pages().items()}
    for place, path in pages().items():
        _write(place, relinked(path, known))
    for place, page in GENERATED.items():
        _write(place, page())


def relinked(path: Path, known: dict[Path, str]) -> str:
    """The text of a page, with links that work in the site. A link to a file that is no page becomes plain text.

    Args:
        path: The page in the repository.
        known: The place in the site of every page.
    """
    depth = known[path].count("/")

    def fitted(link: re.Match[str]) -> str:
        file = (path.parent / link[2]).resolve()
        if file in known:
            return f"[{link[1]}]({'../' * depth}{known[file]}{link[3] or ''})"
        outside = file.exists() and not file.is_relative_to(DOCS)
        return link[1] if outside else link[0]

    return LINK.sub(fitted, notebook.page(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8"))


def _write(place: str, text: str) -> None:
    (STAGE / place).parent.mkdir(parents=True, exist_ok=True)
    (STAGE / place).write_text(text, encoding="utf-8")
