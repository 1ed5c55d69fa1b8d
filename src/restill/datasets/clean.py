"""Clean frames only; the degraded side is made as samples are read: rain, or any degradation by name."""

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
    """What clean clips and photographs share.

    Args:
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        degradation: Instead of rain.

    Attributes:
        names: Of the clips.
        dry: Share of the samples that are left as they are, 0-1: what is clean already has to stay so.
        removes: Of rain, "all", or only its "streaks" (and splashes): then mist and noise are on the clean side too.
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
        """From a recipe's fields: ``rain`` is a preset's name, "none", a dict of settings, or "random" or None to draw
        them.
        """
        if rain == "random":
            rain = None
        if isinstance(rain, str) and rain != "none":
            rain = RainSettings.preset(rain).model_dump()
        settings = RainSettings.make(**rain) if isinstance(rain, dict) else rain
        return cls(root, clips, settings, degradation=degradation)  # type: ignore[call-arg]

    @property
    def scale(self) -> int:
        """Size of a clean frame over that of the degraded one."""
        return 1 if self.degradation is None else self.degradation.shrinks

    @property
    def shift(self) -> int:
        """Where the first degraded pixel lies in the clean frame, pixels right and down."""
        return 0 if self.degradation is None else self.degradation.shift

    @property
    def reach(self) -> int:
        """How far around it, in pixels of the clean frame, a degraded pixel can be told by."""
        return 0 if self.degradation is None else self.degradation.reach

    @abstractmethod
    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""

    @abstractmethod
    def files(self, clip: int) -> list[Path]:
        """What a clip is read from."""

    @abstractmethod
    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """Whole frames, (H, W, 3) uint8."""

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A region of some frames, degraded and clean; see :class:`restill.datasets.clips.ClipSource`."""
        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        clean = [resample(frame[window], size) for frame in self.clean(clip, frames)]
        if self.dry and rng.random() < self.dry:  # without, nothing is drawn: samples stay those of older recipes
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
