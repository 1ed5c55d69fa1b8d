"""Splashes: small crowns of water that rise briefly where drops hit the ground."""

from __future__ import annotations

import numpy as np

from restill.degradations.drops import uniform
from restill.degradations.rain_settings import RainSettings
from restill.degradations.splat import splat

LIFE = 0.09  # duration of a splash, s
CAMERA_HEIGHT = 1.6  # m above the ground
JETS = 7
MOST_SPLASHES = 1500


def splashes(
    settings: RainSettings,
    frame_size: tuple[int, int],
    focal: float,
    seed: int,
    time: float,
    area: tuple[int, int, int, int],
) -> np.ndarray:
    """The opacity of all splashes at a time, on level ground below the horizon.

    Args:
        settings: The rain; its ``pitch`` moves the horizon.
        frame_size: (height, width) of the whole frame, pixels.
        focal: Focal length, pixels.
        seed: The seed of the rain.
        time: s.
        area: (top, left, height, width) to draw.

    Returns:
        (height, width) float32.
    """
    height, width = frame_size
    horizon = height / 2 + focal * np.tan(np.deg2rad(settings.pitch))
    top = max(horizon + 0.08 * height, 0.0)
    if top >= height:
        return np.zeros(area[2:], np.float32)
    count = int(min(settings.splash * settings.rate * 8, MOST_SPLASHES))
    splash = np.arange(count)
    turn = time / LIFE + uniform(seed, 11, splash)
    number = np.floor(turn)
    age = turn - number  # 0 at the hit, 1 at the end
    x = uniform(seed, 12, splash, number) * width * 1.1 - 0.05 * width
    # uniform on the ground, so farther splashes are denser in the picture
    nearness = 1 / (
        1 / (height - horizon) + uniform(seed, 13, splash, number) * (1 / (top - horizon) - 1 / (height - horizon))
    )
    y = horizon + nearness
    size = np.minimum(nearness / CAMERA_HEIGHT, focal) * (0.012 + 0.012 * uniform(seed, 14, splash, number))  # pixels
    angle = 2 * np.pi * (np.arange(JETS) + uniform(seed, 15, splash, number)[:, None]) / JETS  # (count, JETS)
    out = (0.4 + age)[:, None] * size[:, None]
    px = x[:, None] + out * np.cos(angle)
    py = y[:, None] + 0.35 * out * np.sin(angle) - (3.2 * age * (1 - age) * size)[:, None]
    weight = (settings.opacity or 0.3) * (1 - age) * np.clip(size, 0.2, 3.0) * 0.4
    weight = np.broadcast_to(weight[:, None], px.shape)
    return splat((px - area[1] - 0.5).ravel(), (py - area[0] - 0.5).ravel(), weight.ravel(), area[2:])
