"""Evaluation protocols: every choice that two PSNR values must share before they can be compared, under one name.

``docs/protocols.md`` compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from restill.errors import RestillError
from restill.evaluation.metrics.psnr_ssim import (
    psnr,
    ssim_gaussian11,
    ssim_gaussian11_zero,
    ssim_uniform7,
    ssim_volume11,
    to_y,
)

SSIM: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "7x7 uniform": ssim_uniform7,
    "11x11 Gaussian": ssim_gaussian11,
    "11x11 Gaussian zero-padded": ssim_gaussian11_zero,
    "11x11 Gaussian of the RGB volume": ssim_volume11,
}
SMALLEST = {"7x7 uniform": 7, "11x11 Gaussian": 11}  # pixels per side; the others take any size
MEANS = {"clips": "frames, then over clips", "images": "images", "blocks": "blocks"}


@dataclass(frozen=True)
class Protocol:
    """How a data set is scored: metrics per frame, then their mean.

    Attributes:
        name: The name that is printed with every number.
        color: "RGB" (three channels jointly), "Y" (BT.601, 16..235), or "RGB and Y" (both; the Y values are
            called ``psnr_y`` and ``ssim_y``).
        quantize: How a prediction in [0, 1] is converted to 8 bits.
        window: The SSIM window, a key of :data:`SSIM`.
        drop_first: Frames at the start of a clip that are not scored.
        drop_last: Frames at the end of a clip that are not scored.
        source: Where the protocol comes from.
        crop: Pixels on each side of a frame that are not scored.
        mean: "clips": over the frames of each clip, then over clips. "images" and "blocks": over all pictures of the
            set equally, regardless of clips.
        center_of: Data sets where only the center frame of each clip is scored.
    """

    name: str
    color: Literal["RGB", "Y", "RGB and Y"]
    quantize: Literal["truncate", "round"]
    window: Literal["7x7 uniform", "11x11 Gaussian", "11x11 Gaussian zero-padded", "11x11 Gaussian of the RGB volume"]
    drop_first: int
    drop_last: int
    source: str
    crop: int = 0
    mean: Literal["clips", "images", "blocks"] = "clips"
    center_of: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The keys of :meth:`score`: ``psnr`` and ``ssim``; with both colors also ``psnr_y`` and ``ssim_y``."""
        return ("psnr", "ssim", "psnr_y", "ssim_y") if self.color == "RGB and Y" else ("psnr", "ssim")

    @property
    def smallest(self) -> int:
        """The smallest height and width for SSIM, pixels."""
        return SMALLEST.get(self.window, 1)

    def frames(self, total: int, dataset: str | None = None) -> range:
        """Indices (0-based) of the frames of a clip that are scored.

        Args:
            total: Frames of the clip.
            dataset: The data set of the clip.

        Raises:
            RestillError: If no frame would be left.

        >>> PROTOCOLS["cstd"].frames(10)  # 1-based 4 .. N - 4
        range(3, 6)
        >>> PROTOCOLS["vsr"].frames(7, "vimeo90k"), PROTOCOLS["vsr"].frames(7, "vid4")
        (range(3, 4), range(0, 7))
        """
        if dataset in self.center_of:
            return range(total // 2, total // 2 + 1)
        if total <= self.drop_first + self.drop_last:
            raise RestillError(
                f"protocol '{self.name}' leaves out the first {self.drop_first} and last {self.drop_last} frames: "
                f"a clip of {total} frames is too short for it"
            )
        return range(self.drop_first, total - self.drop_last)

    def to_8bit(self, prediction: np.ndarray) -> np.ndarray:
        """Convert a prediction to the 8-bit picture that is scored.

        Args:
            prediction: (H, W, 3) RGB, float in [0, 1] (it is clipped), or uint8, which is returned unchanged.

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
            A value for each of :attr:`metrics`.
        """
        return self.compare(self.cropped(self.to_8bit(prediction)), self.cropped(truth))

    def cropped(self, picture: np.ndarray) -> np.ndarray:
        """A picture (H, W, ...) without :attr:`crop` pixels on each side.

        Raises:
            RestillError: If no pixel would be left.
        """
        height, width = picture.shape[:2]
        if min(height, width) <= 2 * self.crop:
            raise RestillError(
                f"protocol '{self.name}' leaves out {self.crop} pixels on each side: "
                f"a frame of {width}x{height} is too small for it"
            )
        return picture[self.crop : height - self.crop, self.crop : width - self.crop]

    def compare(self, picture: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Score two cropped 8-bit pictures (H, W, 3), as :meth:`score` does."""
        ssim = SSIM[self.window]
        scores: dict[str, float] = {}
        if self.color != "Y":
            scores |= {"psnr": psnr(picture, truth), "ssim": ssim(picture, truth)}
        if self.color != "RGB":
            picture, truth, suffix = to_y(picture), to_y(truth), "" if self.color == "Y" else "_y"
            scores |= {f"psnr{suffix}": psnr(picture, truth), f"ssim{suffix}": ssim(picture, truth)}
        return scores

    def psnr(self, picture: np.ndarray, truth: np.ndarray) -> float:
        """The ``psnr`` of :meth:`compare` alone, which takes a fraction of the time."""
        return psnr(to_y(picture), to_y(truth)) if self.color == "Y" else psnr(picture, truth)

    def __str__(self) -> str:
        """All choices in one line, for headings."""
        left_out = self.drop_first or self.drop_last
        frames = f"without the first {self.drop_first} and last {self.drop_last} frames" if left_out else "all frames"
        center = f" ({', '.join(self.center_of)}: the center frame)" if self.center_of else ""
        crop = f", without {self.crop} pixels on each side" if self.crop else ""
        verb = {"round": "rounding", "truncate": "truncation"}[self.quantize]
        return (
            f"{self.name} ({self.color}, 8 bits by {verb}, SSIM {self.window}, {frames}{center}{crop}, "
            f"mean over {MEANS[self.mean]})"
        )


_RESTORMER = "evaluation script of Restormer's authors"
_SSID = "code of SSID-KD's authors"


def _vsr(crop: int, skip: int) -> Protocol:
    name = "vsr" + (f"-crop{crop}" if crop else "") + (f"-skip{skip}" if skip else "")
    source = "STD" if crop == skip == 0 else "STD, with what DUF and RBPN leave out"
    return Protocol(name, "Y", "round", "11x11 Gaussian", skip, skip, source, crop, center_of=("vimeo90k",))


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("cstd", "RGB", "truncate", "7x7 uniform", 3, 4, "test script of CSTD's authors"),
        Protocol("s2vd", "Y", "round", "11x11 Gaussian", 2, 2, "test script of S2VD's authors"),
        Protocol("spac", "RGB and Y", "round", "11x11 Gaussian", 2, 2, "frames: lists of SPAC-CNN's authors"),
        Protocol("all-frames", "RGB and Y", "round", "11x11 Gaussian", 0, 0, "Restill"),
        Protocol("foreign", "RGB", "round", "11x11 Gaussian", 0, 0, "Restill"),
        Protocol("rain-y", "Y", "round", "11x11 Gaussian", 0, 0, f"{_RESTORMER}, for rain", mean="images"),
        Protocol("gopro", "RGB", "round", "11x11 Gaussian of the RGB volume", 0, 0, _RESTORMER, mean="images"),
        Protocol("sidd", "RGB", "round", "11x11 Gaussian of the RGB volume", 0, 0, "as gopro", mean="blocks"),
        Protocol("ssid", "RGB", "round", "11x11 Gaussian zero-padded", 0, 0, _SSID, mean="images"),
        *(_vsr(crop, skip) for crop in (0, 8) for skip in (0, 2)),
    )
}
# The default protocol of a data set: the one that most published tables use.
DEFAULTS = {
    "nturain": "cstd",
    "gopro": "gopro",
    "hide": "gopro",
    "sidd": "sidd",
    "vimeo90k": "vsr",
    "vid4": "vsr",
    "foreign": "foreign",
    "foreign-rendered": "foreign",
}
IMAGE_DEFAULT = "rain-y"


def protocol(name: str) -> Protocol:
    """Look up a protocol by name.

    Raises:
        RestillError: If there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise RestillError(f"protocol '{name}' is not known; the protocols are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def default_protocol(dataset: str) -> str:
    """The name of a data set's default protocol; :data:`IMAGE_DEFAULT` for sets of rainy pictures."""
    return DEFAULTS.get(dataset, IMAGE_DEFAULT)
