"""The settings of a rain: physical parameters, presets, and a wide random draw for training."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill.degradations.degradation import one_sentence
from restill.errors import RestillError


class RainSettings(BaseModel):
    """The settings of a rain, a camera and a recording.

    Attributes:
        rate: Rain rate, mm/h, 0-500; 0 is no rain: frames are returned unchanged. Drizzle is 2, a shower 25,
            a cloudburst 100. The rate sets the number of drops and their sizes (Marshall and Palmer, 1948).
        smallest_drop: Smallest diameter of a drop, mm; smaller drops are part of the mist.
        near: Smallest distance of a drop from the lens, m.
        far: Largest distance of a drop, m; farther drops are part of the mist.
        exposure: Time the shutter is open, s; a streak is as long as its drop falls in that time.
        field_of_view: Horizontal field of view of the whole frame, degrees.
        pitch: Camera tilt, degrees, positive is up: streaks then fan out downwards.
        focus_distance: Distance in focus, m.
        aperture: Diameter of the lens opening, mm; drops out of focus become wider and fainter.
        wind: Mean wind speed, m/s.
        wind_direction: Where the wind blows to, degrees: 90 to the right, -90 to the left, 0 away from the camera,
            180 toward it.
        gust: Largest deviation of the wind from its mean, m/s.
        gust_period: Time scale of gusts, s.
        turbulence: Standard deviation of each drop's own sideways speed, m/s.
        opacity: The share of the background that a sharp streak of a 2 mm drop hides, 0-1. The physical value is
            diameter / (fall speed x exposure), 0.08 at 1/250 s; None uses it. Composited rain hides more.
        opacity_spread: Standard deviation of the logarithm of opacity from drop to drop.
        taper: How much a streak fades toward its ends, 0-1.
        brightness: Light of a drop as a multiple of the ambient light; above 1 for an overexposed sky.
        whiteness: 0 uses the ambient light estimated from the frame, 1 uses white.
        linear_light: Add light in linear values, as in a camera; False: in display values, as in composited rain.
        mist: Share of the ambient light that replaces the farthest parts of the scene, 0-1.
        splash: Splashes on the ground, as a share of the physical number, 0-1.
        noise: Standard deviation of sensor noise, in 1/255 of white.
        compression: JPEG quality after the rain, 1-100; None does not compress.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(25.0, ge=0, le=500)
    smallest_drop: float = Field(1.0, ge=0.2, le=4)
    near: float = Field(0.4, ge=0.05, le=20)
    far: float = Field(3.5, ge=0.1, le=50)
    exposure: float = Field(1 / 125, gt=0, le=0.1)
    field_of_view: float = Field(50.0, ge=5, le=130)
    pitch: float = Field(0.0, ge=-45, le=45)
    focus_distance: float = Field(5.0, gt=0)
    aperture: float = Field(1.5, ge=0, le=50)
    wind: float = Field(0.5, ge=0, le=30)
    wind_direction: float = Field(90.0, ge=-360, le=360)
    gust: float = Field(0.3, ge=0, le=15)
    gust_period: float = Field(3.0, gt=0.1)
    turbulence: float = Field(0.15, ge=0, le=5)
    opacity: float | None = Field(0.24, ge=0, le=1)
    opacity_spread: float = Field(0.6, ge=0, le=1.5)
    taper: float = Field(0.8, ge=0, le=1)
    brightness: float = Field(1.1, ge=0, le=10)
    whiteness: float = Field(0.3, ge=0, le=1)
    linear_light: bool = True
    mist: float = Field(0.1, ge=0, le=1)
    splash: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.0, ge=0, le=50)
    compression: int | None = Field(None, ge=1, le=100)

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Like the constructor, but a wrong value raises a one-sentence :class:`RestillError`."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise one_sentence(error, "rain", cls.model_fields) from None

    @classmethod
    def preset(cls, name: str, **values: Any) -> Self:
        """Look up a preset, with some values replaced.

        Args:
            name: One of :data:`PRESETS`.
            values: Fields that differ from the preset.

        Raises:
            RestillError: If there is an unknown name, an unknown field or a value out of range.
        """
        if name not in PRESETS:
            raise RestillError(f"there is no rain called '{name}': choose one of {', '.join(PRESETS)}, random")
        return cls.make(**(PRESETS[name] | values))

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """Draw a rain for training from wide ranges.

        Few to many drops, thin to wide, faint to saturated, vertical to slanted, sharp to defocused, photographed or
        composited, clean or compressed.
        """

        def spread(low: float, high: float) -> float:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))

        def sometimes(chance: float, value: float) -> float:
            return value if rng.random() < chance else 0.0

        composited = rng.random() < 0.5
        near = spread(0.3, 1.2)
        rate = spread(10, 120)
        return cls(
            rate=rate,
            smallest_drop=float(rng.uniform(0.7, 1.4)),
            near=near,
            far=near * spread(3.5, 10),
            exposure=spread(1 / 600, 1 / 50),
            field_of_view=spread(28, 75),
            pitch=sometimes(0.3, float(rng.uniform(-35, 25))),
            focus_distance=spread(1.0, 20.0),
            aperture=sometimes(0.7, spread(0.2, 4.0)),
            wind=abs(float(rng.normal(0, 1.6))),
            wind_direction=float(rng.choice([-90.0, 90.0]) + rng.normal(0, 25)),
            gust=spread(0.05, 1.2),
            gust_period=spread(1.0, 8.0),
            turbulence=spread(0.03, 0.5),
            opacity=min(spread(0.15, 0.9) * (30 / rate) ** 0.25, 0.95),  # dense rain is rarely opaque
            opacity_spread=float(rng.uniform(0.1, 0.8)),
            taper=float(rng.uniform(0.2, 1)),
            brightness=float(rng.uniform(0.8, 1.0)) if composited else spread(0.8, 2.0),
            whiteness=float(rng.uniform(0.6, 1.0)) if composited else float(rng.uniform(0, 0.7)),
            linear_light=not composited,
            mist=sometimes(0.5, spread(0.02, 0.16)),
            splash=sometimes(0.2, float(rng.uniform(0.05, 0.4))),
            noise=sometimes(0.3, spread(0.3, 3.0)),
            compression=int(rng.integers(70, 98)) if rng.random() < 0.75 else None,
        )


def named_rain(name: str, values: dict[str, Any], seed: int, wind: float | None = None) -> RainSettings:
    """The rain of ``restill rain``: a preset or "random", with some values replaced.

    Args:
        name: One of :data:`PRESETS`, or "random".
        values: Fields to replace.
        seed: The seed of the random draw.
        wind: m/s to the right, negative to the left; None leaves it.

    Raises:
        RestillError: If there is an unknown name, an unknown field or a value out of range.
    """
    if wind is not None:
        values = {"wind": abs(wind), "wind_direction": math.copysign(90.0, wind)} | values
    if name == "random":
        return RainSettings.make(**(RainSettings.random(np.random.default_rng(seed)).model_dump() | values))
    return RainSettings.preset(name, **values)


PRESETS: dict[str, dict[str, Any]] = {
    "drizzle": {"rate": 4.0, "smallest_drop": 0.5, "opacity": 0.2, "mist": 0.12, "splash": 0.0},
    "light": {"rate": 8.0, "mist": 0.05, "splash": 0.05, "wind": 0.3},
    "moderate": {},
    "heavy": {"rate": 70.0, "opacity": 0.28, "mist": 0.18, "wind": 1.0, "gust": 0.6, "splash": 0.4},
    "storm": {"rate": 110.0, "opacity": 0.28, "mist": 0.22, "wind": 4.0, "gust": 1.5, "turbulence": 0.5, "splash": 0.5},
    "curtain": {"rate": 200.0, "opacity": 0.32, "exposure": 0.012, "far": 5.0, "mist": 0.3, "splash": 0.4},
}
