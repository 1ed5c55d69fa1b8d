"""Sources of clean frames. The degraded side, rain or another degradation, is made when samples are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from restill.datasets.clips import Box, resample
from restill.datasets.leaks import Pictures, stamp
from restill.degradations.degradation import Degradation
from restill.degradations.rain import RainSettings
from restill.degradations.things import follow
from restill.degradations.weather import Place, Weather, rained


class CleanSource(ABC):
    """The base class of clean clips and clean photographs.

    Args:
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        degradation: A degradation instead of rain.

    Attributes:
        names: Names of the clips.
        dry: The share of samples without degradation, 0-1, to train a network to leave clean frames unchanged.
        removes: "all" of the rain, or only its "streaks" (and splashes): then the clean side has mist and noise too.
        things: The share of samples with thin things drawn on the clean frames, 0-1, that move with the scene.
        weather: Rain of several kinds and video compression, instead of ``rain``.
    """

    names: Sequence[str]
    dry: float = 0.0
    removes: Literal["all", "streaks"] = "all"
    things: float = 0.0
    weather: Weather | None = None

    def __init__(self, rain: RainSettings | str | None = None, degradation: Degradation | None = None) -> None:
        self.rain, self.degradation = rain, degradation

    @classmethod
    def training_source(
        cls,
        root: Path,
        clips: Sequence[str] | None = None,
        rain: dict[str, Any] | str | None = None,
        degradation: Degradation | None = None,
    ) -> Self:
        """Open from a recipe's fields. ``rain`` is a preset's name, "none", a dict of settings, or "random" or None to
        draw them.
        """
        if rain == "random":
            rain = None
        if isinstance(rain, str) and rain != "none":
            rain = RainSettings.preset(rain).model_dump()
        settings = RainSettings.make(**rain) if isinstance(rain, dict) else rain
        return cls(root, clips, settings, degradation=degradation)  # type: ignore[call-arg]

    @property
    def scale(self) -> int:
        """The size of a clean frame divided by that of the degraded one."""
        return 1 if self.degradation is None else self.degradation.shrinks

    @property
    def shift(self) -> int:
        """The position of the first degraded pixel in the clean frame, pixels right and down."""
        return 0 if self.degradation is None else self.degradation.shift

    @property
    def reach(self) -> int:
        """The distance in the clean frame that a degraded pixel depends on, pixels."""
        return 0 if self.degradation is None else self.degradation.reach

    @abstractmethod
    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""

    @abstractmethod
    def files(self, clip: int) -> list[Path]:
        """The files of a clip."""

    @abstractmethod
    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """Whole frames, (H, W, 3) uint8."""

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A region of some frames, degraded and clean; see :class:`restill.datasets.clips.ClipSource`."""
        clean = self.region(clip, frames, box, size, rng)
        if self.dry and rng.random() < self.dry:  # draw only if needed, so that samples of older recipes stay the same
            clean = clean if self.weather is None else self.weather.recorded(clean, rng)
            return [frame.copy() for frame in clean], clean
        if self.degradation is not None:
            return list(self.degradation.frames(clean, rng)), clean
        if isinstance(self.rain, str):  # "none"
            return [frame.copy() for frame in clean], clean
        _, height, width = self.shape(clip)
        ratio = (size[0] / box.height, size[1] / box.width)
        place = Place(
            (round(height * ratio[0]), round(width * ratio[1])), (round(box.top * ratio[0]), round(box.left * ratio[1]))
        )
        if self.weather is not None:
            return self.weather.fall(clean, place, rng, streaks_only=self.removes == "streaks")
        settings = self.rain or RainSettings.random(rng)
        return rained(clean, settings, place, int(rng.integers(2**31)), self.removes == "streaks")

    def region(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """The clean region of some frames, resized and with hard negatives, (height, width, 3) uint8."""
        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        clean = [resample(frame[window], size) for frame in self.clean(clip, frames)]
        return follow(clean, rng) if self.things and rng.random() < self.things else clean

    def pictures(self, clip: int) -> Pictures:
        """Every picture of a clip, for :mod:`restill.datasets.leaks`."""
        count = self.shape(clip)[0]
        files = self.files(clip)
        place = files[0] if len(files) == 1 else files[0].parent
        names = [f"{place}, frame {t + 1}" for t in range(count)] if count > 1 else [str(place)]
        about = f"{type(self).__name__} {count}"
        return Pictures(stamp(files, about), names, lambda: self.clean(clip, range(count)))
