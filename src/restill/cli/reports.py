"""How commands print a report, and where its files go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console, RenderableType

from restill.errors import RestillError

WIDE = 150  # columns, at which no number is cut off


class Report(Protocol):
    """Anything that is plain data too."""

    def as_dict(self) -> dict[str, Any]: ...


def check_folders(*files: str | Path | None) -> None:
    """Refuse files that could not be written; better known before an hour of work.

    Raises:
        RestillError: The folder of one is not there.
    """
    for file in files:
        if file is not None and not Path(file).parent.is_dir():
            raise RestillError(f"{file}: cannot be written, its folder is not there; make it first")


def show(report: Report, text: Callable[[], RenderableType], json_file: str | None, *, wide: bool = False) -> None:
    """Print a report as text, or as JSON where ``--json -`` asks for it."""
    if json_file == "-":
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    console = Console()
    if wide:
        console = Console(width=max(console.width, WIDE))
    console.print(text())


def json_path(json_file: str | None) -> Path | None:
    """The file of ``--json``; None for the screen."""
    return None if json_file in (None, "-") else Path(json_file)
