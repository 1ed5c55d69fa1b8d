"""Down-sample frames as in video super-resolution: a Gaussian, then every fourth pixel."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from restill.degradations.degradation import Degradation, Range, between, stored

KERNEL = 13  # pixels


def downsample(frame: np.ndarray, scale: int = 4, sigma: float = 1.6, offset: int = 0) -> np.ndarray:
    """Blur by a 13x13 Gaussian (edges are reflected), then keep every ``scale``-th pixel.

    Args:
        frame: (H, W, 3), uint8, uint16 or float in [0, 1].
        scale: The down-sampling factor: every ``scale``-th row and column is kept.
        sigma: Standard deviation of the Gaussian, pixels; 0 for none.
        offset: The first pixel that is kept, right and down.

    Returns:
        (ceil((H - offset) / scale), ceil((W - offset) / scale), 3) of the frame's dtype.

    Example:
        >>> steps = np.arange(24, dtype=np.uint8).reshape(1, 8, 3)
        >>> downsample(steps, scale=4, sigma=0)[0, :, 0].tolist()
        [0, 12]
        >>> downsample(np.full((9, 8, 3), 7, np.uint8)).shape
        (3, 2, 3)
    """
    if sigma <= 0:
        return frame[offset::scale, offset::scale].copy()
    blurred = cv2.GaussianBlur(frame.astype(np.float32), (KERNEL, KERNEL), sigma, borderType=cv2.BORDER_REFLECT_101)
    return stored(blurred[offset::scale, offset::scale], frame)


class Downsample(Degradation):
    """Down-sampling; the defaults are those of STD.

    Attributes:
        scale: The down-sampling factor.
        sigma: Standard deviation of the 13x13 Gaussian before it, pixels.
        offset: The first pixel that is kept, less than ``scale``.
    """

    name: ClassVar[str] = "downsample"

    scale: int = Field(4, ge=1, le=16)
    sigma: Annotated[Range, between(0, 50)] = (1.6, 1.6)
    offset: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _offset_within(self) -> Self:
        if self.offset >= self.scale:
            raise ValueError(f"offset {self.offset} should be less than scale {self.scale}")
        return self

    @property
    def shrinks(self) -> int:
        """See :attr:`Degradation.shrinks`."""
        return self.scale

    @property
    def shift(self) -> int:
        """See :attr:`Degradation.shift`."""
        return self.offset

    @property
    def reach(self) -> int:
        """See :attr:`Degradation.reach`."""
        return KERNEL // 2

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See :meth:`Degradation.apply`."""
        return downsample(frame, self.scale, self.sigma[0], self.offset)
