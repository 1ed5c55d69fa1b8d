"""Draw the validation PSNR of a table's students over training steps as SVG, a line for each row."""

from __future__ import annotations

import json
import statistics
from html import escape
from pathlib import Path

from restill.html.svg import svg, ticks
from restill.tables.result import TableResult

VALUE = "validation_psnr_rgb_crops"
LEFT, TOP, WIDTH, HEIGHT, LINE = 60, 40, 460, 300, 18  # pixels
COLORS = ("#111111", "#c2410c", "#1d4ed8", "#15803d", "#a21caf", "#0e7490", "#b45309", "#6b7280", "#be123c", "#4d7c0f")

Curve = list[tuple[int, float, float, float]]  # step; mean, minimum and maximum over seeds


def read_curve(runs: list[Path]) -> Curve:
    """Read the validation PSNR (RGB, dB) of a row's runs, at the steps that all of them have."""
    logs = [_validations(run / "log.jsonl") for run in runs]
    steps = sorted(set.intersection(*map(set, logs))) if logs else []
    rows = [(step, [values[step] for values in logs]) for step in steps]
    return [(step, statistics.fmean(values), min(values), max(values)) for step, values in rows]


def curves(result: TableResult) -> str:
    """Draw every row that was trained with several seeds: their mean, and the range from minimum to maximum."""
    found = [(row.row.label, read_curve(row.runs)) for row in result.rows if len(row.runs) > 1]
    lines = [(label, curve) for label, curve in found if curve]
    width, height = LEFT + WIDTH + 240, TOP + max(HEIGHT, LINE * len(lines)) + 50
    parts = [
        f'<text x="8" y="20" font-size="14">{escape(result.name)}: PSNR (dB, RGB) of held-out crops over steps; '
        "mean, least and most of the seeds</text>",
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f4"/>',
    ]
    if lines:
        parts += _panel(lines)
    return svg(width, height, parts)


def _validations(log: Path) -> dict[int, float]:
    if not log.is_file():
        return {}
    rows = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return {row["step"]: row[VALUE] for row in rows if VALUE in row}


def _panel(lines: list[tuple[str, Curve]]) -> list[str]:
    every = [point for _, curve in lines for point in curve]
    first, last = min(p[0] for p in every), max(p[0] for p in every)
    low, high = min(p[2] for p in every), max(p[3] for p in every)
    margin = (high - low) * 0.05 or 0.5
    low, high = low - margin, high + margin

    def x(step: float) -> str:
        return f"{LEFT + (step - first) / (last - first or 1) * WIDTH:.1f}"

    def y(value: float) -> str:
        return f"{TOP + (high - value) / (high - low) * HEIGHT:.1f}"

    parts = []
    for value in ticks(low, high):
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(value)}" y2="{y(value)}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value)}" text-anchor="end">{value:g}</text>')
    for step in ticks(first, last) if last > first else [first]:
        parts.append(f'<text x="{x(step)}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{step:g}</text>')
    for i, (label, curve) in enumerate(lines):
        color = COLORS[i % len(COLORS)]
        around = [f"{x(p[0])},{y(p[2])}" for p in curve] + [f"{x(p[0])},{y(p[3])}" for p in reversed(curve)]
        parts.append(f'<polygon points="{" ".join(around)}" fill="{color}" opacity="0.08"/>')
        points = " ".join(f"{x(p[0])},{y(p[1])}" for p in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        down = TOP + LINE * i + 10
        right = LEFT + WIDTH + 16
        parts.append(
            f'<line x1="{right}" x2="{right + 20}" y1="{down}" y2="{down}" stroke="{color}" stroke-width="3"/>'
        )
        parts.append(f'<text x="{right + 26}" y="{down + 4}">{escape(label)}: {curve[-1][1]:.2f}</text>')
    return parts
