"""Clean clips and moved photographs as one source of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from restill.datasets.clean import CleanSource
from restill.datasets.clips import Box
from restill.datasets.leaks import Pictures


class Scenes(CleanSource):
    """Two sources as one. The settings of the first apply to all scenes.

    Args:
        clips: The clean clips.
        photos: The moved photographs.
        share: The share of the samples made from photographs, 0-1.
    """

    def __init__(self, clips: CleanSource, photos: CleanSource, share: float) -> None:
        super().__init__(clips.rain, clips.degradation)
        self._parts = (clips, photos)
        self.dry, self.removes, self.weather = clips.dry, clips.removes, clips.weather
        self.names = [*clips.names, *photos.names]
        shares = ((1 - share) / len(clips.names), share / len(photos.names))
        self.chances = np.repeat(shares, [len(clips.names), len(photos.names)])

    def _part(self, clip: int) -> tuple[CleanSource, int]:
        first = len(self._parts[0].names)
        return (self._parts[0], clip) if clip < first else (self._parts[1], clip - first)

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a scene."""
        part, own = self._part(clip)
        return part.shape(own)

    def files(self, clip: int) -> list[Path]:
        """The files of a scene."""
        part, own = self._part(clip)
        return part.files(own)

    def pictures(self, clip: int) -> Pictures:
        """Every picture of a scene."""
        part, own = self._part(clip)
        return part.pictures(own)

    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """Whole frames, (H, W, 3) uint8; a photograph stays still."""
        part, own = self._part(clip)
        return part.clean(own, frames)

    def region(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """The clean region of some frames, resized."""
        part, own = self._part(clip)
        return part.region(own, frames, box, size, rng)
