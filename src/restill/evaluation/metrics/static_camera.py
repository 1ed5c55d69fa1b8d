"""Rain left over and detail lost on a clip of a static camera without a clean side. No PyTorch.

The reference is the temporal median of the INPUT clip, and only pixels that stand still in the INPUT count: both are
the same for every method, so no method can move them. The page ``docs/no-reference.md`` says what the numbers can and
cannot tell.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from restill.errors import RestillError

LEVELS = 15  # a pixel is an outlier if it differs from the median by more levels of luma
SPREAD = 6  # most levels between the median and the percentiles below, where a pixel stands still
LOW, HIGH = 10, 75  # percentiles; rain is bright and short, so it may cover a quarter of the time but not darken
FEWEST, MOST = 10, 60  # frames that the median needs, and takes (up to twice as many)
ROWS = 64  # sorted at a time


@dataclass(frozen=True)
class Background:
    """What stands still in a clip.

    Attributes:
        level: (H, W) uint8, the luma's median over time.
        still: (H, W) bool, the pixels that count.
    """

    level: np.ndarray
    still: np.ndarray

    def rain_left(self, frame: np.ndarray) -> float:
        """The share of the pixels that are more than 15 levels brighter than the median, percent.

        Args:
            frame: (H, W, 3) RGB uint8.

        Raises:
            RestillError: If its size is not that of the input clip.
        """
        return float(100 * (self._difference(frame) > LEVELS).mean())

    def detail_lost(self, frame: np.ndarray) -> float:
        """The share of the pixels that are more than 15 levels darker, percent; as :meth:`rain_left`."""
        return float(100 * (self._difference(frame) < -LEVELS).mean())

    def _difference(self, frame: np.ndarray) -> np.ndarray:
        if frame.shape[:2] != self.level.shape:
            (height, width), (h, w) = self.level.shape, frame.shape[:2]
            raise RestillError(f"a frame of {w}x{h} pixels cannot be compared with an input of {width}x{height}")
        return (_luma(frame).astype(np.int16) - self.level)[self.still]


def background(frames: Iterable[np.ndarray], mask: np.ndarray | None = None) -> Background:
    """Find what stands still in an input clip of a static camera.

    A pixel stands still if its 10th and its 75th percentile over time lie within 6 levels of its median. A moving part
    or a moving camera darkens pixels as often as it brightens them; rain hardly darkens any. From a long clip at most
    120 frames are taken, evenly spaced.

    Args:
        frames: (H, W, 3) RGB uint8 each, at least 10.
        mask: (H, W) bool, the pixels that may count; all by default.

    Raises:
        RestillError: If there are too few frames, the mask has another size, or no pixel stands still.
    """
    kept: list[np.ndarray] = []
    step = 1
    for index, frame in enumerate(frames):
        if index % step == 0:
            kept.append(_luma(frame))
        if len(kept) > 2 * MOST:
            kept, step = kept[::2], 2 * step
    if len(kept) < FEWEST:
        raise RestillError(f"has {len(kept)} frames; the median over time needs {FEWEST} or more")
    height, width = kept[0].shape
    if mask is not None and mask.shape != (height, width):
        raise RestillError(f"its mask has {mask.shape[1]}x{mask.shape[0]} pixels instead of {width}x{height}")
    at = [round((len(kept) - 1) * percent / 100) for percent in (LOW, 50, HIGH)]
    parts = [np.sort([luma[top : top + ROWS] for luma in kept], axis=0)[at] for top in range(0, height, ROWS)]
    low, level, high = np.concatenate(parts, axis=1)  # (H, W) uint8 each
    still = (level - low <= SPREAD) & (high - level <= SPREAD)
    if mask is not None:
        still &= mask
    if not still.any():
        raise RestillError("has no pixel that stands still; the camera must not move")
    share = still.sum() / (still.size if mask is None else max(mask.sum(), 1))
    if share < 0.5:
        warnings.warn(f"only {share:.0%} of the pixels stand still: does the camera move?", stacklevel=2)
    return Background(level, still)


def _luma(frame: np.ndarray) -> np.ndarray:
    """(H, W) uint8."""
    return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
