"""Draw lines over frames or steps as SVG inside a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from restill.html.svg import ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 260, 58, 10, 8, 40  # pixels
MOST = 300  # columns in which a line is drawn; each shows the least and the largest value there
COLORS = 8

Points = Sequence[tuple[float, float]]


def chart(
    title: str, lines: Mapping[str, Points], across: str, unit: str = "", form: str = ".2f", ending: bool = False
) -> str:
    """Draw lines. Points that are not finite are left out; a screen reader says the mean, least and largest values.

    Args:
        title: A title above the chart.
        lines: By name, the points of each line by their x.
        across: What x is: "frame", "step".
        unit: The unit of y.
        form: The format of the numbers in the legend.
        ending: Say the last value instead of the mean.

    Returns:
        HTML; an empty text if there is no finite point.
    """
    finite = {name: [p for p in points if math.isfinite(p[1])] for name, points in lines.items()}
    every = [point for points in finite.values() for point in points]
    if not every:
        return ""
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    low, high = (0.0 if 0 <= low < margin else low - margin), high + margin

    def place(x: float, y: float) -> str:
        return f"{_x(x, first, last):.1f},{TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    own = int(len(lines) == 1)  # gray is for what others are compared with
    parts = []
    for value in ticks(low, high):
        y = place(first, value).split(",")[1]
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(first, last, 6) if last > first else [first]:
        if value == int(value):
            x = place(value, low).split(",")[0]
            parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(across)}</text>')
    for i, points in enumerate(finite.values(), own):
        drawn = [place(x, y) for x, y in _thinned(points)]
        if drawn:
            dot = len(drawn) == 1
            kind = f"s{i % COLORS}{' dot' * dot}"
            parts.append(f'<path class="{kind}" d="M{" L".join(drawn * 2 if dot else drawn)}"/>')
    summaries = [_summary(name, points, unit, form, ending) for name, points in finite.items()]
    keys = "".join(
        f'<li><svg viewBox="0 0 30 8" aria-hidden="true"><line class="key s{i % COLORS}" x2="30" y1="4" y2="4"/></svg>'
        f"{escape(words)}</li>"
        for i, words in enumerate(summaries, own)
    )
    says = escape(f"{title}, over the {across}: {'; '.join(summaries)}")
    return (
        f'<figure><h3>{escape(title)}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{says}">'
        f'{"".join(parts)}</svg><ul class="legend">{keys}</ul></figure>'
    )


def _x(x: float, first: float, last: float) -> float:
    return LEFT + (x - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)


def _summary(name: str, points: Points, unit: str, form: str, ending: bool) -> str:
    values = [y for _, y in points]
    if not values:
        return f"{name}: none"
    unit = f" {unit}" if unit else ""
    if len(values) == 1:
        return f"{name}: {values[0]:{form}}{unit}"
    value = f"last {values[-1]:{form}}" if ending else f"mean {sum(values) / len(values):{form}}"
    return f"{name}: {value}{unit}, from {min(values):{form}} to {max(values):{form}}"


def _thinned(points: Points) -> Points:
    """At most 2 points for each of :data:`MOST` columns, in order: the lowest and the highest there."""
    if len(points) <= 2 * MOST:
        return points
    kept: list[tuple[float, float]] = []
    for column in range(MOST):
        part = points[column * len(points) // MOST : (column + 1) * len(points) // MOST]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept
