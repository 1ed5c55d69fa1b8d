"""Draw streaks and points of any width and blur into an opacity map, without a loop over them."""

from __future__ import annotations

import cv2
import numpy as np

from restill.degradations.drops import WIDEST_BLUR, Streaks

GRID = 2**WIDEST_BLUR  # areas must be aligned to this grid, so that crops and whole frames share a pyramid


def coverage(streaks: Streaks, taper: float, area: tuple[int, int, int, int]) -> np.ndarray:
    """The share of each pixel that streaks hide, before overlaps are taken into account.

    A streak is a row of points along its axis, or several parallel rows if it is wider than a pixel. Defocus is drawn
    on the pyramid level whose pixel is as large as the blur, or split between two levels.

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
    start = ((streaks.start[some] - offset) / unit - 0.5).astype(np.float32)  # (N, 2), integers are pixel centers
    end = ((streaks.end[some] - offset) / unit - 0.5).astype(np.float32)
    width = streaks.width[some] / np.float32(unit)
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), np.float32(1e-3))
    extent = length + width  # a drop at rest still covers its width
    along *= (extent / length)[:, None]
    rows = np.maximum(np.rint(width), 1).astype(np.int64)
    weight = streaks.opacity[some] * share[some] * width * extent / (rows * (1 - taper / 3))
    row = np.repeat(np.arange(len(rows)), rows)  # the streak of each row
    aside = np.arange(len(row)) - np.repeat(np.cumsum(rows) - rows, rows) - (rows[row] - 1) / 2
    round_off = np.sqrt(1 - (2 * aside / rows[row]) ** 2)  # a drop is a disc, so it covers less toward its sides
    round_off /= (np.bincount(row, round_off) / rows)[row]
    across = np.stack([-along[:, 1], along[:, 0]], 1) / extent[:, None]
    first = (start + end)[row] / 2 - along[row] / 2 + across[row] * aside[:, None].astype(np.float32)
    along, weight = along[row], weight[row] * round_off

    points = np.ceil(extent).astype(np.int64)[row] + 1
    rank = np.arange(points.sum(), dtype=np.float32) - np.repeat(
        (np.cumsum(points) - points).astype(np.float32), points
    )
    place = (rank + np.float32(0.5)) * np.repeat((1 / points).astype(np.float32), points)  # 0..1 along the row
    x = np.repeat(first[:, 0], points) + np.repeat(along[:, 0], points) * place
    y = np.repeat(first[:, 1], points) + np.repeat(along[:, 1], points) * place
    fade = 1 - np.float32(taper) * (2 * place - 1) ** 2
    return splat(x, y, np.repeat((weight / points).astype(np.float32), points) * fade, shape)


def splat(x: np.ndarray, y: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Spread points over the four pixels around each.

    Args:
        x, y: (N,) pixels, integers are pixel centers.
        weight: (N,).
        shape: (height, width) of the picture; points outside are dropped.

    Returns:
        (height, width) float32; its sum is the sum of the weights inside.
    """
    height, width = shape
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    if not inside.all():
        x, y, weight = x[inside], y[inside], weight[inside]
    x, y, weight = x + 1, y + 1, weight.astype(np.float32)
    left, top = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - left.astype(np.float32), y - top.astype(np.float32)
    stride = width + 3  # one spare column: adding 1 above may round up
    corner = top * np.int32(stride) + left
    right = weight * fx
    weight = weight - right
    flat = np.zeros((height + 3) * stride)
    for shift, part in ((0, weight), (1, right)):
        lower = part * fy
        flat += np.bincount(corner + shift, part - lower, minlength=len(flat))
        flat += np.bincount(corner + (shift + stride), lower, minlength=len(flat))
    return flat.reshape(height + 3, stride)[1 : height + 1, 1 : width + 1].astype(np.float32)
