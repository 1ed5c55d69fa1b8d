"""The common part of the no-reference metrics: the normalized map of a picture and two fitted distributions.

BRISQUE, NIQE and PIQE all start from the MSCN map ("mean subtracted, contrast normalized", Mittal et al., TIP 2012,
Eq. 1-3): for a clean photograph it is close to Gaussian, and distortions change its distribution.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import cv2
import numpy as np

RGB2GRAY = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])  # MATLAB's rgb2gray
SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))  # (down, right) to the neighbor: across, down and both diagonals
CUBIC_HALF = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256  # Keys' cubic (a = -1/2), twice as wide, at 1/4, 3/4...
_BORDERS = {"replicate": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}


def to_gray(picture: np.ndarray) -> np.ndarray:
    """Luminance as by MATLAB's ``rgb2gray``: 0.2989 R + 0.5870 G + 0.1140 B, rounded, 0..255.

    Args:
        picture: (H, W, 3) RGB or (H, W) gray, uint8.

    Returns:
        (H, W) float64 whole numbers.

    >>> to_gray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)).tolist()
    [[76.0, 150.0, 29.0, 9.0]]
    """
    return np.rint(picture @ RGB2GRAY) if picture.ndim == 3 else picture.astype(np.float64)


def mscn(gray: np.ndarray, border: Literal["replicate", "zero"] = "replicate", c: float = 1.0) -> np.ndarray:
    """The MSCN map, (I - mu) / (sigma + C), over a 7x7 Gaussian window of standard deviation 7/6.

    Where the picture is flat the map is exactly 0. Without that it would be rounding noise, and its sign, which is
    all that decides to which side of a distribution a value belongs, would be another one on another machine.

    Args:
        gray: (H, W) luminance, float32 or float64.
        border: What is beyond the picture: its edge again, or zeros.
        c: C, 1/255 of the luminance of white.

    Returns:
        (H, W), of the type of the luminance.

    >>> step = np.repeat([[0.0, 255.0]], 8, axis=1)  # 8 dark columns, 8 bright ones
    >>> mscn(np.repeat(step, 5, axis=0))[2, [1, 7, 8, 14]].round(2).tolist()
    [0.0, -0.69, 0.69, 0.0]
    """

    def blur(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (7, 7), 7 / 6, borderType=_BORDERS[border])

    mean = blur(gray)
    deviation = np.sqrt(np.abs(blur(gray * gray) - mean * mean))  # rounding may make the difference negative
    difference = gray - mean
    difference[np.abs(difference) < 1e-9 * c] = 0  # what differs at all leaves more, at half size too
    return difference / (deviation + c)


def half_scale(gray: np.ndarray) -> np.ndarray:
    """Shrink to half the size by antialiased bicubic interpolation: MATLAB's ``imresize(gray, 0.5)``.

    Args:
        gray: (H, W).

    Returns:
        (ceil(H / 2), ceil(W / 2)) float64; a value lies between the 8 it is made of, beyond the edge the picture is
        mirrored.

    >>> half_scale(np.arange(256.0).reshape(16, 16))[2:4, 2:4].tolist()  # of a plane, the means of 2x2 pixels
    [[76.5, 78.5], [108.5, 110.5]]
    """
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (3, 4)
        rows = np.moveaxis(np.pad(gray.astype(np.float64), pad, mode="symmetric"), axis, 0)
        count = (rows.shape[0] - 6) // 2  # ceil of half the length without its padding
        halved = sum(weight * rows[tap : tap + 2 * count : 2] for tap, weight in enumerate(CUBIC_HALF))
        gray = np.moveaxis(np.asarray(halved), 0, axis)
    return gray


def neighbor_products(field: np.ndarray, *, wrap: bool) -> Iterator[np.ndarray]:
    """Each value times its neighbor (TIP 2012, Eq. 7-10), for the four :data:`SHIFTS`.

    Args:
        field: (H, W).
        wrap: The neighbor of a value at the border is the one at the opposite border (MATLAB's ``circshift``); if not,
            it is 0.

    Yields:
        (H, W), four times.

    >>> [product.tolist() for product in neighbor_products(np.array([[1, 2], [3, 5]]), wrap=True)][:2]
    [[[2, 2], [15, 15]], [[3, 10], [3, 10]]]
    """
    for down, right in SHIFTS:
        shifted = np.roll(field, (down, right), axis=(0, 1))
        if not wrap:
            shifted[0 if down > 0 else -1, :] *= down == 0
            shifted[:, 0] *= right == 0
        yield field * shifted


def fit_ggd(values: np.ndarray) -> tuple[float, float]:
    """Fit a generalized Gaussian with mean 0 by matching moments: E[x^2] / E[|x|]^2 against its formula.

    Args:
        values: Any shape.

    Returns:
        Shape (0.2..10 in steps of 0.001; 2 is Gaussian, 1 Laplacian) and variance; nan if all values are 0.

    >>> fit_ggd(np.array([-1.0, 1.0, -3.0, 3.0]))  # E[x^2] = 5, E[|x|] = 2: 1.25 lies between flat 1.33 and constant 1
    (10.0, 5.0)
    """
    shapes, ratios = _shapes()
    mean, square = float(np.mean(np.abs(values))), float(np.mean(values**2))
    if square == 0:
        return math.nan, math.nan
    return float(shapes[np.argmin(np.abs(1 / ratios - square / mean**2))]), square


class AGGD(NamedTuple):
    """An asymmetric generalized Gaussian (TIP 2012, Eq. 11).

    Attributes:
        shape: 0.2..10; nan if the values had no left or no right side.
        left: Standard deviation of the negative side.
        right: Standard deviation of the positive side.
    """

    shape: float
    left: float
    right: float

    @property
    def betas(self) -> tuple[float, float]:
        """The widths of both sides: deviation times sqrt(Gamma(1/shape) / Gamma(3/shape)) (TIP 2012, Eq. 13, 14)."""
        if math.isnan(self.shape):
            return math.nan, math.nan
        ratio = math.sqrt(math.gamma(1 / self.shape) / math.gamma(3 / self.shape))
        return self.left * ratio, self.right * ratio

    @property
    def mean(self) -> float:
        """(right - left) Gamma(2/shape) / Gamma(1/shape), of the betas (TIP 2012, Eq. 15)."""
        if math.isnan(self.shape):
            return math.nan
        left, right = self.betas
        return (right - left) * math.gamma(2 / self.shape) / math.gamma(1 / self.shape)


def fit_aggd(values: np.ndarray, *, zeros: Literal["right", "neither"]) -> AGGD:
    """Fit an asymmetric generalized Gaussian by matching moments (Lasmar et al., ICIP 2009; TIP 2012).

    Args:
        values: Any shape.
        zeros: The side they belong to: "right" by the distribution's definition; some leave them out.

    Returns:
        The fitted distribution.

    >>> fit_aggd(np.array([-1.0, 1.0, -3.0, 3.0]), zeros="right") == AGGD(10.0, 5**0.5, 5**0.5)
    True
    """
    shapes, ratios = _shapes()
    negative, positive = values[values < 0], values[values >= 0 if zeros == "right" else values > 0]
    if not negative.size or not positive.any():
        return AGGD(math.nan, math.nan, math.nan)
    left, right = math.sqrt(np.mean(negative**2)), math.sqrt(np.mean(positive**2))
    skew = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return AGGD(float(shapes[np.argmin(np.abs(ratios - ratio))]), left, right)


@functools.cache
def _shapes() -> tuple[np.ndarray, np.ndarray]:
    """Shapes 0.2..10 in steps of 0.001, and Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a)) = E[|x|]^2 / E[x^2] for each."""
    shapes = np.arange(200, 10001) / 1000
    log_gamma = np.vectorize(math.lgamma)
    return shapes, np.exp(2 * log_gamma(2 / shapes) - log_gamma(1 / shapes) - log_gamma(3 / shapes))
