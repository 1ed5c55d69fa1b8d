"""Put rain of other packages' renderers over clean frames. Each frame is rendered anew, so nothing of the rain stays.

albumentations (MIT) and kornia (Apache-2.0) are imported on use; they are dependencies of the development alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import cv2
import numpy as np

from restill.errors import RestillError


@dataclass(frozen=True)
class Albumentations:
    """Lines that are blurred and added to the frame (``albumentations.RandomRain``).

    Attributes:
        rain_type: The number of lines: "drizzle", "heavy" or "torrential".
        fall: (right, down) from one end of a line to the other, pixels; the sign of the first is drawn for each clip.
        brightness: The value of a line before the blur, 0-255.
        width: Its width, pixels.
        blur: The side of the box filter, pixels.
        bits: Bits per pixel of a rainy clip after compression.
    """

    rain_type: str
    fall: tuple[int, int]
    brightness: int
    width: int
    blur: int
    bits: float

    def over(self, frame: np.ndarray, side: int, seed: int) -> np.ndarray:
        """The frame in rain, (H, W, 3) uint8; ``side`` is -1 or 1."""
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks PyPI for a newer version
        rain = _package("albumentations").RandomRain(
            slant_range=(side * self.fall[0],) * 2,  # pixels, in spite of its description
            drop_length=self.fall[1],
            drop_width=self.width,
            drop_color=(self.brightness,) * 3,
            blur_value=self.blur,
            brightness_coefficient=1.0,
            rain_type=self.rain_type,
            p=1.0,
        )
        rain.set_random_seed(seed)
        return rain(image=frame)["image"]


@dataclass(frozen=True)
class Kornia:
    """Gray lines (``kornia.augmentation.RandomRain``), drawn at twice the size and so half transparent.

    Attributes:
        drops: The number of lines.
        fall: (right, down) in pixels, as for :class:`Albumentations`.
        bits: Bits per pixel of a rainy clip after compression.
    """

    drops: int
    fall: tuple[int, int]
    bits: float

    def over(self, frame: np.ndarray, side: int, seed: int) -> np.ndarray:
        """The frame in rain, (H, W, 3) uint8; ``side`` is -1 or 1."""
        augmentation = _package("kornia.augmentation")
        import torch

        rain = augmentation.RandomRain(
            number_of_drops=(self.drops,) * 2,
            drop_height=(2 * self.fall[1],) * 2,
            drop_width=(2 * side * self.fall[0],) * 2,
            p=1.0,
        )
        twice = torch.from_numpy(frame.repeat(2, axis=0).repeat(2, axis=1)).permute(2, 0, 1)[None]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            rainy = 255 * rain(twice.float() / 255)[0].permute(1, 2, 0).numpy()
        return cv2.resize(np.rint(rainy).astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_AREA)


RENDERED: dict[str, Albumentations | Kornia] = {
    "albumentations-light": Albumentations("heavy", (2, 18), 110, 1, 3, 0.5),
    "albumentations-heavy": Albumentations("torrential", (9, 45), 80, 1, 3, 0.3),
    "albumentations-slanted": Albumentations("heavy", (20, 25), 70, 2, 5, 0.5),
    "kornia-heavy": Kornia(1500, (4, 25), 0.3),
    "kornia-slanted": Kornia(1200, (12, 15), 0.5),
    "kornia-light": Kornia(600, (1, 12), 0.5),
}


def rendered(kind: str, frames: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Put rain of a kind of :data:`RENDERED` over each frame, (H, W, 3) uint8 each.

    Raises:
        RestillError: If the kind's package is not installed.
    """
    side = int(rng.choice([-1, 1]))
    return [RENDERED[kind].over(frame, side, int(rng.integers(2**31))) for frame in frames]


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise RestillError(
            f"this set has rain of the package {package}, which is not installed: pip install {package}"
        ) from error
