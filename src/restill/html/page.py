"""A page as one HTML file."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from restill.errors import RestillError
from restill.version import __version__

TEMPLATE = Path(__file__).with_name("page.html")
SUFFIXES = (".html", ".htm")


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """Build a page. Its Content-Security-Policy forbids the browser every outside request.

    Args:
        title: A text.
        lead: What stands under the title, HTML.
        sections: HTML, each from :func:`section`.
    """
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title), lead=lead, sections="\n".join(sections), version=__version__
    )


def section(title: str, *parts: str) -> str:
    """A section of a page: its title, a text, and HTML from :mod:`restill.html.parts`."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def command_line() -> str | None:
    """The command of this process as it was typed; None if this is not the ``restill`` command but a script."""
    program = Path(sys.argv[0])
    if program.stem == "restill":
        return shlex.join(["restill", *sys.argv[1:]])
    if program.name == "__main__.py" and program.parent.name == "restill":
        return shlex.join(["python", "-m", "restill", *sys.argv[1:]])
    return None


def check_page(path: Path, overwrite: bool = True) -> None:
    """Check before the work starts that a page can be written.

    Raises:
        RestillError: It is no HTML file, its folder does not exist, or it exists and ``overwrite`` is not set.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise RestillError(f"'{path}': a page is an HTML file; give a name that ends in .html")
    if not path.parent.is_dir():
        raise RestillError(f"'{path}' cannot be written, because its folder does not exist; make it first")
    if path.is_dir() or (path.exists() and not overwrite):
        raise RestillError(f"'{path}' exists; give another name, or --overwrite")


def write_page(path: Path, text: str) -> None:
    """Write a page. The file gets its name only when it is complete.

    Raises:
        RestillError: It cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RestillError(f"'{path}' cannot be written: {error.strerror}") from error
