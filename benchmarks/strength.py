"""Measure what --strength trades: rain left over against changes of clips without rain.

    python benchmarks/strength.py rill-s rill-m --foreign DIR [--output docs/strength.svg] [--precision int8]
        [--strengths 0,0.5,1,1.5,2] [--frames 8] [--clips 22]

DIR is the set that `restill data foreign` writes. A line for each student and strength:

- "rainy": PSNR of the restored rainy clips against the clean ones;
- "dry": PSNR of the output against the input on the same clips without rain, each clip once, and that of the worst
  frame;
- "rain left" and "detail lost" on the real clips of a static camera, percent (docs/no-reference.md).

PSNR is RGB in 8 bits, dB, the mean of the frames; 99 is no change. The network is measured without the guard for
burnt-in text. The picture shows "dry" over "rainy", a curve for each student; strength 0 is the dashed line, because
its dry clips do not change.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np

from restill.evaluation.static_clips import MASKS, static_background
from restill.html.svg import svg, ticks
from restill.runtime import Model, load_model, stream
from restill.video import read_frames
from restill.video.pictures import to_8_bits

LEFT, TOP, WIDTH, HEIGHT = 60, 40, 560, 320
COLORS = ("#1d4ed8", "#c2410c", "#a21caf", "#15803d", "#8a6d00")
STATIC_FRAMES = 10  # the least that a temporal median needs
Row = tuple[float, float, float, float, float]  # rainy, dry, worst dry frame (dB), rain left, detail lost (%)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--foreign", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--precision")
    parser.add_argument("--strengths", default="0,0.5,1,1.5,2")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--clips", type=int)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    strengths = [float(word) for word in options.strengths.split(",")]
    curves: dict[str, dict[float, Row]] = {}
    print(f"{'model':20s} strength  rainy    dry  worst  rain left  detail lost")
    for name in options.models:
        model = load_model(name, precision=options.precision, threads=options.threads)
        rows = curves.setdefault(model.info.name, {})
        for strength in strengths:
            row = rows[strength] = measure(model, strength, options.foreign, options.frames, options.clips)
            print(f"{model.info.name:20s} {strength:8g} {row[0]:6.2f} {row[1]:6.2f} {row[2]:6.2f}", end=" ")
            print(f"{row[3]:9.4f}% {row[4]:11.4f}%", flush=True)
    if options.output:
        options.output.write_text(draw(curves), encoding="utf-8")


def measure(model: Model, strength: float, foreign: Path, count: int, most: int | None) -> Row:
    """The numbers of a model at one strength."""
    clips = sorted(folder for folder in foreign.iterdir() if (folder / "gt").is_dir())[:most]
    dry_clips = {folder.name.split(".")[0]: folder / "gt" for folder in clips}
    rainy = [_values(model, strength, folder / "rain", folder / "gt", count) for folder in clips]
    dry = [_values(model, strength, clean, clean, count) for clean in dry_clips.values()]
    return (
        float(np.mean(rainy)),
        float(np.mean(dry)),
        float(np.min(dry)),
        *static(model, strength, foreign / "real_static", max(count, STATIC_FRAMES)),
    )


def static(model: Model, strength: float, folder: Path, count: int) -> tuple[float, float]:
    """Rain left over and detail lost on the clips of a static camera, percent, means; nan if there are none."""
    left, lost = [], []
    for clip in sorted(path for path in folder.glob("*") if path.name != MASKS):
        ground = static_background(clip, folder / MASKS / f"{clip.name}.png", count)
        restored = list(stream(model, frames(clip, count), guard=False, strength=strength))
        left.append(np.mean([ground.rain_left(frame) for frame in restored]))
        lost.append(np.mean([ground.detail_lost(frame) for frame in restored]))
    return (float(np.mean(left)), float(np.mean(lost))) if left else (np.nan, np.nan)


def _values(model: Model, strength: float, source: Path, truth: Path, count: int) -> list[float]:
    restored = stream(model, frames(source, count), guard=False, strength=strength)
    return [psnr(one, other) for one, other in zip(restored, frames(truth, count), strict=True)]


def frames(path: Path, count: int) -> Iterator[np.ndarray]:
    return (to_8_bits(frame) for frame in islice(read_frames(path), count))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB, (H, W, 3) uint8 each; 99 if they are equal."""
    error = np.mean((a.astype(np.float32) - b) ** 2)
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def draw(curves: dict[str, dict[float, Row]]) -> str:
    """The picture."""
    shown = [row for rows in curves.values() for strength, row in rows.items() if strength]
    inputs = [row[0] for rows in curves.values() for strength, row in rows.items() if not strength][:1]
    xs, ys = [row[0] for row in shown] + inputs, [row[1] for row in shown]
    (left, right), (bottom, top) = (min(xs) - 0.5, max(xs) + 0.5), (min(ys) - 1, max(ys) + 1)

    def x(db: float) -> float:
        return LEFT + (db - left) / (right - left) * WIDTH

    def y(db: float) -> float:
        return TOP + (top - db) / (top - bottom) * HEIGHT

    parts = [
        '<text x="8" y="20" font-size="13">Dry clips, output against input (dB), over foreign rain, output against '
        "clean (dB), by --strength</text>",
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f4"/>',
    ]
    for db in ticks(bottom, top):
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(db):.1f}" y2="{y(db):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(db) + 4:.1f}" text-anchor="end">{db:g}</text>')
    for db in ticks(left, right):
        parts.append(f'<text x="{x(db):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{db:g}</text>')
    for db in inputs:
        line = f'x1="{x(db):.1f}" x2="{x(db):.1f}" y1="{TOP}" y2="{TOP + HEIGHT}"'
        parts.append(f'<line {line} stroke="#999999" stroke-dasharray="4"/>')
        parts.append(f'<text x="{x(db) + 5:.1f}" y="{TOP + 14}">0, the input</text>')
    for place, (name, rows) in enumerate(curves.items()):
        color = COLORS[place % len(COLORS)]
        points = [(strength, x(row[0]), y(row[1])) for strength, row in sorted(rows.items()) if strength]
        line = " ".join(f"{px:.1f},{py:.1f}" for _, px, py in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}"/>')
        for strength, px, py in points:
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{color}"/>')
            parts.append(f'<text x="{px + 7:.1f}" y="{py + 4:.1f}" font-size="10">{strength:g}</text>')
        parts.append(f'<text x="{LEFT + 10}" y="{TOP + HEIGHT - 12 - 16 * place}" fill="{color}">{escape(name)}</text>')
    return svg(LEFT + WIDTH + 20, TOP + HEIGHT + 30, parts)


if __name__ == "__main__":
    main()
