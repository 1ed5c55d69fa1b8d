"""The guard of burnt-in text: what stays at its place in the picture is no rain, and comes out as it went in.

A student compares a frame with its neighbors after they were aligned to it. A time stamp over a moving background does
not move with the background. It looks like rain then: it is in the frame, and not in the aligned neighbors. Where the
neighbors are not aligned the two differ: a time stamp is at the same place in all frames, a streak is in one only.

The numbers here were chosen by ``benchmarks/marks.py`` on clips that no student was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from restill.runtime.packing import WHITE

if TYPE_CHECKING:
    from restill.runtime.info import ModelInfo

SHARE = 0.35  # of what the student changes: a pixel that differs from its neighbors by less than that stays
SURE = 10  # levels of 255: the most by which a pixel that surely stays differs from its neighbors
AROUND, FEWEST = 5, 5  # a pixel counts only where so many pixels of the square of that side around it surely stay
MOST = 0.1  # share of a frame: where more than that would be put back, the student removes mist, and it is no text
SEEN = 10  # levels: counted for that share is what the student changes by more
LEVELS = 4  # a repeated frame differs by no more than this from the frame that it repeats,
REPEATED = 0.01  # but for this share of its pixels, or less


def guards(info: ModelInfo) -> bool:
    """Whether a student's frames are guarded: it removes rain, keeps the size, and sees more than one frame."""
    return info.task == "derain" and info.scale == 1 and info.frames > 1


def brightness(frame: np.ndarray) -> np.ndarray:
    """What the guard compares: (H, W) uint8 of a frame (H, W, 3) RGB in uint8, uint16 or float32 in [0, 1].

    Compressed video keeps brightness at every pixel, but color only at every second one.
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    if gray.dtype == np.uint8:
        return gray
    return cv2.addWeighted(gray, 255 / WHITE[frame.dtype], gray, 0, 0, dtype=cv2.CV_8U)


def nearest(centre: int, count: int) -> list[int]:
    """The indices of the two frames of a window that are nearest in time to its center; one where there is one.

    Example:
        >>> nearest(1, 3), nearest(2, 5), nearest(2, 3)
        ([0, 2], [1, 3], [1, 0])
    """
    return sorted((i for i in range(count) if i != centre), key=lambda i: abs(i - centre))[:2]


def put_back(clean: np.ndarray, frame: np.ndarray, gray: np.ndarray, others: Sequence[np.ndarray]) -> None:
    """Put the pixels of the input that stay in their place back into the restored frame.

    A neighbor that is nearly the same everywhere says nothing, because its rain is at the same place too. It is the
    frame again: at the ends of a clip, or where a frame rate was raised by repeating frames. Such a neighbor is left
    out. Without another one, nothing is put back.

    Args:
        clean: The restored frame, (H, W, 3) of any of the three types; changed in place.
        frame: What it was restored from, (H, W, 3).
        gray: Its :func:`brightness`, (H, W).
        others: The same of its neighbors, which are not aligned, by :func:`nearest`.
    """
    changes = [cv2.absdiff(gray, other) for other in others if other is not gray]
    changes = [change for change in changes if _count(change, LEVELS) > REPEATED * change.size]
    if not changes:
        return
    # (H, W) levels: the larger of the two; one neighbor alone must be twice as like
    change = cv2.max(*changes) if len(changes) == 2 else cv2.add(changes[0], changes[0])
    taken = cv2.absdiff(gray, brightness(clean))  # levels that the student changed
    near = cv2.compare(change, cv2.convertScaleAbs(taken, alpha=SHARE), cv2.CMP_LE)  # (H, W), not 0 where it may stay
    sure = cv2.bitwise_and(near, cv2.threshold(change, SURE, 1, cv2.THRESH_BINARY_INV)[1])
    count = cv2.boxFilter(sure, -1, (AROUND, AROUND), normalize=False)
    sure = cv2.bitwise_and(sure, cv2.threshold(count, FEWEST - 1, 1, cv2.THRESH_BINARY)[1])
    stays = cv2.bitwise_and(near, cv2.dilate(sure, np.ones((AROUND, AROUND), np.uint8)))
    if _count(cv2.multiply(taken, stays), SEEN) <= MOST * stays.size:
        cv2.copyTo(_as_type(frame, clean.dtype), stays, clean)


def _count(change: np.ndarray, levels: int) -> int:
    """Pixels that change by more than so many levels."""
    return cv2.countNonZero(cv2.threshold(change, levels, 1, cv2.THRESH_BINARY)[1])


def _as_type(frame: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The same frame in another of the three types."""
    if frame.dtype == dtype:
        return frame
    depth = {1: cv2.CV_32F, 255: cv2.CV_8U, 65535: cv2.CV_16U}[WHITE[dtype]]
    return cv2.addWeighted(frame, WHITE[dtype] / WHITE[frame.dtype], frame, 0, 0, dtype=depth)
