"""The brightness of a frame, and the small picture of it that motion is estimated on."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from restill.planes import WHITE

LINES = 240  # lines of the small picture; it may have up to half as many more
LEAST_SIDE = 32  # OpenCV 5.0 crashes on wide pictures with fewer lines
BRIGHT_STREAKS = np.ones((1, 3), np.uint8)  # bright streaks narrower than this are removed: rain moves on its own


class Picture(NamedTuple):
    """What an aligner sees of a frame.

    Attributes:
        size: (height, width) of the frame, pixels.
        small: (h, w) uint8, its brightness at a fraction of the size.
        opened: The same without narrow bright streaks.
        vectors: The motion vectors that the decoder gave for it, or None.
    """

    size: tuple[int, int]
    small: np.ndarray
    opened: np.ndarray
    vectors: np.ndarray | None = None


def luma_of(frame: np.ndarray) -> np.ndarray:
    """Return the brightness (H, W) uint8 of a frame (H, W, 3) RGB in uint8, uint16 or float32 in [0, 1]."""
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    if gray.dtype == np.uint8:
        return gray
    return cv2.addWeighted(gray, 255 / WHITE[frame.dtype], gray, 0, 0, dtype=cv2.CV_8U)


def make_picture(luma: np.ndarray, vectors: np.ndarray | None = None) -> Picture:
    """Make the small picture of a frame.

    Args:
        luma: (H, W) uint8.
        vectors: FFmpeg's motion vectors of the frame, a structured array; or None.
    """
    height, width = luma.shape
    shrink = max(2, round(min(height, width) / LINES))
    size = (max(LEAST_SIDE, -(-width // shrink)), max(LEAST_SIDE, -(-height // shrink)))
    if shrink > 2:  # OpenCV halves ten times as fast as it shrinks by other factors
        luma = cv2.resize(luma, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA if shrink == 2 else cv2.INTER_LINEAR)
    return Picture((height, width), small, cv2.morphologyEx(small, cv2.MORPH_OPEN, BRIGHT_STREAKS), vectors)
