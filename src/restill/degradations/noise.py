"""Noise: of a given standard deviation, as denoisers are compared on, or with a sensor's photons counted."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from restill.degradations.degradation import Degradation, Range, between, peak, stored


def add_noise(frame: np.ndarray, rng: np.random.Generator, sigma: float, photons: float | None = None) -> np.ndarray:
    """Independent noise on every value of every channel.

    What leaves the range of the frame is clipped, and integers are rounded, as in a file.

    Args:
        frame: (H, W, 3), uint8, uint16 or float in [0, 1].
        rng: Where the noise comes from.
        sigma: Standard deviation of the Gaussian part, in 1/255 of white.
        photons: How many photons white is, for a Poisson part whose variance grows with the light; None for none.

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
        photons: Photons that white is, for a Poisson part: the fewer, the noisier; None for none.
    """

    name: ClassVar[str] = "noise"

    sigma: Annotated[Range, between(0, 255)] = (25.0, 25.0)
    photons: Annotated[Range | None, between(1, 1e6, none=True)] = None

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See :meth:`Degradation.apply`."""
        return add_noise(frame, rng, self.sigma[0], None if self.photons is None else self.photons[0])
