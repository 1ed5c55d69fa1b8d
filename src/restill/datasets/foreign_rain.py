"""Put rain that Restill did not render over clean frames: layers on black, made by others.

A layer is added by the mode "screen", in display values: out = 255 - (255 - clean) (1 - layer), layer in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from restill.datasets.files import pictures, read_picture
from restill.errors import RestillError
from restill.video import read_frames

OVERLAY, STREAKS = "rendered_streaks_on_black.mp4", "garg_streaks"
EDGE = 12  # pixels on each side of the overlay that are not black


@dataclass(frozen=True)
class Kind:
    """A kind of rain.

    Attributes:
        made_of: "overlay": the frames of one video of rain, in order. "streaks": streak images, drawn anew for every
            frame and depth.
        gain: The factor on the layer's brightness.
        angle: Degrees from the vertical; the sign is drawn for each clip.
        sizes: The scale of the layer at each depth.
        bits: Bits per pixel of the rainy clip after compression.
    """

    made_of: Literal["overlay", "streaks"]
    gain: float
    angle: float
    sizes: tuple[float, ...]
    bits: float


KINDS = {
    "overlay-light": Kind("overlay", 2.5, 0, (1.0,), 0.5),
    "overlay-heavy": Kind("overlay", 3.5, 12, (1.0, 0.7), 0.3),
    "overlay-slanted": Kind("overlay", 4.0, 45, (1.3,), 0.5),
    "streaks-heavy": Kind("streaks", 0.6, 20, (0.5, 1.0, 2.0), 0.3),
    "streaks-slanted": Kind("streaks", 0.6, 35, (0.7, 1.4), 0.5),
    "streaks-light": Kind("streaks", 0.6, 8, (0.7,), 0.5),
}


class Layers:
    """The layers in a folder: the video :data:`OVERLAY` and the pictures in :data:`STREAKS`.

    Args:
        folder: The folder.

    Raises:
        RestillError: If one is missing or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        for name in (OVERLAY, STREAKS):
            if not (folder / name).exists():
                raise RestillError(f"{folder}: has no {name}; it should hold the video {OVERLAY} and {STREAKS}/*.png")
        self._overlay = [_layer(frame[EDGE:-EDGE, EDGE:-EDGE]) for frame in read_frames(folder / OVERLAY)]
        self._streaks = [_layer(read_picture(file)) for file in pictures(folder / STREAKS)]
        self._angles = [streak_angle(layer) for layer in self._streaks]

    def over(self, kind: str, frames: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Put rain of a kind of :data:`KINDS` over each frame, (H, W, 3) uint8 each."""
        return rained(frames, self.frames(KINDS[kind], frames[0].shape[:2], rng))

    def frames(self, kind: Kind, size: tuple[int, int], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield the layer of one frame after another, (H, W) float32 in [0, 1], without end."""
        angle = kind.angle * rng.choice([-1, 1])
        starts = rng.integers(len(self._overlay), size=len(kind.sizes))
        places = rng.random((len(kind.sizes), 2))
        index = 0
        while True:
            dark = np.ones(size, np.float32)
            for depth, scale in enumerate(kind.sizes):
                if kind.made_of == "overlay":
                    layer, turn = self._overlay[(starts[depth] + index) % len(self._overlay)], angle
                    place = places[depth]
                else:
                    chosen = rng.integers(len(self._streaks))
                    layer, turn = self._streaks[chosen], angle - self._angles[chosen]
                    place = rng.random(2)
                dark *= 1 - np.clip(kind.gain * placed(layer, size, turn, scale, place), 0, 1)
            yield 1 - dark
            index += 1


def rained(clean: Sequence[np.ndarray], layers: Iterator[np.ndarray]) -> list[np.ndarray]:
    """Add a layer to each frame, (H, W, 3) uint8 each."""
    return [
        np.rint(255 - (255 - frame.astype(np.float32)) * (1 - layer[..., None])).astype(np.uint8)
        for frame, layer in zip(clean, layers, strict=False)
    ]


def placed(
    layer: np.ndarray, size: tuple[int, int], degrees: float, scale: float, place: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Scale, turn and shift a layer. It is repeated where it ends.

    Args:
        layer: (h, w) float32.
        size: (H, W) of the result.
        degrees: The turn of the streaks, clockwise.
        scale: Their enlargement.
        place: (x, y) in [0, 1], the point of the layer that gets to the center.

    Returns:
        (H, W) float32.
    """
    layer = cv2.resize(layer, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    (height, width), turn = size, np.deg2rad(degrees)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])  # from the result to the layer
    shift = np.array([place[0] * layer.shape[1], place[1] * layer.shape[0]]) - turned @ [width / 2, height / 2]
    matrix = np.hstack([turned, shift[:, None]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(layer, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)


def streak_angle(layer: np.ndarray) -> float:
    """The direction of a layer's streaks, degrees clockwise from the vertical, from its structure tensor."""
    x, y = (cv2.Sobel(layer, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return float(np.rad2deg(0.5 * np.arctan2(2 * (x * y).sum(), (x * x - y * y).sum())))


def _layer(frame: np.ndarray) -> np.ndarray:
    """(H, W) float32 in [0, 1], without the gray level of the ground."""
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return np.clip(gray - np.median(gray), 0, None).astype(np.float32) / 255
