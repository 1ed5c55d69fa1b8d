"""Printing a report, and the files that it is written to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console, RenderableType

from restill.errors import RestillError

WIDE = 190  # columns; at this width no number is cut off


class Report(Protocol):
    """A report that can also be plain data."""

    def as_dict(self) -> dict[str, Any]: ...


def check_folders(*files: str | Path | None) -> None:
    """Check before the work starts that files can be written.

    Raises:
        RestillError: The folder of a file does not exist.
    """
    for file in files:
        if file is not None and not Path(file).parent.is_dir():
            raise RestillError(f"'{file}' cannot be written, because its folder does not exist; make it first")


def show(report: Report, text: Callable[[], RenderableType], json_file: str | None, *, wide: bool = False) -> None:
    """Print a report as text, or as JSON with ``--json -``."""
    if json_file == "-":
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    console = Console()
    if wide:
        console = Console(width=max(console.width, WIDE))
    console.print(text())


def json_path(json_file: str | None) -> Path | None:
    """The file that ``--json`` names; None if it names the screen or was not given."""
    return None if json_file in (None, "-") else Path(json_file)
