"""The drops of a rain: their positions, their fall, and their streaks while the shutter is open.

Every number is a function of (seed, drop, passage, time), so frames can be rendered alone and in any order.
Camera coordinates: x to the right, y down, z away from the camera, meters; the origin is the lens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restill.degradations.rain_settings import RainSettings

MOST_DROPS = 12_000  # the faintest drops beyond this number are left out: they look like mist
FAINTEST = 0.012  # opacity of a streak that is invisible in an 8-bit file
WIDEST_BLUR = 4  # levels of the pyramid above the first: a blur of 2**4 pixels
MARGIN = 1.3  # size of the slab that drops pass through, relative to the frame


def fall_speed(diameter: np.ndarray) -> np.ndarray:
    """Terminal speed of a raindrop, m/s (Atlas, Srivastava and Sekhon, 1973).

    Args:
        diameter: mm.
    """
    return np.maximum(9.65 - 10.3 * np.exp(-0.6 * diameter), 0.5)


def drops_per_cubic_meter(rate: float, smallest: float) -> float:
    """The number of drops above ``smallest`` mm per cubic meter at ``rate`` mm/h (Marshall and Palmer, 1948)."""
    slope = marshall_palmer_slope(rate)
    return 8000.0 / slope * float(np.exp(-slope * smallest))


def marshall_palmer_slope(rate: float) -> float:
    """The exponent of the drop size distribution, 1/mm: N(D) = 8000 exp(-slope D) per m^3 and mm."""
    return 4.1 * rate**-0.21


def uniform(seed: int, *keys: np.ndarray | int) -> np.ndarray:
    """Uniform numbers in [0, 1) for each element of the keys, by a hash (splitmix64) instead of a stream."""
    value = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        for key in keys:
            value = np.asarray(value ^ np.asarray(key).astype(np.int64).astype(np.uint64))
            value = value + np.uint64(0x9E3779B97F4A7C15)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = value ^ (value >> np.uint64(31))
    return np.asarray(value >> np.uint64(40), np.float32) * np.float32(2.0**-24)


class Wind:
    """The wind over time: its mean plus slow sines with random phases."""

    def __init__(self, settings: RainSettings, seed: int) -> None:
        angle = np.deg2rad(settings.wind_direction)
        self.direction = np.array([np.sin(angle), np.cos(angle)])  # (2,) to the right, away
        self.mean = settings.wind
        rng = np.random.default_rng((seed, 1))
        periods = settings.gust_period * np.array([1.0, 0.43, 2.3]) * rng.uniform(0.8, 1.25, 3)
        self.pulse = 2 * np.pi / periods  # (3,) rad/s
        self.phase = rng.uniform(0, 2 * np.pi, 3)
        self.swing = settings.gust * np.array([0.5, 0.2, 0.3])

    def speed(self, time: float) -> float:
        """Wind speed along its direction, m/s."""
        return float(self.mean + (self.swing * np.sin(self.pulse * time + self.phase)).sum())

    def path(self, time: np.ndarray) -> np.ndarray:
        """Integral of :meth:`speed` from any fixed time, m; same shape as ``time`` (seconds)."""
        out = self.mean * time
        for swing, pulse, phase in zip(self.swing, self.pulse, self.phase, strict=True):
            out = out - swing / pulse * np.cos(pulse * time + phase)
        return out


@dataclass(frozen=True)
class Streaks:
    """The streaks of one exposure: N straight segments, in pixels of the whole frame.

    Attributes:
        start, end: (N, 2) x and y.
        width: (N,) drop diameter, may be far below a pixel.
        blur: (N,) diameter of the defocus disc.
        opacity: (N,) share of the background hidden along a sharp streak.
    """

    start: np.ndarray
    end: np.ndarray
    width: np.ndarray
    blur: np.ndarray
    opacity: np.ndarray


class Drops:
    """All drops that a camera could see; :meth:`streaks` gives their streaks at a time.

    A drop passes repeatedly through a slab that covers the view at its depth. Each passage starts at a new random
    position, so nothing repeats.

    Args:
        settings: The rain.
        frame_size: (height, width) of the whole frame, pixels.
        seed: The same seed gives the same rain.
    """

    def __init__(self, settings: RainSettings, frame_size: tuple[int, int], seed: int) -> None:
        self.seed = seed
        self.settings = settings
        self.height, self.width = frame_size
        self.focal = self.width / 2 / np.tan(np.deg2rad(settings.field_of_view) / 2)  # pixels
        self.wind = Wind(settings, seed)
        self._draw(np.random.default_rng((seed, 2)))

    def _draw(self, rng: np.random.Generator) -> None:
        s = self.settings
        near, far = s.near, max(s.far, s.near * 1.01)
        # size of the frame on a plane at 1 m, plus how far the strongest wind moves a drop that crosses it
        tall = MARGIN * self.height / self.focal
        wide = MARGIN * self.width / self.focal + tall * (s.wind + s.gust) / 4.0
        density = drops_per_cubic_meter(s.rate, s.smallest_drop) if s.rate > 0 else 0.0
        expected = density * wide * tall * (far**3 - near**3) / 3
        # above this limit only a random subset is drawn before faint drops are removed
        count = min(int(rng.poisson(min(expected, 1e6))), 25 * MOST_DROPS)
        depth = np.cbrt(rng.uniform(near**3, far**3, count))
        slope = marshall_palmer_slope(max(s.rate, 1e-3))
        diameter = np.minimum(s.smallest_drop + rng.exponential(1 / slope, count), 6.0)  # mm
        speed = fall_speed(diameter)
        opacity = diameter / 2 * fall_speed(np.array(2.0)) / speed
        opacity *= s.opacity if s.opacity is not None else 2e-3 / (fall_speed(np.array(2.0)) * s.exposure)
        opacity = np.clip(opacity * rng.lognormal(0.0, s.opacity_spread, count), 0, 0.97)
        width = diameter * 1e-3 * self.focal / depth
        blur = self.focal * s.aperture * 1e-3 * np.abs(1 / depth - 1 / s.focus_distance)
        seen = opacity * np.minimum(width, 1.0) * (width + 1) / (width + np.maximum(blur, 1.0))
        visible = np.flatnonzero(seen > FAINTEST)
        order = visible[np.argsort(-seen[visible], kind="stable")[:MOST_DROPS]]
        self.depth, self.diameter, self.speed = depth[order], diameter[order], speed[order]
        self.opacity, self.blur = opacity[order].astype(np.float32), blur[order].astype(np.float32)
        self.tall, self.wide = tall * self.depth, wide * self.depth
        self.tall += self.speed * s.exposure
        self.phase = rng.uniform(0, 1, len(order))
        self.sideways = s.turbulence * rng.standard_normal(len(order))
        self.drop = np.arange(len(order))

    def __len__(self) -> int:
        return len(self.depth)

    def streaks(self, time: float, area: tuple[int, int, int, int]) -> Streaks:
        """The streaks of an exposure centered on a time.

        Args:
            time: s.
            area: (top, left, height, width) in pixels of the whole frame; streaks outside it are left out.
        """
        s = self.settings
        tilt = np.deg2rad(s.pitch)
        passage = np.floor(time * self.speed / self.tall + self.phase)
        middle = (passage + 0.5 - self.phase) * self.tall / self.speed  # when the drop crosses the optical axis
        x0 = (uniform(self.seed, 3, self.drop, passage) - 0.5) * self.wide
        carried = self.wind.path(middle)
        ends = []
        for moment in (time - s.exposure / 2, time + s.exposure / 2):
            age = moment - middle
            blown = self.wind.path(np.full(1, moment)) - carried
            fallen = self.speed * age
            x = x0 + self.wind.direction[0] * blown + self.sideways * age
            z = self.depth + self.wind.direction[1] * blown * np.cos(tilt) - fallen * np.sin(tilt)
            y = fallen * np.cos(tilt)
            z = np.maximum(z, 0.5 * s.near)
            scale = self.focal / z
            ends.append(np.stack([x * scale + self.width / 2, y * scale + self.height / 2], 1))
        scale = self.focal / np.maximum(z, 0.5 * s.near)
        width = (self.diameter * 1e-3 * scale).astype(np.float32)
        reach = width + 2 * self.blur + 2
        low, high = np.minimum(*ends), np.maximum(*ends)
        top, left, tall, wide = area
        here = (high[:, 0] + reach > left) & (low[:, 0] - reach < left + wide)
        here &= (high[:, 1] + reach > top) & (low[:, 1] - reach < top + tall)
        return Streaks(ends[0][here], ends[1][here], width[here], self.blur[here], self.opacity[here])
