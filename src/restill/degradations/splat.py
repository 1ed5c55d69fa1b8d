"""Streaks and points drawn into an opacity map, exactly and quickly: no drawing loop, every width, every blur."""

from __future__ import annotations

import cv2
import numpy as np

from restill.degradations.drops import WIDEST_BLUR, Streaks

GRID = 2**WIDEST_BLUR  # an area must start and end on this grid, so that crops and whole frames share their pyramid


def coverage(streaks: Streaks, taper: float, area: tuple[int, int, int, int]) -> np.ndarray:
    """How much of each pixel is hidden, before overlaps are taken into account.

    A streak is a row of points along its axis, and of parallel rows where it is wider than a pixel. Defocus is
    drawn on the level of a pyramid whose pixel is as large as the blur; between two levels it is split.

    Args:
        streaks: In pixels of the whole frame.
        taper: How much a streak fades toward its ends, 0-1.
        area: (top, left, height, width) to draw, multiples of :data:`GRID`.

    Returns:
        (height, width) float32, 0 where there is no drop.
    """
    top, left, height, width = area
    level = np.log2(np.clip(streaks.blur, 1.0, GRID))
    lower = np.floor(level).astype(int)
    upper_share = level - lower
    drawn = np.zeros((height >> WIDEST_BLUR, width >> WIDEST_BLUR), np.float32)
    for k in range(WIDEST_BLUR, -1, -1):
        if k < WIDEST_BLUR:
            size = (width >> k, height >> k)
            drawn = (
                cv2.resize(drawn, size, interpolation=cv2.INTER_LINEAR)
                if drawn.any()
                else np.zeros(size[::-1], np.float32)
            )
        share = np.where(lower == k, 1 - upper_share, np.where(lower == k - 1, upper_share, 0)).astype(np.float32)
        some = share > 0.01
        if some.any():
            drawn += _level(streaks, share, some, taper, k, (top, left), drawn.shape)
    return drawn


def _level(
    streaks: Streaks,
    share: np.ndarray,
    some: np.ndarray,
    taper: float,
    k: int,
    corner: tuple[int, int],
    shape: tuple[int, ...],
) -> np.ndarray:
    """The streaks of one level of the pyramid, (height, width) float32 of that level."""
    unit = 1 << k
    offset = np.array([corner[1], corner[0]])
    start = ((streaks.start[some] - offset) / unit).astype(np.float32) - np.float32(0.5)  # in pixel centers
    end = ((streaks.end[some] - offset) / unit).astype(np.float32) - np.float32(0.5)
    width = streaks.width[some] / unit
    along = end - start
    length = np.hypot(along[:, 0], along[:, 1])
    extent = length + width  # a drop at rest still covers itself
    mass = streaks.opacity[some] * share[some] * width * extent
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(length, 1e-3)[:, None]
    rows = np.maximum(np.rint(width), 1).astype(np.int64)
    steps = np.ceil(extent).astype(np.int64) + 1
    count = rows * steps
    which = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    row, step = np.divmod(rank, steps[which])
    place = ((step + 0.5) / steps[which] - 0.5).astype(np.float32)  # -0.5 .. 0.5 along the streak
    aside = (row - (rows[which] - 1) / 2).astype(np.float32)
    fade = 1 - taper * (2 * place) ** 2
    weight = (mass / count)[which] * fade / (1 - taper / 3)
    stretch = np.where(length > 1e-3, extent / np.maximum(length, 1e-3), 1.0).astype(np.float32)
    middle = (start + end) / 2
    x = middle[which, 0] + (along[:, 0] * stretch)[which] * place + across[which, 0] * aside
    y = middle[which, 1] + (along[:, 1] * stretch)[which] * place + across[which, 1] * aside
    return splat(x, y, weight, shape)


def splat(x: np.ndarray, y: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Points spread over the four pixels around them.

    Args:
        x, y: (N,) pixels, integers are pixel centers.
        weight: (N,).
        shape: (height, width) of the picture; points outside are dropped.

    Returns:
        (height, width) float32, its sum the sum of the weights inside.
    """
    height, width = shape
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    x, y, weight = x[inside] + 1, y[inside] + 1, weight[inside]
    left, top = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - left, y - top
    stride = width + 3  # one more than the points need: adding 1 above may round up
    base = top * stride + left
    right_weight, left_weight = weight * fx, weight * (1 - fx)
    index = np.concatenate([base, base + 1, base + stride, base + stride + 1])
    parts = np.concatenate([left_weight * (1 - fy), right_weight * (1 - fy), left_weight * fy, right_weight * fy])
    flat = np.bincount(index, parts, minlength=(height + 3) * stride)
    return flat.reshape(height + 3, stride)[1 : height + 1, 1 : width + 1].astype(np.float32)
