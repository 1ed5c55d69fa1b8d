"""Parse the options of `restill reproduce`, list the tables, and write the output files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from restill.errors import RestillError
from restill.evaluation.files import write_json, write_text
from restill.tables.curves import curves as drawn_curves
from restill.tables.plot import plot
from restill.tables.result import TableResult
from restill.tables.table import SCALES, find_table, not_tables, recipes_folder, table_names


def overview() -> Group:
    """List all tables, then the published tables and figures that cannot be reproduced here."""
    recipes = recipes_folder()
    result = RichTable(box=SIMPLE, pad_edge=False)
    for title in ("table", "shows", "scales"):
        result.add_column(title, no_wrap=title == "table")
    for name in table_names(recipes):
        table = find_table(name, recipes)
        scales = [scale for scale in SCALES if scale == table.written or scale in table.scales]
        result.add_row(name, Text(table.title), ", ".join(scales))
    others = RichTable(box=SIMPLE, pad_edge=False)
    for title in ("not a table here", "shows", "why"):
        others.add_column(title)
    for each in not_tables(recipes):
        others.add_row(*(Text(text) for text in (each.what, each.shows, each.why)))
    return Group(result, others)


def parse_data(given: Sequence[str]) -> dict[str, Path]:
    """Parse ``NAME=DIR`` options.

    Raises:
        RestillError: If one has another form, or its folder does not exist.

    >>> parse_data(["nturain=."])
    {'nturain': PosixPath('.')}
    """
    folders = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder:
            raise RestillError(f"--data {text}: should be NAME=DIR, such as nturain=data/nturain")
        if not Path(folder).is_dir():
            raise RestillError(f"--data {text}: there is no folder {folder}")
        folders[name] = Path(folder)
    return folders


def parse_seeds(text: str | None) -> list[int] | None:
    """Parse seeds such as ``1,2,3``.

    Raises:
        RestillError: If they are not whole numbers.

    >>> parse_seeds("1,2")
    [1, 2]
    """
    if text is None:
        return None
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError as error:
        raise RestillError(f"--seeds {text}: should be whole numbers separated by commas, such as 1,2,3") from error


def parse_labels(text: str | None) -> list[str] | None:
    """Parse labels separated by commas; None for all rows.

    >>> parse_labels("Teacher, Student#1 before")
    ['Teacher', 'Student#1 before']
    """
    return None if text is None else [label.strip() for label in text.split(",")]


def write(
    result: TableResult,
    json_file: Path | None,
    markdown: Path | None,
    picture: Path | None,
    curves: Path | None = None,
) -> None:
    """Write the requested files.

    Raises:
        RestillError: If a file cannot be written.
    """
    if json_file is not None:
        write_json(json_file, result.as_dict())
    if markdown is not None:
        write_text(markdown, result.markdown())
    if picture is not None:
        write_text(picture, plot(result))
    if curves is not None:
        write_text(curves, drawn_curves(result))
