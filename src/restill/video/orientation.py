"""How a file says its picture is to be turned: the display matrix, and turning frames upright and back.

A phone held upright stores its frames lying on their side and writes a matrix that tells players to turn them.
Networks must see the world upright (rain falls down), so frames are turned before them and turned back after.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a picture on its side or back: transpose first, then the flips."""

    transpose: bool = False
    horizontal_flip: bool = False
    vertical_flip: bool = False

    def upright(self, frame: np.ndarray) -> np.ndarray:
        """Turn a stored frame (H, W, 3) the way it is to be seen; the result is contiguous."""
        if self.transpose:
            frame = frame.transpose(1, 0, 2)
        return np.ascontiguousarray(self._flip(frame))

    def as_stored(self, frame: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`upright`."""
        frame = self._flip(frame)
        if self.transpose:
            frame = frame.transpose(1, 0, 2)
        return np.ascontiguousarray(frame)

    def clockwise(self, degrees: int) -> Orientation:
        """This one, and then turned clockwise by 0, 90, 180 or 270 degrees."""
        turned = self
        for _ in range(degrees // 90):
            turned = Orientation(not turned.transpose, not turned.vertical_flip, turned.horizontal_flip)
        return turned

    def _flip(self, frame: np.ndarray) -> np.ndarray:
        return frame[:: -1 if self.vertical_flip else 1, :: -1 if self.horizontal_flip else 1]

    @property
    def degrees(self) -> int:
        """By how much a player turns the picture clockwise: 0, 90, 180 or 270 (flips aside)."""
        if self.transpose:
            return 90 if self.horizontal_flip else 270
        return 180 if self.vertical_flip else 0


def from_matrix(matrix: tuple[int, ...] | None) -> Orientation:
    """Read a display matrix.

    Args:
        matrix: Nine fixed-point integers (a, b, u, c, d, v, x, y, w); a stored point (p, q) is shown at
            (a p + c q + x, b p + d q + y). None is no matrix.

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
