"""The result of a table: the paper's numbers and ours, as text, Markdown and JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from restill.tables.numbers import NAMES, UNITS, digits_of, number_text, paper_text
from restill.tables.table import Row, Table

ABSENT = "not implemented"  # the message of a row that only the paper has


@dataclass
class RowResult:
    """A row and its results.

    Attributes:
        row: The row of the table, with the paper's numbers.
        ours: By metric, for each column, the numbers of all seeds; empty if there are none.
        messages: Why numbers are missing.
        runs: Folders of the row's runs, one for each seed and training.
        notes: Footnotes on our numbers, besides the row's own note.
    """

    row: Row
    ours: dict[str, list[list[float]]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def footnotes(self) -> list[str]:
        """The row's own note and the notes on our numbers."""
        return [*([self.row.note] if self.row.note else []), *self.notes]


@dataclass
class TableResult:
    """A table with the paper's numbers and ours.

    Attributes:
        name: The table's name.
        table: The table's definition.
        scale: The scale of our numbers.
        seeds: The seeds of our numbers; empty for the recipes' own.
        rows: The results of each row.
        protocols: Each protocol that was used, in words.
        part: Whether only a part of the test sets was scored.
        stopped: Whether the run was interrupted.
        made_up: The data sets that synthetic data replaced.
    """

    name: str
    table: Table
    scale: str
    seeds: list[int]
    rows: list[RowResult] = field(default_factory=list)
    protocols: list[str] = field(default_factory=list)
    part: bool = False
    stopped: bool = False
    made_up: list[str] = field(default_factory=list)

    @property
    def has_paper(self) -> bool:
        """Whether the table has any number of a paper."""
        return any(row.paper for row in self.table.rows)

    def head(self) -> list[str]:
        """The lines above the numbers."""
        scale = {
            "smoke": "scale smoke: a few steps of small networks, which only prove that all is wired",
            "small": "scale small: a small budget, not the paper's",
            "paper": "scale paper",
        }[self.scale]
        lines = [f"{self.name}: {self.table.title}"]
        lines += [self.table.about] if self.table.about else []
        if self.has_paper:
            lines.append(f"paper: the numbers of {self.table.paper}. ours: Restill's, {scale}.")
        else:
            lines.append(f"{self.table.paper}; {scale}.")
        if self.protocols:
            lines.append(f"Ours under protocol {'; '.join(self.protocols)}.")
        if self.made_up:
            lines.append(f"Synthetic data replace the missing data sets: {', '.join(self.made_up)}.")
        if not any(values for row in self.rows for columns in row.ours.values() for values in columns):
            first = next((f": {text}" for row in self.rows for text in row.messages if text != ABSENT), "")
            lines.append(f"There are no numbers of ours here{first}")
        if self.part:
            lines.append("Only the first frames or clips of the test sets were scored.")
        if len(self.seeds) > 1:
            seeds = ", ".join(map(str, self.seeds))
            lines.append(f"Ours: mean and standard deviation over seeds {seeds}.")
        if self.table.against is not None:
            lines.append(f"Against '{self.table.against}': the difference of runs of the same seed.")
        return lines

    def grids(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """(heading, column titles, lines of cells): a grid for each metric, or a single grid for single columns."""
        columns = [column.name for column in self.table.columns] or [""]
        used_columns = {m: [i for i in range(self.table.width) if self._used(m, i)] for m in self.table.metrics}
        if all(len(used) == 1 for used in used_columns.values()):
            one = [(m, used[0]) for m, used in used_columns.items()]
            titles = [" ".join([NAMES.get(m, m), *([columns[i]] if self.table.width > 1 else [])]) for m, i in one]
            return [(columns[0] if self.table.width == 1 else "", *self._grid(titles, one))]
        return [
            (NAMES.get(m, m), *self._grid([columns[i] for i in used], [(m, i) for i in used]))
            for m, used in used_columns.items()
        ]

    def _grid(self, columns: list[str], cells: list[tuple[str, int]]) -> tuple[list[str], list[list[str]]]:
        """Titles and lines; columns of differences come last."""
        titles, lines = self._titles(columns), self._lines(cells)
        for metric, i in cells if self.table.against else ():
            name = columns[cells.index((metric, i))]
            titles.append(f"{name} against '{self.table.against}'")
            for line, cell in zip(lines, self._differences(metric, i), strict=True):
                line.append(cell)
        return titles, lines

    def against(self, result: RowResult, metric: str, column: int) -> list[float]:
        """A row's numbers minus those of the reference row, seed by seed."""
        base = [row for row in self.rows if row.row.label == self.table.against and row is not result]
        if not base or column >= len(result.ours.get(metric, [])) or column >= len(base[0].ours.get(metric, [])):
            return []
        own, other = result.ours[metric][column], base[0].ours[metric][column]
        return [a - b for a, b in zip(own, other, strict=True)] if len(own) == len(other) else []

    def _differences(self, metric: str, column: int) -> list[str]:
        cells, digits = [], digits_of(self.table, metric)
        for result in self.rows:
            values = self.against(result, metric, column)
            values = [value / UNITS.get(metric, 1) for value in values]
            text = f"{statistics.fmean(values):+.{digits}f}" if values else ""
            text += f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells += ["", text] if self.has_paper else [text]
        return cells

    def _used(self, metric: str, column: int) -> bool:
        """Whether a column has numbers of a metric: if the table has a paper, the paper decides."""
        return not self.has_paper or any(self.table.of(row, metric, column) is not None for row in self.table.rows)

    def _titles(self, columns: list[str]) -> list[str]:
        return ["", *([""] if self.has_paper else []), *columns]

    def _lines(self, cells: list[tuple[str, int]]) -> list[list[str]]:
        lines = []
        for result in self.rows:
            label = result.row.label + self._marks(result)
            ours = [self._ours(result, metric, i) for metric, i in cells]
            if not self.has_paper:
                lines.append([label, *ours])
                continue
            paper = [paper_text(self.table, result.row, metric, i) for metric, i in cells]
            lines += [[label, "paper", *paper], ["", "ours", *ours]]
        return lines

    def _marks(self, result: RowResult) -> str:
        numbers = [i for i, text in enumerate(self.notes(), 1) if text in result.footnotes]
        return "".join(f" [{i}]" for i in numbers)

    def notes(self) -> list[str]:
        """The footnotes in order: those of rows, then those of the table."""
        of_rows = [note for result in self.rows for note in result.footnotes]
        return list(dict.fromkeys([*of_rows, *self.table.notes]))

    def messages(self) -> list[str]:
        """Why our numbers are missing: each reason once, with all its rows."""
        rows: dict[str, list[str]] = {}
        for result in self.rows:
            for text in result.messages:
                rows.setdefault(text, []).append(result.row.label)
        lines = [f"{', '.join(labels)}: {text}" for text, labels in rows.items()]
        return [*lines, "Stopped. Run the same command again to continue."] if self.stopped else lines

    def _ours(self, result: RowResult, metric: str, column: int) -> str:
        values = result.ours.get(metric, [[]] * self.table.width)[column]
        if not values:
            return "-"
        text = number_text(self.table, metric, statistics.fmean(values))
        return f"{text} ± {number_text(self.table, metric, statistics.stdev(values))}" if len(values) > 1 else text

    def text(self) -> Group:
        """The table for a terminal."""
        parts: list[Any] = [Text(line) for line in self.head()]
        for heading, titles, lines in self.grids():
            grid = RichTable(box=SIMPLE, title=heading or None, title_justify="left", pad_edge=False)
            for i, title in enumerate(titles):
                left = i == 0 or (i == 1 and self.has_paper)
                # a narrow terminal may wrap titles and labels between words, but never a number
                widest = max(len(word) for line in lines for word in _in_terminal(line[i]).split() or [""])
                grid.add_column(Text(title), justify="left" if left else "right", min_width=widest)
            for line in lines:
                grid.add_row(*(Text(_in_terminal(cell)) for cell in line))
            parts.append(grid)
        parts += [Text(f"[{i}] {note}") for i, note in enumerate(self.notes(), 1)]
        parts += [Text(line) for line in self.messages()]
        return Group(*parts)

    def markdown(self) -> str:
        """The table as Markdown."""
        title, *head = self.head()
        blocks = [f"## {title}", *head]
        for heading, titles, lines in self.grids():
            left = 2 if self.has_paper else 1
            rule = ["---"] * left + ["---:"] * (len(titles) - left)
            rows = [titles, rule, *lines]
            blocks += [heading] * bool(heading) + ["\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)]
        blocks += _list(f"[{i}] {note}" for i, note in enumerate(self.notes(), 1))
        blocks += _list(self.messages())
        return "\n\n".join(blocks) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "table": self.name,
            "title": self.table.title,
            "paper": self.table.paper,
            "scale": self.scale,
            "seeds": self.seeds,
            "protocols": self.protocols,
            "part": self.part,
            "stopped": self.stopped,
            "made_up": self.made_up,
            "against": self.table.against,
            "columns": [column.name for column in self.table.columns],
            "rows": [
                {
                    "label": result.row.label,
                    "paper": {metric: self.table.numbers(result.row, metric) for metric in result.row.paper},
                    "ours": {m: [[_finite(v) for v in vs] for vs in columns] for m, columns in result.ours.items()},
                    "against": {m: [self.against(result, m, i) for i in range(self.table.width)] for m in result.ours},
                    "note": result.row.note,
                    "notes": result.notes,
                    "messages": result.messages,
                }
                for result in self.rows
            ],
            "notes": self.table.notes,
        }


def _in_terminal(cell: str) -> str:
    """Join mean and deviation into one word."""
    return cell.replace(" ± ", "±")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _list(lines: Iterable[str]) -> list[str]:
    text = "\n".join(f"- {line}" for line in lines)
    return [text] if text else []


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
