"""Render rain onto clean frames: drops in three dimensions, seen by a camera with a shutter and a lens.

Sources: drop sizes Marshall and Palmer (1948); fall speeds Atlas, Srivastava and Sekhon (1973); appearance of
streaks Garg and Nayar, "Vision and Rain" (2007): a drop gathers light from nearly the whole hemisphere, so it is
rarely darker than the background, and its motion makes it transparent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np

from restill.degradations.drops import Drops, uniform
from restill.degradations.rain_settings import PRESETS, RainSettings
from restill.degradations.splash import splashes
from restill.degradations.splat import GRID, coverage

__all__ = ["PRESETS", "Rain", "RainSettings", "rain_clip", "rain_frames"]

THUMB = 16  # ambient light is estimated on pictures this many times smaller
NOISE_TILE = 512


class Rain:
    """Renders rain onto any frame in any order. The same seed, settings and index give the same picture.

    Args:
        settings: The rain, the camera and the recording.
        size: (height, width) of the frames to render, pixels.
        seed: Any integer.
        fps: Frames per second.
        frame_size: (height, width) of the whole frame when ``size`` is a crop of it; default ``size``.
        origin: (top, left) of the crop within the whole frame.
        depth: (height, width) of the frames, 0 near to 1 far, for the mist; default: estimated from the picture.

    Example:
        >>> rain = Rain(RainSettings.preset("heavy"), (48, 64), seed=1)
        >>> rain.render(np.full((48, 64, 3), 90, np.uint8), index=0).shape
        (48, 64, 3)
    """

    def __init__(
        self,
        settings: RainSettings,
        size: tuple[int, int],
        seed: int = 0,
        *,
        fps: float = 25.0,
        frame_size: tuple[int, int] | None = None,
        origin: tuple[int, int] = (0, 0),
        depth: np.ndarray | None = None,
    ) -> None:
        self.settings, self.size, self.seed, self.fps = settings, size, seed, fps
        self.frame_size = frame_size or size
        self.origin = origin
        self.depth = depth
        self.drops = Drops(settings, self.frame_size, seed)

    def render(self, frame: np.ndarray, index: int) -> np.ndarray:
        """Render this rain onto a frame.

        Args:
            frame: (H, W, 3) RGB, uint8, uint16 (full 16-bit scale) or float in [0, 1].
            index: The frame's number in its clip; the time is index / fps.

        Returns:
            (H, W, 3) of the frame's dtype; a new array.
        """
        return self._render(frame, index, streakless=False)[0]

    def pair(self, frame: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Render the frame with rain, and again without streaks and splashes; both have mist and noise.

        Args:
            frame: As in :meth:`render`.
            index: As in :meth:`render`.

        Returns:
            Two new arrays like the frame. The second is not compressed.
        """
        rainy, streakless = self._render(frame, index, streakless=True)
        return rainy, streakless

    def _render(self, frame: np.ndarray, index: int, *, streakless: bool) -> list[np.ndarray]:
        """Render the frame with rain and, if ``streakless``, also without streaks."""
        s = self.settings
        if s.rate == 0:
            return [frame.copy() for _ in range(1 + streakless)]
        peak = float(np.iinfo(frame.dtype).max) if frame.dtype.kind == "u" else 1.0
        light = _scaled(frame, 1 / peak, cv2.CV_32F)  # (H, W, 3) display values in [0, 1]
        if s.linear_light:
            light *= light  # a gamma of 2 approximates sRGB, and its inverse is cheap
        small, ambient = self._surroundings(light)
        if s.mist > 0:
            _blend(light, self._veil(small, ambient, index), ambient)
        pictures = [light, light.copy()] if streakless else [light]
        _blend(light, self.opacity(index), self._drop_light(small, ambient))
        for picture in pictures:
            if s.linear_light:
                np.sqrt(picture, out=picture)
            if s.noise > 0:
                self._add_noise(picture, index)
        if s.compression is not None:
            pictures[0] = self._compressed(light, s.compression)
        return [_like(frame, picture, peak) for picture in pictures]

    def opacity(self, index: int) -> np.ndarray:
        """The share of the background that streaks and splashes hide: (H, W) float32 in [0, 1)."""
        time = index / self.fps
        height, width = self.size
        top, left = ((edge // GRID - 1) * GRID for edge in self.origin)
        bottom, right = ((edge // GRID + 2) * GRID for edge in (self.origin[0] + height, self.origin[1] + width))
        area = (top, left, bottom - top, right - left)
        covered = coverage(self.drops.streaks(time, area), self.settings.taper, area)
        if self.settings.splash > 0:
            covered += splashes(self.settings, self.frame_size, self.drops.focal, self.seed, time, area)
        y, x = self.origin[0] - top, self.origin[1] - left
        covered = np.ascontiguousarray(covered[y : y + height, x : x + width])
        # overlapping drops multiply, and none hides everything
        return 1 - cv2.exp(-covered - 0.3 * covered * covered)

    def _surroundings(self, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The picture much smaller, (h, w, 3), and the ambient light, (3,): the mean of its brightest tenth."""
        height, width = light.shape[:2]
        small = cv2.resize(light, (max(2, width // THUMB), max(2, height // THUMB)), interpolation=cv2.INTER_AREA)
        small = cv2.blur(small, (3, 3))
        brightness = small.mean(2)
        bright = small[brightness >= np.quantile(brightness, 0.9)].mean(0)
        bright = 0.5 * bright + 0.5 * bright.mean()  # water has no color of its own
        return small, (1 - self.settings.whiteness) * bright + self.settings.whiteness

    def _drop_light(self, small: np.ndarray, ambient: np.ndarray) -> np.ndarray:
        """The light of a drop at each pixel, (H, W, 3): mostly ambient light, some from the surroundings."""
        around = cv2.blur(small, (5, 5))
        through = (0.8 * ambient + 0.2 * around) * self.settings.brightness
        return cv2.resize(through.astype(np.float32), self.size[::-1], interpolation=cv2.INTER_LINEAR)

    def _veil(self, small: np.ndarray, ambient: np.ndarray, index: int) -> np.ndarray:
        """The share of ambient light that mist adds in front of each pixel, (H, W) float32."""
        h, w = small.shape[:2]
        y = (self.origin[0] + (np.arange(h, dtype=np.float32)[:, None] + 0.5) * self.size[0] / h) / self.frame_size[0]
        x = (self.origin[1] + (np.arange(w, dtype=np.float32) + 0.5) * self.size[1] / w) / self.frame_size[1]
        if self.depth is None:
            # pixels that are high in the picture, bright and pale are usually far away
            pale = cv2.blur(small.min(2), (5, 5)) / max(float(ambient.mean()), 1e-3)
            far = np.clip(0.25 + 0.5 * (1 - y) + 0.35 * np.minimum(pale, 1), 0, 1)
        else:
            far = cv2.resize(self.depth.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
        time = index / self.fps
        phase = 2 * np.pi * uniform(self.seed, 7, np.arange(6))
        drift = np.zeros((h, w), np.float32)
        for n in range(6):
            turn = phase[n] + 2.4 * n
            drift += np.sin(2 * np.pi * (1 + 0.4 * n) * (x * np.cos(turn) + y * np.sin(turn)) + phase[n] + 0.6 * time)
        veil = self.settings.mist * far * (1 + 0.07 * drift)
        return cv2.resize(np.clip(veil, 0, 0.95).astype(np.float32), self.size[::-1], interpolation=cv2.INTER_LINEAR)

    def _add_noise(self, light: np.ndarray, index: int) -> None:
        """Add sensor noise in place to (H, W, 3) float32: a fixed tile, shifted in each frame."""
        shift = (uniform(self.seed, 8, index, np.arange(2)) * NOISE_TILE).astype(int)
        top, left = ((self.origin + shift) % NOISE_TILE).tolist()
        tile = _noise_tile() * np.float32(self.settings.noise / 255)
        for y in range(-top, self.size[0], NOISE_TILE):
            for x in range(-left, self.size[1], NOISE_TILE):
                part = light[max(y, 0) : y + NOISE_TILE, max(x, 0) : x + NOISE_TILE]
                part += tile[max(-y, 0) :, max(-x, 0) :][: part.shape[0], : part.shape[1]]

    def _compressed(self, light: np.ndarray, quality: int) -> np.ndarray:
        """Add JPEG's error; the blocks are aligned to the whole frame."""
        top, left = self.origin[0] % 16, self.origin[1] % 16
        before = _scaled(light, 255.0, cv2.CV_8U)
        padded = cv2.copyMakeBorder(before, top, 0, left, 0, cv2.BORDER_REPLICATE)
        _, data = cv2.imencode(".jpg", padded[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        after = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[top:, left:, ::-1]
        return light + (after.astype(np.float32) - before) * np.float32(1 / 255)


def rain_clip(
    frames: Sequence[np.ndarray],
    settings: RainSettings,
    seed: int = 0,
    *,
    fps: float = 25.0,
    frame_size: tuple[int, int] | None = None,
    origin: tuple[int, int] = (0, 0),
    depth: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Render rain onto all frames of a clip; the arguments are those of :class:`Rain`.

    Args:
        frames: T frames (H, W, 3) of one size.

    Returns:
        T frames of the same shape and dtype.
    """
    size = frames[0].shape[0], frames[0].shape[1]
    rain = Rain(settings, size, seed, fps=fps, frame_size=frame_size, origin=origin, depth=depth)
    return [rain.render(frame, index) for index, frame in enumerate(frames)]


def rain_frames(
    frames: Iterable[np.ndarray], settings: RainSettings, seed: int = 0, fps: float = 25.0
) -> Iterator[np.ndarray]:
    """Rain on a stream of frames (H, W, 3) of one size, one by one."""
    rain = None
    for index, frame in enumerate(frames):
        rain = rain or Rain(settings, (frame.shape[0], frame.shape[1]), seed, fps=fps)
        yield rain.render(frame, index)


def _blend(light: np.ndarray, share: np.ndarray, over: np.ndarray) -> None:
    """light becomes light (1 - share) + over share: light (H, W, 3), share (H, W), over (H, W, 3) or (3,)."""
    change = over.astype(np.float32) - light
    change *= share[..., None]
    light += change


def _like(frame: np.ndarray, light: np.ndarray, peak: float) -> np.ndarray:
    """Light in [0, 1] brought back to the frame's type."""
    if frame.dtype.kind == "f":
        return np.clip(light, 0, 1).astype(frame.dtype)
    return _scaled(light, peak, cv2.CV_8U if peak == 255 else cv2.CV_16U)


def _scaled(picture: np.ndarray, factor: float, depth: int) -> np.ndarray:
    """picture x factor, rounded and clipped to OpenCV's type ``depth``."""
    return cv2.addWeighted(picture, factor, picture, 0, 0, dtype=depth)


@lru_cache(maxsize=1)
def _noise_tile() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NOISE_TILE, NOISE_TILE, 3), dtype=np.float32)
