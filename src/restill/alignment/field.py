"""Fields of block motion, and the alignment of frames by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import cv2
import numpy as np

CELL = 8  # side of a block, pixels of the frame
BORDER = 64  # pixels that a block may lie outside the frame
FARTHEST = 4096  # half pixels; no vector is longer

Field = np.ndarray
"""(ceil(H/8), ceil(W/8), 2) int16: for each block of 8x8 pixels of a frame its (x, y) displacement in another frame, in
half pixels."""


def cells(size: tuple[int, int]) -> tuple[int, int]:
    """The rows and columns of a field for frames of (height, width) pixels."""
    return -(-size[0] // CELL), -(-size[1] // CELL)


def to_field(displacement: np.ndarray) -> Field:
    """Round displacements (rows, columns, 2) in pixels to a field."""
    return np.rint(2 * displacement).clip(-FARTHEST, FARTHEST).astype(np.int16)


def then(first: Field, second: Field) -> Field:
    """The field of a block that moves by ``first``, and from where it lands by ``second``."""
    rows, columns = first.shape[:2]
    step = np.rint(first / np.float32(2 * CELL)).astype(np.intp)  # (rows, columns, 2), blocks
    y = (np.arange(rows)[:, None] + step[..., 1]).clip(0, rows - 1)
    x = (np.arange(columns)[None] + step[..., 0]).clip(0, columns - 1)
    return np.clip(first + second[y, x], -FARTHEST, FARTHEST).astype(np.int16)


def window_fields(fields: Sequence[Field | None], center: int) -> list[Field | None]:
    """The fields from the center of a window to each of its frames.

    The field of the frame after the center says where each of its blocks is in the center. Its negative, read in place,
    is nearly the opposite field.

    Args:
        fields: Of each of K frames, the field to the frame before it in the window; None if that frame is the same.
        center: Index of the center.

    Returns:
        K fields; None for the center and for frames that repeat it.
    """
    found: list[Field | None] = [None] * len(fields)
    for t in range(center - 1, -1, -1):
        found[t] = _joined(found[t + 1], fields[t + 1])
    for t in range(center + 1, len(fields)):
        step = fields[t]
        found[t] = _joined(found[t - 1], None if step is None else -step)
    return found


def _joined(first: Field | None, second: Field | None) -> Field | None:
    if first is None or second is None:
        return second if first is None else first
    return then(first, second)


def align_window(
    frames: Sequence[np.ndarray],
    fields: Sequence[Field | None],
    center: int,
    halves: Callable[[int], np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Move all frames of a window onto its center frame, which stays as it is.

    Args:
        frames: K frames (H, W) or (H, W, 3).
        fields: As for :func:`window_fields`.
        center: Index of the center.
        halves: Gives the :func:`half_pixels` of a frame by its index, for callers that keep them.

    Returns:
        K frames. A frame without motion is returned itself.
    """
    found = []
    for t, (frame, field) in enumerate(zip(frames, window_fields(fields, center), strict=True)):
        if field is not None and field.any():
            frame = move(half_pixels(frame) if halves is None else halves(t), field, frame)
        found.append(frame)
    return found


def half_pixels(frame: np.ndarray) -> np.ndarray:
    """A frame and its means with the pixels right, below, and diagonally, with borders, one below the other.

    OpenCV picks pixels of this in less than half the time that it interpolates.

    Args:
        frame: (H, W) or (H, W, 3), any type.

    Returns:
        (4 (H + 2 b), W + 2 b) or with a third axis, where b is :data:`BORDER`.
    """
    height, width = frame.shape[0] + 2 * BORDER, frame.shape[1] + 2 * BORDER
    found = np.empty((4 * height, width, *frame.shape[2:]), frame.dtype)
    whole, right, below, both = np.split(found, 4)
    cv2.copyMakeBorder(frame, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE, dst=whole)
    _mean(whole[:, :-1], whole[:, 1:], right[:, :-1])
    _mean(whole[:-1], whole[1:], below[:-1])
    _mean(below[:, :-1], below[:, 1:], both[:, :-1])
    return found


def _mean(one: np.ndarray, other: np.ndarray, into: np.ndarray) -> None:
    cv2.addWeighted(one, 0.5, other, 0.5, 0, dst=into)


def move(halves: np.ndarray, field: Field, frame: np.ndarray) -> np.ndarray:
    """Move the blocks of a frame: out(x) = frame(x + field(x)), bilinear, with clamped borders.

    Args:
        halves: :func:`half_pixels` of the frame.
        field: The motion.
        frame: The frame, for its size.

    Returns:
        An array like the frame.
    """
    height, width = frame.shape[:2]
    rows, columns = field.shape[:2]
    whole, half = field >> 1, field & 1
    y, x = (CELL * np.arange(count, dtype=np.int16) for count in (rows, columns))
    # keep each block, and the pixel after it that a mean needs, inside the border
    x = (whole[..., 0] + x).clip(-BORDER, width + BORDER - CELL - 2) - x
    y = (whole[..., 1] + y[:, None]).clip(-BORDER, height + BORDER - CELL - 2) - y[:, None]
    picture = (half[..., 0] + 2 * half[..., 1]) * (height + 2 * BORDER)
    step = np.stack([x + BORDER, y + BORDER + picture], axis=-1).astype(np.int16)
    size = (CELL * columns, CELL * rows)
    place = cv2.resize(step, size, interpolation=cv2.INTER_NEAREST)[:height, :width]
    return cv2.remap(halves, cv2.add(place, _grid(height, width)), None, cv2.INTER_NEAREST)  # type: ignore[call-overload]


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """(H, W, 2) int16: the (x, y) of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.int16)
