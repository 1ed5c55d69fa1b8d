"""Compare flow settings: their cost, and how well they align neighbors to a frame in rain.

    python benchmarks/flow.py --clips DIR --names davis_kite-surf,mdn_bug [--rains 3]

Composited rain without mist is rendered on the first five frames of each clip. A line per setting: PSNR (RGB, dB,
means) of min(frame, median) of three and of five aligned frames against the clean one, and of the clean neighbors
warped by the same flow; the time of one flow on one thread. "open": the gray picture without narrow bright streaks, as
restill.alignment makes it.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from restill.alignment import warp
from restill.datasets.clean_clips import CleanClips
from restill.degradations.rain import RainSettings, rain_clip

COMPOSITED = {
    "brightness": 0.95,
    "whiteness": 0.9,
    "linear_light": False,
    "mist": 0.0,
    "noise": 0.0,
    "splash": 0.0,
    "compression": 90,
}


class Setting(NamedTuple):
    """Frames are made smaller by ``shrink``; the others are DIS's own, of preset fast where not said."""

    name: str
    shrink: int
    finest: int
    stride: int
    iterations: int
    refinement: int


SETTINGS = (
    Setting("preset fast, half size", 2, 2, 4, 16, 5),
    Setting("finest 1, half size", 2, 1, 4, 16, 0),
    Setting("finest 1, stride 6, 8 iterations, half size", 2, 1, 6, 8, 0),  # what restill.alignment takes, at 480 lines
    Setting("finest 1, stride 6, 8 iterations, a third", 3, 1, 6, 8, 0),  # at 720
    Setting("finest 1, stride 6, 8 iterations, a quarter", 4, 1, 6, 8, 0),  # at 1080
    Setting("finest 1, refined, half size", 2, 1, 4, 16, 2),
    Setting("finest 0, stride 6, 8 iterations, half size", 2, 0, 6, 8, 0),
    Setting("preset fast, full size", 1, 2, 4, 16, 5),
    Setting("finest 2, stride 5, 8 iterations, full size", 1, 2, 5, 8, 0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--names", required=True)
    parser.add_argument("--rains", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    source = CleanClips(options.clips, options.names.split(","))
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for clip in range(len(source.names)):
        clean = [even(frame) for frame in source.clean(clip, range(5))]
        for number in range(options.rains):
            drawn = RainSettings.random(np.random.default_rng([77, 10 * clip + number]))
            rainy = rain_clip(clean, RainSettings.make(**drawn.model_dump() | COMPOSITED), seed=5 + number)
            for setting in SETTINGS:
                for opened in (False, True):
                    found[setting.name, "open" if opened else ""].append(score(setting, opened, rainy, clean))
    for (name, opened), values in found.items():
        three, five, warped, ms = np.mean(values, 0)
        print(f"{name:44s} {opened:5s} of 3 {three:.2f}  of 5 {five:.2f}  clean {warped:.2f} dB  {ms:5.2f} ms")


def even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    return np.ascontiguousarray(frame[:height, :width])


def score(setting: Setting, opened: bool, rainy: list[np.ndarray], clean: list[np.ndarray]) -> tuple[float, ...]:
    """PSNR of the two filters and of warped clean frames, and milliseconds for one flow."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setFinestScale(setting.finest)
    dis.setPatchStride(setting.stride)
    dis.setGradientDescentIterations(setting.iterations)
    dis.setVariationalRefinementIterations(setting.refinement)
    pictures = [gray(frame, setting.shrink, opened) for frame in rainy]
    started = time.perf_counter()
    flows = {t: dis.calc(pictures[2], pictures[t], None) for t in (0, 1, 3, 4)}
    ms = (time.perf_counter() - started) / 4 * 1e3
    near = {t: warp(rainy[t], flow) for t, flow in flows.items()} | {2: rainy[2]}
    filtered = [np.minimum(rainy[2], np.median([near[t] for t in some], 0)) for some in ((1, 2, 3), range(5))]
    warped = np.mean([psnr(warp(clean[t], flows[t]), clean[2]) for t in (1, 3)])
    return psnr(filtered[0], clean[2]), psnr(filtered[1], clean[2]), float(warped), ms


def gray(frame: np.ndarray, shrink: int, opened: bool) -> np.ndarray:
    size = (frame.shape[1] // shrink, frame.shape[0] // shrink)
    small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return cv2.morphologyEx(small, cv2.MORPH_OPEN, np.ones((1, 3), np.uint8)) if opened else small


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float32) - b) ** 2)))


if __name__ == "__main__":
    main()
