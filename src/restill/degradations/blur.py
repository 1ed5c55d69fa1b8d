"""Blur: defocus as a Gaussian, and motion of the camera while the shutter is open."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import cv2
import numpy as np

from restill.degradations.degradation import Degradation, Range, between, stored
from restill.degradations.splat import splat

STEPS = 64  # points of the camera's path


def gaussian_blur(frame: np.ndarray, sigma: float) -> np.ndarray:
    """Blur by a Gaussian of four standard deviations on each side; edges are reflected.

    Args:
        frame: (H, W, 3), uint8, uint16 or float in [0, 1].
        sigma: Standard deviation, pixels; 0 changes nothing.

    Returns:
        (H, W, 3) of the frame's dtype.

    Example:
        >>> gaussian_blur(np.full((8, 8, 3), 7, np.uint8), 2.0).max()
        np.uint8(7)
    """
    if sigma <= 0:
        return frame.copy()
    size = 2 * math.ceil(4 * sigma) + 1
    blurred = cv2.GaussianBlur(frame.astype(np.float32), (size, size), sigma, borderType=cv2.BORDER_REFLECT_101)
    return stored(blurred, frame)


def camera_path(rng: np.random.Generator, length: float, angle: float, turn: float = 0.0) -> np.ndarray:
    """Draw the path of a camera while the shutter is open: constant speed, random turns.

    Args:
        rng: The source of the turns.
        length: Length of the path, pixels.
        angle: The mean direction, degrees: 0 to the right, 90 down.
        turn: How far the path turns, degrees: the standard deviation of a random walk's end; 0 for a line.

    Returns:
        (64, 2) float, x and y in pixels; their mean is zero, so that the picture does not shift.

    Example:
        >>> camera_path(np.random.default_rng(0), length=9.0, angle=90.0)[[0, -1], 1].round(1).tolist()
        [-4.5, 4.5]
    """
    walk = np.cumsum(rng.standard_normal(STEPS - 1)) * np.deg2rad(turn) / math.sqrt(STEPS - 1)
    heading = np.deg2rad(angle) + walk - walk.mean()
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * (length / (STEPS - 1))  # (63, 2)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    return path - path.mean(0)


def motion_blur(frame: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Average a frame over the positions of a path, with bilinear interpolation; edges are reflected.

    Args:
        frame: (H, W, 3), uint8, uint16 or float in [0, 1].
        path: (N, 2), x and y in pixels.

    Returns:
        (H, W, 3) of the frame's dtype.

    Example:
        >>> dot = np.zeros((1, 5, 3), np.uint8)
        >>> dot[0, 2] = 90
        >>> motion_blur(dot, np.array([[-1, 0], [0, 0], [1, 0]]))[0, :, 0].tolist()
        [0, 30, 30, 30, 0]
    """
    radius = math.ceil(float(np.abs(path).max()))
    side = 2 * radius + 1
    kernel = splat(path[:, 0] + radius, path[:, 1] + radius, np.full(len(path), 1 / len(path)), (side, side))
    return stored(cv2.filter2D(frame.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT_101), frame)


class Blur(Degradation):
    """A Gaussian, then motion blur; each is skipped if it is zero.

    Length and angle are drawn once per clip; if ``turn`` is not zero, each frame has its own path.

    Attributes:
        sigma: Standard deviation of the Gaussian, pixels.
        length: How far the camera moves while the shutter is open, pixels.
        angle: The direction, degrees: 0 to the right, 90 down.
        turn: How far the path turns, degrees; 0 for a line.
    """

    name: ClassVar[str] = "blur"

    sigma: Annotated[Range, between(0, 50)] = (1.6, 1.6)
    length: Annotated[Range, between(0, 200)] = (0.0, 0.0)
    angle: Annotated[Range, between(-360, 360)] = (0.0, 180.0)
    turn: Annotated[Range, between(0, 720)] = (0.0, 0.0)

    @property
    def reach(self) -> int:
        """See :attr:`Degradation.reach`."""
        return math.ceil(4 * self.sigma[1]) + math.ceil(self.length[1])

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See :meth:`Degradation.apply`."""
        blurred = gaussian_blur(frame, self.sigma[0])
        if self.length[0] <= 0:
            return blurred
        return motion_blur(blurred, camera_path(rng, self.length[0], self.angle[0], self.turn[0]))
