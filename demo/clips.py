"""Clean clips from the photographs in scikit-image, with the motion of a hand-held camera. No download."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

PART = 0.86  # share of the photograph in view; the rest is room to pan
ZOOM = 0.06
TILT = 1.2  # degrees
# Shake of a hand: (amplitude in pixels, cycles per frame at 25 fps), from slow to fast.
SHAKE = ((2.0, 0.03), (0.7, 0.09), (0.25, 0.27))

TRAINING = ("astronaut", "coffee", "rocket", "camera", "brick", "grass", "gravel")
HELD_OUT = ("motorcycle", "cat")


def photograph(name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB, one of :data:`TRAINING` or :data:`HELD_OUT`."""
    from skimage import data

    makers = {"motorcycle": lambda: data.stereo_motorcycle()[0], "cat": data.chelsea}
    photo = makers[name]() if name in makers else getattr(data, name)()
    return photo if photo.ndim == 3 else np.dstack([photo] * 3)  # some are gray


def make_clip(photo: np.ndarray, frames: int, seed: int) -> list[np.ndarray]:
    """A clip of a photograph: a slow pan across it, a slight zoom and tilt, and the shake of a hand.

    Args:
        photo: (H, W, 3) uint8.
        frames: How many frames.
        seed: Determines direction, tilt and shake.

    Returns:
        ``frames`` arrays (h, w, 3) uint8, h and w multiples of 8, about 0.86 of the photograph's.
    """
    rng = np.random.default_rng(seed)
    full_h, full_w = photo.shape[:2]
    height, width = (int(side * PART) // 8 * 8 for side in (full_h, full_w))
    reach = np.array([full_w - width, full_h - height]) * 0.4  # the last tenth on either side is left for the shake
    start, end = reach * rng.choice([-1, 1], 2) * [1, 0.6], reach * rng.choice([-1, 1], 2) * [1, 0.6]
    end[0] = -start[0]
    phase = rng.uniform(0, 2 * math.pi, (len(SHAKE), 3))
    tilt = rng.uniform(-TILT, TILT, 2)
    clip = []
    for t in range(frames):
        part = t / max(frames - 1, 1)
        part = part * part * (3 - 2 * part)  # starts and stops softly
        shake = np.sum([a * np.sin(2 * math.pi * f * t + p) for (a, f), p in zip(SHAKE, phase, strict=True)], axis=0)
        x, y = start + (end - start) * part + shake[:2]  # shake: x, y, tilt
        angle = tilt[0] + (tilt[1] - tilt[0]) * part + 0.1 * shake[2]
        move = cv2.getRotationMatrix2D((full_w / 2 + x, full_h / 2 + y), angle, 1 + ZOOM * part)
        move[:, 2] += width / 2 - full_w / 2 - x, height / 2 - full_h / 2 - y
        clip.append(cv2.warpAffine(photo, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return clip


def write_frames(frames: list[np.ndarray], folder: Path) -> None:
    """Write ``00001.png``, ``00002.png``, ...; (H, W, 3) uint8 RGB each."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames, 1):
        cv2.imwrite(str(folder / f"{i:05d}.png"), frame[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
