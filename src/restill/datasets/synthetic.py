"""Synthetic clean clips: moving textures with the statistics of photographs.

Overlapping shapes with power-law sizes give the edges ("dead leaves", Lee, Mumford and Huang 2001). Noise
whose amplitude falls as 1/f gives the textures (Field 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.clean import CleanSource

SHAPES = 60  # on each of the two layers, far and near
TEXTURES = 4  # shared by the shapes
MARGIN = 48  # pixels around the visible part, so that a layer can move
FASTEST = 5.0  # pixels a frame


class SyntheticClips(CleanSource):
    """Synthetic clips, with new rain for each sample.

    Args:
        count: The number of clips.
        frames: The number of frames in each.
        size: (height, width), pixels.
    """

    def __init__(self, count: int, frames: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.names = [f"synthetic-{clip}" for clip in range(count)]
        self._shape = (frames, *size)

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""
        return self._shape

    def files(self, clip: int) -> list[Path]:
        """No files: the clips are drawn."""
        return []

    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """Whole frames, (H, W, 3) uint8."""
        drawn = _drawn(clip, *self._shape)
        return [drawn[t] for t in frames]


@lru_cache(maxsize=2)
def _drawn(seed: int, frames: int, height: int, width: int) -> list[np.ndarray]:
    return synthetic_clip(seed, frames, (height, width))


def synthetic_clip(seed: int, frames: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Draw a clip of two textured layers that move independently.

    Args:
        seed: The same seed gives the same clip.
        frames: The number of frames.
        size: (height, width), pixels.

    Returns:
        ``frames`` arrays (H, W, 3) RGB uint8.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    whole = (height + 2 * MARGIN, width + 2 * MARGIN)
    far, _ = _layer(rng, whole)
    near, hides = _layer(rng, whole)
    speeds = rng.uniform(-1, 1, (2, 2)) * rng.uniform(0, FASTEST, (2, 1))  # (layer, (x, y)) pixels a frame
    clip = []
    for t in range(frames):
        steps = speeds * (t - (frames - 1) / 2) + 0.3 * rng.standard_normal(2)  # camera shake, the same for both layers
        behind, before = (_view(layer, step, size) for layer, step in zip((far, near), steps, strict=True))
        share = _view(hides, steps[1], size)[..., None]  # (H, W, 1)
        clip.append(np.clip(255 * (behind + (before - behind) * share) + 0.5, 0, 255).astype(np.uint8))
    return clip


def _layer(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw shapes on a background: the picture (H, W, 3) float32 in [0, 1], and the shapes' mask (H, W) float32."""
    height, width = size
    light = rng.uniform(0.2, 0.8)
    textures = [_texture(rng, size) for _ in range(TEXTURES)]
    picture = light + textures[0] * rng.uniform(0.05, 0.25)
    covered = np.zeros(size, np.float32)
    for _ in range(SHAPES):
        radius = 6 * (1 - rng.random()) ** -0.7  # few are large
        across = min(2 * radius, 0.6 * width)
        x, y = rng.random(2) * (width, height)
        place = ((float(x), float(y)), (float(across), float(across * rng.uniform(0.2, 1))), float(rng.uniform(0, 180)))
        mask = np.zeros(size, np.uint8)
        if rng.random() < 0.5:
            cv2.ellipse(mask, place, 255, -1, cv2.LINE_AA)
        else:
            cv2.fillPoly(mask, [np.rint(cv2.boxPoints(place)).astype(np.int32)], 255, cv2.LINE_AA)
        share = mask.astype(np.float32) / 255
        color = np.clip(light + rng.normal(0, 0.25) + rng.normal(0, 0.08, 3), 0, 1)
        shape = color + textures[rng.integers(TEXTURES)] * rng.choice([0.0, 0.05, 0.15])
        picture += (shape - picture) * share[..., None]
        np.maximum(covered, share, out=covered)
    return cv2.GaussianBlur(np.clip(picture, 0, 1).astype(np.float32), (0, 0), rng.uniform(0.4, 1.0)), covered


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """1/f noise, (H, W, 3) float32 with mean 0 and deviation 1; nearly the same in the three colors."""
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))  # (H, W/2 + 1) cycles a pixel
    fall = np.maximum(frequency, 1 / max(size)) ** -rng.uniform(0.8, 1.4)
    fall[0, 0] = 0
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * fall, size)
    noise /= max(float(noise.std()), 1e-9)
    return (noise[..., None] * (1 + rng.normal(0, 0.15, 3))).astype(np.float32)


def _view(layer: np.ndarray, step: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The visible part of a layer that moved by (x, y) pixels: (H, W) or (H, W, 3)."""
    move = np.array([[1, 0, step[0] - MARGIN], [0, 1, step[1] - MARGIN]], np.float32)
    return cv2.warpAffine(layer, move, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
