"""Compare the aligners: what they cost, and what a filter and the students make of the frames that they align.

    restill data make foreign --clean DIR --layers DIR -o FOREIGN
    python benchmarks/aligners.py FOREIGN [--models min-median,rill-s,rill-m] [--every 4] [--markdown FILE]

For every fourth frame of each clip of the validation set: PSNR (RGB, dB; mean over frames, then over clips) of each
model's output, in float32 and without the guard. A clip's frames are encoded as a camera does for the vectors of
`source`. "as before" is DIS flow from the frame to each neighbor with an interpolated warp of RGB, as Restill aligned
until version 0.1. The times are of one field, on one thread; decoding and encoding the file are not in them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from restill.alignment import ALIGNERS, Aligner, Picture, align_window, luma_of, make_dis, make_picture
from restill.alignment.dis import dis_flow, warp
from restill.alignment.search import camera_vectors
from restill.runtime import Model, load_model
from restill.video.pictures import list_pictures, read_picture

Window = Callable[[list[np.ndarray], list[Picture], int], list[np.ndarray]]  # frames, pictures, center -> 3 frames


class By:
    """Aligns by a named aligner, and measures the time of a field."""

    def __init__(self, name: str) -> None:
        self.aligner, self.seconds, self.count = Aligner(name), 0.0, 0

    def __call__(self, frames: list[np.ndarray], pictures: list[Picture], t: int) -> list[np.ndarray]:
        began = time.perf_counter()
        fields = [None, *(self.aligner.field(pictures[i], pictures[i - 1]) for i in (t, t + 1))]
        self.seconds, self.count = self.seconds + time.perf_counter() - began, self.count + 2
        return align_window(frames[t - 1 : t + 2], fields, 1)


def as_before(frames: list[np.ndarray], pictures: list[Picture], t: int) -> list[np.ndarray]:
    dis = make_dis()
    moved = [warp(frames[i], dis_flow(dis, pictures[t].opened, pictures[i].opened)) for i in (t - 1, t + 1)]
    return [moved[0], frames[t], moved[1]]


def unaligned(frames: list[np.ndarray], pictures: list[Picture], t: int) -> list[np.ndarray]:
    return frames[t - 1 : t + 2]


def restored(model: Model, window: list[np.ndarray]) -> np.ndarray:
    height, width = (side // 4 * 4 for side in window[0].shape[:2])
    x = np.stack(window)[:, :height, :width].astype(np.float32) / 255
    y = model.run(np.ascontiguousarray(x.transpose(0, 3, 1, 2))[None])[0].transpose(1, 2, 0)
    return np.rint(y.clip(0, 1) * 255)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    other = other[: one.shape[0], : one.shape[1]]
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default="min-median,rill-s,rill-m")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    models = {name: load_model(name, threads=1) for name in options.models.split(",")}
    ways: dict[str, Window] = {"none": unaligned, "as before": as_before, **{name: By(name) for name in ALIGNERS}}
    scores: dict[tuple[str, str], list[float]] = {}
    clips = sorted(path.parent for path in options.folder.glob("*/rain"))
    for number, clip in enumerate(clips, 1):
        rainy, clean = ([read_picture(file) for file in list_pictures(clip / side)] for side in ("rain", "gt"))
        lumas = [luma_of(frame) for frame in rainy]
        pictures = [make_picture(*pair) for pair in zip(lumas, camera_vectors(lumas), strict=True)]
        for way, align in ways.items():
            found: dict[str, list[float]] = {name: [] for name in models}
            for t in range(1, len(rainy) - 1, options.every):
                window = align(rainy, pictures, t)
                for name, model in models.items():
                    found[name].append(psnr(restored(model, window), clean[t]))
            for name, values in found.items():
                scores.setdefault((way, name), []).append(float(np.mean(values)))
        print(f"{number} of {len(clips)} clips", flush=True)
    lines = [f"| aligner | {' | '.join(models)} | ms a field |", f"|---|{'---:|' * (len(models) + 1)}"]
    for way, align in ways.items():
        values = " | ".join(f"{np.mean(scores[way, name]):.2f}" for name in models)
        cost = f"{1000 * align.seconds / align.count:.2f}" if isinstance(align, By) else ""
        lines.append(f"| {way} | {values} | {cost} |")
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
