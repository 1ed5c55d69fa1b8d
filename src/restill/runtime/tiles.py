"""Restore large frames in tiles. Each tile is restored with a border as wide as the network's receptive field.

With a border of ``reach`` pixels, the network computes the same values for a tile as for the whole frame. Neighbors are
aligned before, on whole frames.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from restill.errors import RestillError

Compute = Callable[[np.ndarray], np.ndarray]  # (1, K, 3, H, W) float32 -> (1, 3, sH, sW) float32

MIN_TILE = 64  # pixels of a side; smaller tiles would spend nearly all work on their borders


def tiled(compute: Compute, tile: int, reach: int, multiple: int = 1, scale: int = 1) -> Compute:
    """Make a network restore a frame tile by tile.

    Args:
        compute: The network.
        tile: Side of a tile in pixels of the input, without the border; rounded up to ``multiple``.
        reach: Radius of the receptive field, pixels of the input.
        multiple: The sides of the network's input must be multiples of this.
        scale: Output size over input size.

    Returns:
        A function like ``compute``. All tiles of a frame have the same size, so a backend prepares itself once.

    Raises:
        RestillError: The tile is smaller than :data:`MIN_TILE`.
    """
    if tile < MIN_TILE:
        raise RestillError(f"tile {tile} is too small: use at least {MIN_TILE} pixels, such as 512")
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
    """One tile along one side of a frame: the pixels that the network gets, and those that are kept."""

    seen: slice
    kept: slice

    def enlarged(self, scale: int) -> tuple[slice, slice]:
        """The place of the kept part in the network's output for this tile, and in the whole result."""
        start, stop, first = scale * self.kept.start, scale * self.kept.stop, scale * self.seen.start
        return slice(start - first, stop - first), slice(start, stop)


def cuts(side: int, tile: int, around: int) -> list[Cut]:
    """Tiles along one side of a frame, all of the same size.

    Args:
        side: Side of the frame, pixels.
        tile: Pixels of a tile that are kept.
        around: Pixels of the border on either side of it.

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
