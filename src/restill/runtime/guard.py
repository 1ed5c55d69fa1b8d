"""Keep burnt-in text, such as a time stamp: pixels that do not change between frames are not rain.

A model compares a frame with its aligned neighbors. A time stamp does not move with the background, so it looks like
rain: it is in the frame, but not in the aligned neighbors. The neighbors before alignment tell the two apart: a time
stamp is at the same place in all frames, and a streak is in one frame only.

The constants were chosen with ``benchmarks/marks.py`` on clips that no model was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from restill.alignment import luma_of
from restill.planes import WHITE, Frame, Planes

if TYPE_CHECKING:
    from restill.runtime.info import ModelInfo

STATIC_SHARE = 0.35  # a pixel is static if it differs from its neighbors by less than this share of the model's change
STATIC_LEVELS = 10  # levels of 255; a surely static pixel differs from its neighbors by at most this
WINDOW, MIN_STATIC = 5, 5  # side of a square, and the surely static pixels that it must hold
MAX_SHARE = 0.1  # share of a frame to put back; above it, the model removes mist and the pixels are not text
MIN_CHANGE = 10  # levels; only larger changes by the model count for that share
REPEAT_LEVELS = 4  # a repeated frame differs by at most this many levels,
REPEAT_SHARE = 0.01  # except in at most this share of its pixels


def guards(info: ModelInfo) -> bool:
    """Whether the guard works for a model: it removes rain, keeps the size, and takes more than one frame."""
    return info.task == "derain" and info.scale == 1 and info.frames > 1


def nearest(centre: int, count: int) -> list[int]:
    """Return the indices of the two frames nearest to the center of a window, or of the only other one.

    Example:
        >>> nearest(1, 3), nearest(2, 5), nearest(2, 3)
        ([0, 2], [1, 3], [1, 0])
    """
    return sorted((i for i in range(count) if i != centre), key=lambda i: abs(i - centre))[:2]


def put_back(clean: Frame, frame: Frame, gray: np.ndarray, others: Sequence[np.ndarray]) -> None:
    """Copy the static pixels of the input back into the restored frame.

    Neighbors that repeat the frame are left out, because their rain is at the same place. Frames repeat at the ends of
    a clip, or if its frame rate was raised. Without another neighbor, nothing is put back.

    Args:
        clean: The restored frame, (H, W, 3) of any of the three types, or planes; changed in place.
        frame: The input frame, (H, W, 3) or planes.
        gray: Its brightness, (H, W) uint8 (:func:`restill.alignment.luma_of`, or its luma).
        others: The brightness of its neighbors before alignment, chosen by :func:`nearest`.
    """
    # levels that the student changed
    taken = cv2.absdiff(gray, clean.y if isinstance(clean, Planes) else luma_of(clean))
    stays = static(gray, taken, others)
    if stays is not None:
        _copy(frame, stays, clean)


def static(gray: np.ndarray, taken: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray | None:
    """The pixels that are at the same place in the frames before and after.

    Args:
        gray: The brightness of a frame, (H, W) uint8.
        taken: How much of it is changed, (H, W) uint8 levels.
        others: As for :func:`put_back`.

    Returns:
        (H, W) uint8, 1 where a changed pixel is to stay; None if nothing is to stay.
    """
    changes = [cv2.absdiff(gray, other) for other in others if other is not gray]
    changes = [change for change in changes if _count(change, REPEAT_LEVELS) > REPEAT_SHARE * change.size]
    if not changes:
        return None
    # (H, W) levels: the larger of the two changes; a single neighbor counts twice
    change = cv2.max(*changes) if len(changes) == 2 else cv2.add(changes[0], changes[0])
    near = cv2.compare(
        change, cv2.convertScaleAbs(taken, alpha=STATIC_SHARE), cv2.CMP_LE
    )  # (H, W), not 0 where a pixel may be static
    if not _count(cv2.bitwise_and(taken, near), MIN_CHANGE):
        return  # the rest takes most of the time
    sure = cv2.bitwise_and(near, cv2.threshold(change, STATIC_LEVELS, 1, cv2.THRESH_BINARY_INV)[1])
    count = cv2.boxFilter(sure, -1, (WINDOW, WINDOW), normalize=False)
    sure = cv2.bitwise_and(sure, cv2.threshold(count, MIN_STATIC - 1, 1, cv2.THRESH_BINARY)[1])
    stays = cv2.bitwise_and(near, cv2.dilate(sure, np.ones((WINDOW, WINDOW), np.uint8)))
    return stays if _count(cv2.multiply(taken, stays), MIN_CHANGE) <= MAX_SHARE * stays.size else None


def _copy(frame: Frame, mask: np.ndarray, clean: Frame) -> None:
    if isinstance(frame, Planes) and isinstance(clean, Planes):
        half = cv2.resize(mask, clean.u.shape[::-1], interpolation=cv2.INTER_NEAREST)
        for plane, stays, into in ((frame.y, mask, clean.y), (frame.u, half, clean.u), (frame.v, half, clean.v)):
            cv2.copyTo(plane, stays, into)
    elif isinstance(frame, np.ndarray) and isinstance(clean, np.ndarray):
        cv2.copyTo(as_type(frame, clean.dtype), mask, clean)


def _count(change: np.ndarray, levels: int) -> int:
    """Count the pixels that change by more than ``levels``."""
    return cv2.countNonZero(cv2.threshold(change, levels, 1, cv2.THRESH_BINARY)[1])


def as_type(frame: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert a frame to another of the three types."""
    if frame.dtype == dtype:
        return frame
    depth = {1: cv2.CV_32F, 255: cv2.CV_8U, 65535: cv2.CV_16U}[WHITE[dtype]]
    return cv2.addWeighted(frame, WHITE[dtype] / WHITE[frame.dtype], frame, 0, 0, dtype=depth)
