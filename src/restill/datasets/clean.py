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
from restill.degradations.rain import Rain, RainSettings


class CleanSource(ABC):
    """The base class of clean clips and clean photographs.

    Args:
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        degradation: A degradation instead of rain.

    Attributes:
        names: Names of the clips.
        dry: The share of samples without degradation, 0-1, to train a network to leave clean frames unchanged.
        removes: "all" of the rain, or only its "streaks" (and splashes): then the clean side has mist and noise too.
    """

    names: Sequence[str]
    dry: float = 0.0
    removes: Literal["all", "streaks"] = "all"

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
        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        clean = [resample(frame[window], size) for frame in self.clean(clip, frames)]
        if self.dry and rng.random() < self.dry:  # draw only if needed, so that samples of older recipes stay the same
            return [frame.copy() for frame in clean], clean
        if self.degradation is not None:
            return list(self.degradation.frames(clean, rng)), clean
        if isinstance(self.rain, str):  # "none"
            return [frame.copy() for frame in clean], clean
        _, height, width = self.shape(clip)
        ratio = (size[0] / box.height, size[1] / box.width)
        rain = Rain(
            self.rain or RainSettings.random(rng),
            size=size,
            seed=int(rng.integers(2**31)),
            frame_size=(round(height * ratio[0]), round(width * ratio[1])),
            origin=(round(box.top * ratio[0]), round(box.left * ratio[1])),
        )
        if self.removes == "streaks":
            pairs = [rain.pair(frame, t) for t, frame in enumerate(clean)]
            return [rainy for rainy, _ in pairs], [streakless for _, streakless in pairs]
        return [rain.render(frame, t) for t, frame in enumerate(clean)], clean

    def pictures(self, clip: int) -> Pictures:
        """Every picture of a clip, for :mod:`restill.datasets.leaks`."""
        count = self.shape(clip)[0]
        files = self.files(clip)
        place = files[0] if len(files) == 1 else files[0].parent
        names = [f"{place}, frame {t + 1}" for t in range(count)] if count > 1 else [str(place)]
        about = f"{type(self).__name__} {count}"
        return Pictures(stamp(files, about), names, lambda: self.clean(clip, range(count)))
