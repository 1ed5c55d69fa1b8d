"""Rain of many kinds for training, so that a student knows rain by its transience and not by one renderer's look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from restill.degradations.h264 import compressed
from restill.degradations.overlays import OVERLAYS, laid_over, placed
from restill.degradations.rain import Rain
from restill.degradations.rain_settings import RainSettings

KINDS = ("rendered", *OVERLAYS, "layers")
SHARES = {"rendered": 0.5, "blurred_noise": 0.12, "lines": 0.1, "snow": 0.06, "blobs": 0.04, "layers": 0.18}
MIXED = 0.15  # share of the samples with two kinds


class Place(NamedTuple):
    """Where a crop lies: (height, width) of the whole frame, and (top, left) in it, pixels."""

    frame_size: tuple[int, int]
    origin: tuple[int, int]


class RainLayers:
    """Clips of rain on black, as gray pictures. A subclass says where they come from."""

    def draw(self, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """``count`` frames in a row of a random clip, (H, W) uint8."""
        raise NotImplementedError


class Weather(BaseModel):
    """A mixture of kinds of rain, and video compression after it.

    Attributes:
        shares: How often each kind falls, relative to the others; a kind that is not named does not fall.
        sideways: Share of the samples whose rain falls at any angle, as in a clip recorded with a turned camera.
        heavy: Share of the rendered rain that is near to a curtain, with strong wind in half of it.
        video: Share of the samples compressed with H.264 after the rain; rendered rain has then no JPEG.
        crf: Lowest and highest constant rate factor of x264.
    """

    model_config = ConfigDict(extra="forbid")

    shares: dict[str, float] = Field(default=SHARES, description="how often each kind of rain falls")
    sideways: float = Field(default=0.06, ge=0, le=1, description="share of the samples with rain at any angle")
    heavy: float = Field(default=0.15, ge=0, le=1, description="share of rendered rain that is near to a curtain")
    video: float = Field(default=0.4, ge=0, le=1, description="share of the samples compressed with H.264")
    crf: tuple[int, int] = Field(default=(18, 34), description="lowest and highest crf of H.264")
    _layers: RainLayers | None = PrivateAttr(None)

    @field_validator("shares")
    @classmethod
    def _known(cls, given: dict[str, float]) -> dict[str, float]:
        unknown = [kind for kind in given if kind not in KINDS]
        if unknown:
            raise ValueError(f"there is no kind of rain called '{unknown[0]}': choose from {', '.join(KINDS)}")
        if any(share < 0 for share in given.values()) or not any(given.values()):
            raise ValueError("shares must be 0 or more, and at least one must be more than 0")
        return given

    @field_validator("crf")
    @classmethod
    def _ordered(cls, given: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= given[0] <= given[1] <= 51:
            raise ValueError("should be two numbers from 0 to 51, the lower one first")
        return given

    def raining(self, layers: RainLayers | None) -> Self:
        """A copy that takes harvested rain from there; without it the kind "layers" does not fall."""
        copy = self.model_copy()
        copy._layers = layers
        return copy

    def fall(
        self, clean: list[np.ndarray], place: Place, rng: np.random.Generator, *, streaks_only: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Let it rain on a clip.

        Args:
            clean: (H, W, 3) uint8 each.
            place: Where the frames lie in the whole frames.
            rng: The source of the rain.
            streaks_only: Mist and noise of rendered rain are on the clean side too.

        Returns:
            The degraded frames and the clean ones.
        """
        film = rng.random() < self.video
        angle = float(rng.uniform(-180, 180)) if rng.random() < self.sideways else float(rng.normal(0, 14))
        kinds = [self._kind(rng)]
        if rng.random() < MIXED:
            kinds.append(self._kind(rng))
        degraded, target = list(clean), list(clean)
        for kind in sorted(set(kinds), key=KINDS.index):  # rendered rain first: it changes the target
            if kind == "rendered":
                degraded, target = self._rendered(clean, place, angle, rng, film, streaks_only)
                continue
            size = (clean[0].shape[0], clean[0].shape[1])
            if kind == "layers" and self._layers is not None:
                several = [
                    placed(self._layers.draw(len(clean), rng), size, angle, rng) for _ in range(rng.integers(1, 4))
                ]
                layers = [np.max(pictures, axis=0) for pictures in zip(*several, strict=True)]
            else:
                layers = OVERLAYS[kind](len(clean), size, angle, rng)
            degraded = laid_over(degraded, layers, rng)
        return (self._filmed(degraded, rng) if film else degraded), target

    def recorded(self, clean: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """A clip without rain, as a file holds it: a share of them compressed."""
        return self._filmed(clean, rng) if rng.random() < self.video else clean

    def _filmed(self, frames: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        return compressed(frames, int(rng.integers(self.crf[0], self.crf[1] + 1)))

    def _kind(self, rng: np.random.Generator) -> str:
        names = [kind for kind in self.shares if kind != "layers" or self._layers is not None]
        chances = np.array([self.shares[kind] for kind in names])
        return str(rng.choice(names, p=chances / chances.sum()))

    def _rendered(
        self,
        clean: list[np.ndarray],
        place: Place,
        angle: float,
        rng: np.random.Generator,
        film: bool,
        streaks_only: bool,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        settings = wide(rng, self.heavy)
        if film:
            settings = settings.model_copy(update={"compression": None})
        turns = round(angle / 90) % 4  # a drop falls down for this renderer, so the frames turn
        frames = [np.ascontiguousarray(np.rot90(frame, turns)) for frame in clean]
        sides = rained(frames, settings, _turned(place, clean[0].shape, turns), int(rng.integers(2**31)), streaks_only)
        degraded, target = ([np.ascontiguousarray(np.rot90(x, -turns)) for x in side] for side in sides)
        return degraded, target


def wide(rng: np.random.Generator, heavy: float) -> RainSettings:
    """Settings of rendered rain: as :meth:`RainSettings.random`, and a share ``heavy`` of it near to a curtain."""
    settings = RainSettings.random(rng)
    if rng.random() >= heavy:
        return settings
    changes = {
        "rate": float(rng.uniform(100, 300)),
        "smallest_drop": float(rng.uniform(0.7, 1.0)),
        "exposure": float(np.exp(rng.uniform(np.log(1 / 250), np.log(1 / 30)))),
        "opacity": float(rng.uniform(0.2, 0.5)),
        "wind": float(rng.uniform(2, 12)) if rng.random() < 0.5 else settings.wind,
    }
    return settings.model_copy(update=changes)


def rained(
    clean: Sequence[np.ndarray], settings: RainSettings, place: Place, seed: int, streaks_only: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames with rendered rain, and without its streaks (``streaks_only``) or as they were."""
    size = (clean[0].shape[0], clean[0].shape[1])
    rain = Rain(settings, size=size, seed=seed, frame_size=place.frame_size, origin=place.origin)
    if not streaks_only:
        return [rain.render(frame, t) for t, frame in enumerate(clean)], list(clean)
    pairs = [rain.pair(frame, t) for t, frame in enumerate(clean)]
    return [rainy for rainy, _ in pairs], [streakless for _, streakless in pairs]


def _turned(place: Place, shape: tuple[int, ...], turns: int) -> Place:
    """The place after ``np.rot90`` of the whole frame, ``turns`` times."""
    (height, width), (top, left), (tall, wide) = place.frame_size, place.origin, shape[:2]
    for _ in range(turns):
        top, left = max(width - left - wide, 0), top
        height, width, tall, wide = width, height, wide, tall
    return Place((height, width), (top, left))
