"""Noise: Gaussian of a given standard deviation, with an optional Poisson part for a sensor's photons."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from restill.degradations.degradation import Degradation, Range, between, peak, stored


def add_noise(frame: np.ndarray, rng: np.random.Generator, sigma: float, photons: float | None = None) -> np.ndarray:
    """Add independent noise to every value.

    Values are clipped to the range of the frame, and integers are rounded, as in a file.

    Args:
        frame: (H, W, 3), uint8, uint16 or float in [0, 1].
        rng: The source of the noise.
        sigma: Standard deviation of the Gaussian part, in 1/255 of white.
        photons: The number of photons of white, for a Poisson part; None for no Poisson part.

    Returns:
        (H, W, 3) of the frame's dtype.

    Example:
        >>> gray = np.full((64, 64, 3), 100, np.uint8)
        >>> noisy = add_noise(gray, np.random.default_rng(0), sigma=10)
        >>> noisy.dtype, round(float(noisy.std()))
        (dtype('uint8'), 10)
    """
    white = peak(frame)
    values = frame.astype(np.float32)
    if photons is not None:
        values = rng.poisson(values * (photons / white)).astype(np.float32) * np.float32(white / photons)
    if sigma > 0:
        values += rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(sigma * white / 255)
    return stored(values, frame)


class Noise(Degradation):
    """Noise, new in every frame.

    Attributes:
        sigma: Standard deviation of the Gaussian part, in 1/255 of white.
        photons: The number of photons of white, for a Poisson part: fewer is noisier; None for no Poisson part.
    """

    name: ClassVar[str] = "noise"

    sigma: Annotated[Range, between(0, 255)] = (25.0, 25.0)
    photons: Annotated[Range | None, between(1, 1e6, none=True)] = None

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See :meth:`Degradation.apply`."""
        return add_noise(frame, rng, self.sigma[0], None if self.photons is None else self.photons[0])
