"""Draw quality against speed from the output of `restill bench --json` and the scores on the students' cards.

    restill bench rill-s rill-m s2vd prednet-student1 prenet --backend openvino --size 1280x720 --json bench.json
    python benchmarks/quality_speed.py bench.json docs/performance.svg

Frames a second are of the network alone at 1280x720, without the flow that a student needs (the papers' networks need
it too). PSNR is RGB on NTURain a1, protocol all-frames. For networks without weights here, PUBLISHED has
published numbers or those of the authors' weights.
"""

from __future__ import annotations

import argparse
import json
import math
from html import escape
from pathlib import Path

from restill import zoo
from restill.html.svg import svg, ticks

# S2VD: its authors' weights, all 168 frames, RGB, measured before this project. Student #1: printed by its paper after
# distillation under protocol cstd (161 frames). PReNet: its authors' weights for Rain100L, every 8th frame, RGB,
# measured before this project.
PUBLISHED = {
    "s2vd": ("S2VD, its authors' weights", 34.75),
    "prednet-student1": ("Student #1 of CSTD, as printed", 36.81),
    "prenet": ("PReNet, its authors' weights", 30.28),
}
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 560, 320
COLORS = {"f32": "#1d4ed8", "bf16": "#a21caf", "int8": "#c2410c"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    points = read(json.loads(options.bench.read_text(encoding="utf-8")))
    options.output.write_text(draw(points), encoding="utf-8")


def read(report: dict) -> list[tuple[str, str, float, float]]:
    """(label, precision, frames a second, PSNR in dB) of the cases at 1280x720 whose quality is known."""
    points = []
    for row in report["rows"]:
        if row["size"] != "1280x720":
            continue
        label, quality = quality_of(row["model"], row["precision"])
        if quality is not None:
            points.append((label, row["precision"], row["network"]["fps"], quality))
    return points


def quality_of(model: str, precision: str) -> tuple[str, float | None]:
    model = model.removesuffix(".onnx")
    if model in PUBLISHED:
        return PUBLISHED[model]
    scores = [s for s in zoo.card(model).scores if (s.clip, s.protocol, s.model) == ("a1", "all-frames", model)]
    known = {"int8" if "--precision int8" in score.command else "f32": score.psnr for score in scores}
    return model, known.get("f32" if precision == "bf16" else precision)


def draw(points: list[tuple[str, str, float, float]]) -> str:
    speeds, qualities = [math.log2(p[2]) for p in points], [p[3] for p in points]
    low, high = math.floor(min(speeds)), math.ceil(max(speeds))
    bottom, top = min(qualities) - 0.3, max(qualities) + 0.3

    def x(fps: float) -> float:
        return LEFT + (math.log2(fps) - low) / (high - low) * WIDTH

    def y(db: float) -> float:
        return TOP + (top - db) / (top - bottom) * HEIGHT

    parts = [
        '<text x="8" y="20" font-size="13">PSNR (dB, RGB, NTURain a1, all-frames) over frames a second of the network '
        "alone (1280x720)</text>",
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f4"/>',
    ]
    for db in ticks(bottom, top):
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(db):.1f}" y2="{y(db):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(db) + 4:.1f}" text-anchor="end">{db:g}</text>')
    for power in range(low, high + 1):
        parts.append(
            f'<text x="{x(2.0**power):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{2.0**power:g}</text>'
        )
    for place, (precision, color) in enumerate(COLORS.items()):
        parts.append(f'<circle cx="{LEFT + WIDTH - 166 + 60 * place}" cy="{TOP + HEIGHT - 14}" r="5" fill="{color}"/>')
        parts.append(f'<text x="{LEFT + WIDTH - 158 + 60 * place}" y="{TOP + HEIGHT - 10}">{precision}</text>')
    for label in dict.fromkeys(point[0] for point in points):
        own = sorted((point[1:] for point in points if point[0] == label), key=lambda point: point[1])
        line = " ".join(f"{x(fps):.1f},{y(db):.1f}" for _, fps, db in own)
        parts.append(f'<polyline points="{line}" fill="none" stroke="#999999"/>')
        parts += [f'<circle cx="{x(fps):.1f}" cy="{y(db):.1f}" r="5" fill="{COLORS[p]}"/>' for p, fps, db in own]
        _, fastest, db = own[-1]
        parts.append(f'<text x="{x(fastest) + 9:.1f}" y="{y(db) + 4:.1f}">{escape(label)}</text>')
    return svg(LEFT + WIDTH + 60, TOP + HEIGHT + 40, parts)


if __name__ == "__main__":
    main()
