"""Protocols: everything that must be said before two PSNR values can be compared, under one name.

The page ``docs/protocols.md`` puts them side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from restill.errors import RestillError
from restill.evaluation.metrics import psnr, ssim_gaussian11, ssim_uniform7, to_y

SSIM: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "7x7 uniform": ssim_uniform7,
    "11x11 Gaussian": ssim_gaussian11,
}


@dataclass(frozen=True)
class Protocol:
    """How a clip is scored: per frame, then the mean over frames, then the mean over clips.

    Attributes:
        name: What every number is printed with.
        color: "RGB" (three channels jointly), "Y" (BT.601, 16..235), or "RGB and Y" (both; the Y values are
            called ``psnr_y`` and ``ssim_y``).
        quantize: How a prediction in [0, 1] becomes 8 bits.
        window: The SSIM window, a key of :data:`SSIM`.
        drop_first: Frames at the start of a clip that are not scored.
        drop_last: Frames at its end that are not scored.
        source: Whose protocol it is.
    """

    name: str
    color: Literal["RGB", "Y", "RGB and Y"]
    quantize: Literal["truncate", "round"]
    window: Literal["7x7 uniform", "11x11 Gaussian"]
    drop_first: int
    drop_last: int
    source: str

    def frames(self, total: int) -> range:
        """Indices (0-based) of the frames of a clip that are scored.

        Raises:
            RestillError: None would be left.

        >>> PROTOCOLS["cstd"].frames(10)  # 1-based 4 .. N - 4
        range(3, 6)
        """
        if total <= self.drop_first + self.drop_last:
            raise RestillError(
                f"protocol '{self.name}' leaves out the first {self.drop_first} and last {self.drop_last} frames: "
                f"a clip of {total} frames is too short for it"
            )
        return range(self.drop_first, total - self.drop_last)

    def to_8bit(self, prediction: np.ndarray) -> np.ndarray:
        """A prediction as the picture that is scored.

        Args:
            prediction: (H, W, 3) RGB, float in [0, 1] (it is clipped), or uint8, which stays as it is.

        Returns:
            (H, W, 3) uint8.
        """
        if prediction.dtype == np.uint8:
            return prediction
        scaled = np.clip(prediction, 0, 1) * np.float32(255)
        return (np.rint(scaled) if self.quantize == "round" else scaled).astype(np.uint8)

    def score(self, prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """PSNR (dB) and SSIM of one frame.

        Args:
            prediction: (H, W, 3) RGB, float in [0, 1] or uint8.
            truth: (H, W, 3) RGB uint8.

        Returns:
            ``psnr`` and ``ssim``; with both colors also ``psnr_y`` and ``ssim_y``.
        """
        picture, ssim = self.to_8bit(prediction), SSIM[self.window]
        scores: dict[str, float] = {}
        if self.color != "Y":
            scores |= {"psnr": psnr(picture, truth), "ssim": ssim(picture, truth)}
        if self.color != "RGB":
            picture, truth, suffix = to_y(picture), to_y(truth), "" if self.color == "Y" else "_y"
            scores |= {f"psnr{suffix}": psnr(picture, truth), f"ssim{suffix}": ssim(picture, truth)}
        return scores

    def __str__(self) -> str:
        """All choices in a line, for the heading over numbers."""
        left_out = self.drop_first or self.drop_last
        frames = f"without the first {self.drop_first} and last {self.drop_last} frames" if left_out else "all frames"
        return f"{self.name} ({self.color}, 8 bits by {self._verb}, SSIM {self.window}, {frames})"

    @property
    def _verb(self) -> str:
        return {"round": "rounding", "truncate": "truncation"}[self.quantize]


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("cstd", "RGB", "truncate", "7x7 uniform", 3, 4, "test script of CSTD's authors"),
        Protocol("s2vd", "Y", "round", "11x11 Gaussian", 2, 2, "test script of S2VD's authors"),
        Protocol("all-frames", "RGB and Y", "round", "11x11 Gaussian", 0, 0, "Restill"),
    )
}


def protocol(name: str) -> Protocol:
    """A protocol by name.

    Raises:
        RestillError: There is no such protocol.
    """
    if name not in PROTOCOLS:
        raise RestillError(f"protocol '{name}' is not known; the protocols are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
