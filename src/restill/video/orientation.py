"""Rotate frames upright by the display matrix or the EXIF orientation, and back.

A phone that is held upright stores rotated frames and a matrix with which players rotate them. Networks need upright
frames, because rain falls down. So frames are rotated before the network and back after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """One of the eight orientations of a picture: a transposition, then flips."""

    transpose: bool = False
    horizontal_flip: bool = False
    vertical_flip: bool = False

    def upright(self, frame: np.ndarray) -> np.ndarray:
        """Turn a stored frame (H, W, 3), or a plane of it, upright; the result is contiguous."""
        if self.transpose:
            frame = frame.swapaxes(0, 1)
        return np.ascontiguousarray(self._flip(frame))

    def as_stored(self, frame: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`upright`."""
        frame = self._flip(frame)
        if self.transpose:
            frame = frame.swapaxes(0, 1)
        return np.ascontiguousarray(frame)

    def clockwise(self, degrees: int) -> Orientation:
        """This orientation with a further clockwise rotation by 0, 90, 180 or 270 degrees."""
        turned = self
        for _ in range(degrees // 90):
            turned = Orientation(not turned.transpose, not turned.vertical_flip, turned.horizontal_flip)
        return turned

    def _flip(self, frame: np.ndarray) -> np.ndarray:
        return frame[:: -1 if self.vertical_flip else 1, :: -1 if self.horizontal_flip else 1]

    @property
    def degrees(self) -> int:
        """The clockwise rotation in a player, without flips: 0, 90, 180 or 270 degrees."""
        if self.transpose:
            return 90 if self.horizontal_flip else 270
        return 180 if self.vertical_flip else 0


def from_matrix(matrix: tuple[int, ...] | None) -> Orientation:
    """Read a display matrix.

    Args:
        matrix: Nine fixed-point integers (a, b, u, c, d, v, x, y, w); a stored point (p, q) is shown at
            (a p + c q + x, b p + d q + y). None means no matrix.

    Returns:
        The orientation; upright for a matrix that is not a multiple of a quarter turn.
    """
    if matrix is None:
        return Orientation()
    a, b, _, c, d = matrix[:5]
    if a and d and not b and not c:
        return Orientation(False, a < 0, d < 0)
    if b and c and not a and not d:
        return Orientation(True, c < 0, b < 0)
    return Orientation()


def from_exif(value: int) -> Orientation:
    """Read the orientation in EXIF data.

    Args:
        value: 1 (upright) to 8, as EXIF 2.3 numbers them.
    """
    return Orientation(value > 4, value in (2, 3, 6, 7), value in (3, 4, 7, 8))
