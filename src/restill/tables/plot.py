"""Draw a table as SVG: a line for each row, a ring for the paper's number, a dot for ours, small dots for seeds."""

from __future__ import annotations

import math
import statistics
from html import escape

from restill.html.svg import svg, ticks
from restill.tables.numbers import NAMES
from restill.tables.result import TableResult

LEFT, WIDTH, LINE, TOP, GAP = 260, 240, 22, 64, 40  # pixels
PAPER, OURS = "#8a8f98", "#c2410c"


def plot(result: TableResult) -> str:
    """Draw a table's first metric as SVG: one panel for the column "average" if there is one, else one per column."""
    metric = result.table.metrics[0]
    names = [column.name for column in result.table.columns] or [""]
    columns = [names.index("average")] if "average" in names else list(range(len(names)))
    height = TOP + LINE * len(result.rows) + 40
    width = LEFT + len(columns) * (WIDTH + GAP)
    parts = [
        f'<text x="8" y="18" font-size="14">{escape(result.name)}: {escape(NAMES.get(metric, metric))}, '
        f"scale {escape(result.scale)}</text>",
        *_key(result.has_paper),
    ]
    for i, row in enumerate(result.rows):
        parts.append(_label(LEFT - 8, _y(i) + 4, row.row.label, "end"))
    for panel, column in enumerate(columns):
        parts += _panel(result, metric, column, names[column], LEFT + panel * (WIDTH + GAP))
    return svg(width, height, parts)


def _y(row: int) -> int:
    return TOP + LINE * row + LINE // 2


def _key(has_paper: bool) -> list[str]:
    ours = [f'<circle cx="14" cy="34" r="5" fill="{OURS}"/>', _label(24, 38, "ours")]
    paper = [f'<circle cx="74" cy="34" r="5" fill="none" stroke="{PAPER}" stroke-width="2"/>', _label(84, 38, "paper")]
    return ours + paper * has_paper


def _panel(result: TableResult, metric: str, column: int, name: str, left: int) -> list[str]:
    paper = [result.table.of(row.row, metric, column) for row in result.rows]
    ours = [[v for v in _values(row.ours.get(metric), column) if math.isfinite(v)] for row in result.rows]
    shown = [v for v in paper if v is not None] + [v for values in ours for v in values]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    margin = (high - low) * 0.08 or 0.5
    low, high = low - margin, high + margin

    def x(value: float) -> str:
        return f"{left + (value - low) / (high - low) * WIDTH:.1f}"

    bottom = TOP + LINE * len(result.rows)
    parts = [f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{bottom - TOP}" fill="#f6f6f4"/>']
    parts.append(_label(left + WIDTH // 2, TOP - 8, name, "middle"))
    for value in ticks(low, high):
        parts.append(f'<line x1="{x(value)}" x2="{x(value)}" y1="{TOP}" y2="{bottom}" stroke="#dddddd"/>')
        parts.append(_label(float(x(value)), bottom + 16, f"{value:g}", "middle"))
    for i, (theirs, values) in enumerate(zip(paper, ours, strict=True)):
        if theirs is not None:
            parts.append(f'<circle cx="{x(theirs)}" cy="{_y(i)}" r="5" fill="none" stroke="{PAPER}" stroke-width="2"/>')
        if len(values) > 1:
            parts += [f'<circle cx="{x(v)}" cy="{_y(i)}" r="2" fill="{OURS}" opacity="0.6"/>' for v in values]
        if values:
            parts.append(f'<circle cx="{x(statistics.fmean(values))}" cy="{_y(i)}" r="5" fill="{OURS}"/>')
    return parts


def _values(columns: list[list[float]] | None, column: int) -> list[float]:
    return columns[column] if columns else []


def _label(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
