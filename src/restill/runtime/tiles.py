"""Frames that do not fit: the network sees one tile after another, each with as much around it as it looks at.

A network that looks ``reach`` pixels around a pixel gives a tile with so much around it the very values that it gives
the whole frame. Neighbors are aligned before, on whole frames.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from restill.errors import RestillError

Compute = Callable[[np.ndarray], np.ndarray]  # (1, K, 3, H, W) float32 -> (1, 3, sH, sW) float32

LEAST = 64  # pixels of a tile's side: below, nearly all work would be for what is around tiles


def tiled(compute: Compute, tile: int, reach: int, multiple: int = 1, scale: int = 1) -> Compute:
    """The same network, tile by tile.

    Args:
        compute: The network.
        tile: Side of a tile in pixels of the input, what is around it left out; rounded up to ``multiple``.
        reach: How far around a pixel the network looks, pixels of the input.
        multiple: Sides of what the network takes must be multiples of this.
        scale: Output size over input size.

    Returns:
        A function as ``compute``. All tiles of a frame have one size, so a backend prepares itself once.

    Raises:
        RestillError: The tile is smaller than :data:`LEAST`.
    """
    if tile < LEAST:
        raise RestillError(f"tile {tile} is too small: {LEAST} pixels are the least, 512 is usual")
    tile, around = _up(tile, multiple), _up(reach, multiple)

    def run(window: np.ndarray) -> np.ndarray:
        height, width = window.shape[-2:]
        clean: np.ndarray | None = None
        for rows, columns in product(cuts(height, tile, around), cuts(width, tile, around)):
            part = np.ascontiguousarray(window[..., rows.seen, columns.seen])  # (1, K, 3, h, w)
            found = compute(part)  # (1, 3, s*h, s*w)
            if clean is None:
                clean = np.empty((*found.shape[:-2], scale * height, scale * width), found.dtype)
            (y, below), (x, right) = rows.enlarged(scale), columns.enlarged(scale)
            clean[..., below, right] = found[..., y, x]
        assert clean is not None  # noqa: S101 - a frame has a tile
        return clean

    return run


class Cut(NamedTuple):
    """One tile along one side: what the network sees of it, and what of that is kept."""

    seen: slice
    kept: slice

    def enlarged(self, scale: int) -> tuple[slice, slice]:
        """Where the kept part lies in what the network gives for this tile, and where in the whole result."""
        start, stop, first = scale * self.kept.start, scale * self.kept.stop, scale * self.seen.start
        return slice(start - first, stop - first), slice(start, stop)


def cuts(side: int, tile: int, around: int) -> list[Cut]:
    """Tiles along one side of a frame, all of one size.

    Args:
        side: Pixels.
        tile: Pixels that are kept of a tile.
        around: Pixels that are seen on either side of that.

    Example:
        >>> [(c.seen.start, c.seen.stop, c.kept.start, c.kept.stop) for c in cuts(20, 8, 2)]
        [(0, 12, 0, 8), (6, 18, 8, 16), (8, 20, 16, 20)]
    """
    size = tile + 2 * around
    if side <= size:
        return [Cut(slice(0, side), slice(0, side))]
    found = []
    for start in range(0, side, tile):
        first = min(max(start - around, 0), side - size)  # at the frame's edges a tile moves inward
        found.append(Cut(slice(first, first + size), slice(start, min(start + tile, side))))
    return found


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
