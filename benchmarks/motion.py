"""Measure how often rain triggers a plain motion detector, before and after a student, and what it misses then.

    python benchmarks/motion.py rill-s rill-m --clean CLIP ... --real CLIP ... [--turn CLIP ...] [--json FILE]
        [--rain heavy,storm] [--strengths 1,2] [--precision int8] [--backend openvino] [--frames 300]

All clips must be of a camera that stands still. The detector is OpenCV's MOG2 with its usual settings (history 500,
threshold 16, shadows found and left out) on gray frames of 360 lines. A frame has motion if at least 0.5 % of its
pixels move; the program "motion" takes 1500 of 640x480 by default, which is as many. The first 60 frames only teach the
detector the background.

- ``--real``: rain that was filmed. A row says how many pixels move, and in which share of the frames there is motion.
  Nobody knows in which of them something moved besides the rain. ``--turn`` is for clips that lie on their side: they
  are turned clockwise.
- ``--clean``: clips without rain, on which rain is rendered (seed 1, without mist, which no student removes) and
  compressed (H.264, crf 23). The same clip without rain, compressed as well, is the truth. "False" is the share of the
  frames with motion among those in which the truth stands still (less than 0.1 % of it moves). "Found" is the share of
  its moving parts of at least 0.3 % of the frame (a person, a car) of which a quarter is found; specks are opened away
  for that (3x3). Clips of less than 120 frames are played forth and back.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from restill.degradations.h264 import compressed
from restill.degradations.rain import Rain, RainSettings
from restill.runtime import Model, load_model, stream
from restill.video import read_frames
from restill.video.pictures import to_8_bits

LINES = 360  # of the frames that the detector sees
WARM_UP = 60  # frames that only teach it the background
MOTION = 0.005  # of a frame: the pixels that must move
STILL = 0.001  # of a frame: if fewer pixels move, it stands still
LARGE = 0.003  # of a frame: a person or a car
COVERED = 0.25  # of such a part that must be found
SHORT = 120  # frames; a clip with fewer is played forth and back
CRF = 23


@dataclass
class Row:
    """What was measured on one clip: shares in percent; nan where there is nothing to count.

    Attributes:
        clip: Its name, and the rain.
        model: The student and the strength; "before" for none.
        frames: Frames that count.
        pixels: Pixels that move, the mean of the frames.
        motion: Frames with motion.
        false: Frames with motion among those in which the clean clip stands still.
        found: Parts that move in the clean clip and are found.
    """

    clip: str
    model: str
    frames: int
    pixels: float
    motion: float
    false: float = float("nan")
    found: float = float("nan")

    @property
    def filmed(self) -> bool:
        """Whether there is no clean clip to compare with."""
        return np.isnan(self.false) and np.isnan(self.found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clean", type=Path, nargs="*", default=[])
    parser.add_argument("--real", type=Path, nargs="*", default=[])
    parser.add_argument("--turn", type=Path, nargs="*", default=[])
    parser.add_argument("--rain", default="heavy,storm")
    parser.add_argument("--strengths", default="1")
    parser.add_argument("--precision")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    models: dict[str, tuple[Model, float]] = {}
    for name in options.models:
        model = load_model(name, precision=options.precision, backend=options.backend, threads=1)
        models |= {f"{name} at {word}": (model, float(word)) for word in options.strengths.split(",")}
    rows: list[Row] = []
    print(f"{'clip':34s} {'model, strength':16s} frames  pixels  motion   false   found")
    for clip in (*options.real, *options.turn):
        frames = list(islice(clip_frames(clip), options.frames))
        if clip in options.turn:
            frames = [np.ascontiguousarray(np.rot90(frame, 3)) for frame in frames]
        rows += measured(clip.stem, forth_and_back(frames), None, models)
    for clip in options.clean:
        clean = forth_and_back(list(islice(clip_frames(clip), options.frames)))
        for kind in options.rain.split(","):
            rain = Rain(RainSettings.preset(kind, mist=0.0), clean[0].shape[:2], seed=1)
            rainy = compressed([rain.render(frame, t) for t, frame in enumerate(clean)], CRF)
            rows += measured(f"{clip.stem}, {kind}", rainy, compressed(clean, CRF), models)
    for name in models:
        print(f"{name}: {total(rows, name)}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


def clip_frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a clip, (H, W, 3) uint8."""
    return (to_8_bits(frame) for frame in read_frames(path))


def forth_and_back(frames: list[np.ndarray]) -> list[np.ndarray]:
    """The frames; those of a short clip forth and back until they are enough for the detector."""
    if len(frames) >= SHORT:
        return frames
    return list(islice(cycle(frames + frames[-2:0:-1]), WARM_UP + SHORT))


def measured(
    clip: str, rainy: list[np.ndarray], clean: list[np.ndarray] | None, models: dict[str, tuple[Model, float]]
) -> list[Row]:
    """A row before and one for each model; each is printed."""
    truth = None if clean is None else list(masks(clean))
    rows = [row(clip, "before", rainy, truth)]
    for name, (model, strength) in models.items():
        rows.append(row(clip, name, stream(model, rainy, strength=strength), truth))
    return rows


def row(clip: str, model: str, frames: Iterable[np.ndarray], truth: list[np.ndarray] | None) -> Row:
    """Measure one version of a clip."""
    found = list(masks(frames))
    moved = [moves(mask) for mask in found]
    pixels = 100 * float(np.mean([mask.mean() for mask in found]))
    measured = Row(clip, model, len(found), pixels, 100 * float(np.mean(moved)))
    if truth is not None:
        false = [has for has, mask in zip(moved, truth, strict=True) if mask.mean() < STILL]
        opened = map(without_specks, found)
        parts = [covered(part, mask) for mask, true in zip(opened, truth, strict=True) for part in large_parts(true)]
        measured.false = 100 * float(np.mean(false)) if false else float("nan")
        measured.found = 100 * float(np.mean(parts)) if parts else float("nan")
    shares = " ".join(f"{share:6.1f}%" for share in (measured.motion, measured.false, measured.found))
    print(f"{clip:34s} {model:16s} {measured.frames:6d} {pixels:6.2f}% {shares}", flush=True)
    return measured


def masks(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """What moves in each frame after the first 60: (h, w) uint8, 0 or 1."""
    detector = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=16, detectShadows=True)
    for number, frame in enumerate(frames):
        height, width = frame.shape[:2]
        size = (round(width * LINES / height), LINES)
        gray = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        moving = detector.apply(gray) == 255  # a shadow is 127
        if number >= WARM_UP:
            yield moving.astype(np.uint8)


def moves(mask: np.ndarray) -> bool:
    """Whether a frame has motion."""
    return bool(mask.mean() >= MOTION)


def without_specks(mask: np.ndarray) -> np.ndarray:
    """What is left of a mask if each pixel needs a square of 3x3."""
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))


def large_parts(mask: np.ndarray) -> Iterator[np.ndarray]:
    """The connected parts that are as large as a person or a car, (h, w) bool each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(without_specks(mask))
    for number, size in enumerate(stats[:, cv2.CC_STAT_AREA]):
        if number and size >= LARGE * mask.size:
            yield labels == number


def covered(part: np.ndarray, mask: np.ndarray) -> bool:
    """Whether enough of a part is found."""
    return bool(mask[part].mean() >= COVERED)


def total(rows: list[Row], model: str) -> str:
    """How much less motion there is after a model, and what is found, over all clips."""
    before = {row.clip: row for row in rows if row.model == "before"}
    after = [row for row in rows if row.model == model]

    def fall(pairs: list[tuple[float, float]]) -> str:
        had, has = np.sum(pairs, axis=0) if pairs else (0.0, 0.0)
        return f"{100 * (1 - has / had):.1f} %" if had else "-"

    real = [(before[row.clip].motion, row.motion) for row in after if row.filmed]
    false = [(before[row.clip].false, row.false) for row in after if not np.isnan(row.false)]
    found = [row.found for row in after if not np.isnan(row.found)]
    mean = f"{np.mean(found):.1f} %" if found else "-"
    return f"motion in filmed rain falls by {fall(real)}, false motion in rendered rain by {fall(false)}; found {mean}"


if __name__ == "__main__":
    main()
