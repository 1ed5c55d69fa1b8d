"""Calibration data for quantization: windows of clean clips with rendered rain, built by the runtime's stream."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import quantization as ort_quantization

from restill.datasets.clean import CleanSource
from restill.datasets.clean_clips import CleanClips
from restill.datasets.clips import Box
from restill.datasets.leaks import find_leaks
from restill.datasets.synthetic import SyntheticClips
from restill.errors import RestillError
from restill.runtime import Model, stream

SIZE = (192, 256)  # (height, width) of a window; smaller if the clips are
SAMPLES = 64
HELD_OUT = 16  # windows from clips that are not used to calibrate


def sources(
    model: Model, clips: str | os.PathLike[str] | None, samples: int, quiet: bool
) -> tuple[tuple[CleanSource, list[int]], tuple[CleanSource, list[int]]]:
    """The source and clip numbers to calibrate on, and those to measure on."""
    if clips is None:
        made = SyntheticClips(samples + HELD_OUT, model.info.frames, model.info.size or SIZE)
        return (made, list(range(samples))), (made, list(range(samples, samples + HELD_OUT)))
    source = CleanClips(Path(clips))
    leaks = find_leaks([source], quiet=quiet)
    if leaks:
        raise RestillError(f"{leaks[0]}; do not calibrate a student on test pictures; remove the clip")
    every = list(range(len(source.names)))
    held = every[3::4] or every[-1:]
    return (source, [clip for clip in every if clip not in held] or every), (source, held)


def windows(
    model: Model, source: CleanSource, clips: Sequence[int], count: int, rng: np.random.Generator, advance: Any
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield windows (1, K, 3, H, W) as the stream builds them, each with its clean centre frame (1, 3, H, W).

    Args:
        model: The model to build windows for.
        source: Clean clips with rendered rain.
        clips: Numbers of the clips to use, in turn.
        count: Number of windows. All have one size, at most :data:`SIZE`.
        rng: Draws position, time and rain.
        advance: Called after each window.

    Raises:
        RestillError: The clips are too small.
    """
    shapes = [source.shape(clip) for clip in range(len(source.names))]
    multiple = model.info.size_multiple
    common = [min(shape[i + 1] for shape in shapes) for i in (0, 1)]
    height, width = model.info.size or (min(SIZE[i], common[i]) // multiple * multiple for i in (0, 1))
    if height > common[0] or width > common[1]:
        raise RestillError(
            f"the model takes frames of {width}x{height}, but {common[1]}x{common[0]} is common to all clips"
        )
    if min(height, width) < 16:
        raise RestillError(f"the clips are too small to calibrate on: {width}x{height} is common to all of them")
    caught: list[np.ndarray] = []

    def catch(window: np.ndarray) -> np.ndarray:
        caught.append(window.copy())
        return window[:, model.info.frames_before].repeat(model.info.scale, -1).repeat(model.info.scale, -2)

    for index in range(count):
        clip = clips[index % len(clips)]
        length, full_height, full_width = shapes[clip]
        frames = min(model.info.frames, length)
        start = int(rng.integers(length - frames + 1))
        top, left = (int(rng.integers(full - part + 1)) for full, part in ((full_height, height), (full_width, width)))
        box = Box(top, left, height, width)
        rainy, clean = source.read(clip, range(start, start + frames), box, (height, width), rng)
        caught.clear()
        for _ in stream(Model(model.info, model.path, "none", catch), rainy, guard=False):
            pass
        centre = min(model.info.frames_before, frames - 1)
        yield caught[centre], clean[centre].transpose(2, 0, 1)[None].astype(np.float32) / 255
        advance()


class Reader(ort_quantization.CalibrationDataReader):
    """Gives windows to ONNX Runtime's calibration in parts, so that it does not hold all activations at once."""

    def __init__(self, windows: Sequence[np.ndarray]) -> None:
        self.windows = windows
        self.set_range(0, len(windows))

    def __len__(self) -> int:
        return len(self.windows)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self.windows[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray]:
        window = next(self._left, None)
        return None if window is None else {"window": window}  # type: ignore[return-value]
