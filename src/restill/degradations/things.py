"""Hard negatives: thin bright things that belong to the scene and move with it. A student must leave them alone.

Poles, wires, ribs of umbrellas, fences, twigs, lettering, glints, and strokes that look like streaks of rain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

SHIFT = 4  # OpenCV draws at 1/16 of a pixel
LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabdefghiklmnoprstu0123456789:-/."
FACES = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
AROUND = 40  # pixels of canvas around a frame, from where things move in
DARK = 0.2  # share of the things that are dark


@dataclass
class Things:
    """Things drawn on a transparent canvas.

    Attributes:
        part: How much they hide, (H, W) uint8; 255 is opaque.
        color: Their color, (H, W, 3) uint8, where they hide something.
        kind: What they are.
    """

    part: np.ndarray
    color: np.ndarray
    kind: str

    @classmethod
    def draw(cls, rng: np.random.Generator, size: tuple[int, int], kind: str | None = None) -> Self:
        """Draw things of one kind.

        Args:
            rng: The source of what is drawn.
            size: (height, width) of the canvas, pixels.
            kind: One of :data:`KINDS`; None draws one.
        """
        kind = kind or str(rng.choice(list(KINDS)))
        part = np.zeros(size, np.uint8)
        KINDS[kind](part, rng)
        blur = rng.uniform(0, 0.9)
        if blur > 0.3:
            part = cv2.GaussianBlur(part, (0, 0), blur)
        part = cv2.convertScaleAbs(part, alpha=1.0 if rng.random() < 0.5 else rng.uniform(0.4, 1))
        light = rng.uniform(5, 60) if rng.random() < DARK else rng.uniform(150, 255)
        light = np.clip(light + rng.normal(0, 12, 3), 0, 255)
        shade = rng.uniform(-0.25, 0.25, 2)  # the light changes along a thing
        height, width = size
        across = 1 + shade[0] * np.linspace(-1, 1, height)[:, None] + shade[1] * np.linspace(-1, 1, width)
        color = np.clip(across[..., None] * light, 0, 255).astype(np.uint8)
        return cls(part, color, kind)

    def over(self, frame: np.ndarray, move: np.ndarray | None = None) -> np.ndarray:
        """The frame with the things on it.

        Args:
            frame: (H, W, 3) uint8.
            move: (2, 3), the affine map from the canvas's pixels to the frame's; None leaves them in place.
        """
        part, color = self.part, self.color
        if move is not None:
            part = cv2.warpAffine(part, move, frame.shape[1::-1], flags=cv2.INTER_LINEAR)
            color = cv2.warpAffine(color, move, frame.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=_REFLECT)
        mixed = frame.astype(np.float32)
        mixed += (color - mixed) * (part.astype(np.float32) * np.float32(1 / 255))[..., None]
        return np.rint(mixed).astype(np.uint8)


_REFLECT = cv2.BORDER_REFLECT_101


def steps(frames: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """The global motion of a clip: affine maps (2, 3) from the middle frame's pixels to each frame's.

    Corners are tracked from frame to frame (Lucas and Kanade), and RANSAC fits turn, zoom and shift to them.

    Args:
        frames: (H, W, 3) uint8 each.

    Returns:
        One map for each frame; None if the motion cannot be followed.
    """
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    middle = len(frames) // 2
    maps = {middle: np.eye(3)}
    for direction in (1, -1):
        t = middle
        while 0 <= t + direction < len(frames):
            step = _step(gray[t], gray[t + direction])
            if step is None:
                return None
            maps[t + direction] = np.vstack([step, [0, 0, 1]]) @ maps[t]
            t += direction
    return [maps[t][:2] for t in range(len(frames))]


def _step(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The motion between two gray pictures, (2, 3); None if too few corners agree."""
    corners = cv2.goodFeaturesToTrack(before, 80, 0.01, 6)
    if corners is None or len(corners) < 12:
        return None
    empty = np.empty_like(corners)
    found, kept, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, empty, winSize=(15, 15), maxLevel=3)
    good = kept.ravel() == 1
    if good.sum() < 12:
        return None
    cv2.setRNGSeed(0)
    near = max(1.0, min(before.shape) / 200)  # pixels; a larger picture shows more parallax
    step, inside = cv2.estimateAffinePartial2D(corners[good], found[good], ransacReprojThreshold=near)
    return step if step is not None and inside.sum() >= max(10, 0.35 * good.sum()) else None


def follow(frames: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw things on a clip. They move with the scene, on their own at a steady speed, or stay in the picture.

    Args:
        frames: (H, W, 3) uint8 each, of one size.
        rng: The source of what is drawn.

    Returns:
        New frames; the same frames if the things should move with the scene and its motion cannot be followed.
    """
    size = (frames[0].shape[0], frames[0].shape[1])
    own = rng.random()
    if own < 0.15:  # in the picture, as a logo
        things = Things.draw(rng, size)
        return [things.over(frame) for frame in frames]
    scene = steps(frames)
    if scene is None:
        return list(frames)
    speed = rng.normal(0, 2.0, 2) if own < 0.35 else np.zeros(2)
    things = Things.draw(rng, (size[0] + 2 * AROUND, size[1] + 2 * AROUND))
    drawn = []
    for t, (frame, step) in enumerate(zip(frames, scene, strict=True)):
        shift = speed * (t - len(frames) // 2) - step[:, :2] @ [AROUND, AROUND]
        drawn.append(things.over(frame, step + np.c_[np.zeros((2, 2)), shift]))
    return drawn


def _line(part: np.ndarray, points: np.ndarray, width: int, light: int = 255) -> None:
    """A smooth line through points (N, 2) of (x, y)."""
    fixed = np.rint(np.asarray(points) * (1 << SHIFT)).astype(np.int32)[None]
    cv2.polylines(part, list(fixed), False, (light,), width, cv2.LINE_AA, SHIFT)


def _direction(rng: np.random.Generator) -> np.ndarray:
    """A unit vector (x, y), mostly near the vertical, where streaks are."""
    angle = rng.normal(0, 0.35) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _somewhere(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(2) * part.shape[::-1]


def _poles(part: np.ndarray, rng: np.random.Generator) -> None:
    reach, along = max(part.shape), _direction(rng)
    for _ in range(rng.integers(1, 5)):
        start, length = _somewhere(part, rng), rng.uniform(0.2, 1.5) * reach
        _line(part, np.stack([start - along * length / 2, start + along * length / 2]), int(rng.integers(1, 5)))


def _wires(part: np.ndarray, rng: np.random.Generator) -> None:
    width, place = part.shape[1], np.linspace(-0.1, 1.1, 16)
    slope, sag = rng.normal(0, 0.5), rng.uniform(0, 0.3)
    for _ in range(rng.integers(1, 6)):
        y = rng.random() * part.shape[0] + width * (slope * place - sag * place * (1 - place))
        _line(part, np.stack([place * width, y], 1), int(rng.integers(1, 3)))


def _ribs(part: np.ndarray, rng: np.random.Generator) -> None:
    top, first, spread = _somewhere(part, rng), rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 2.6)
    length, bend, width = rng.uniform(20, 90), rng.uniform(-0.6, 0.6), int(rng.integers(1, 3))
    for turn in np.linspace(-spread, spread, rng.integers(4, 10)):
        angles = first + turn + bend * np.linspace(0, 1, 6) * np.sign(turn)
        steps = length / 5 * np.stack([np.cos(angles), np.sin(angles)], 1)
        _line(part, top + np.cumsum(steps, 0) - steps[0], width)
    if rng.random() < 0.6:  # the pole
        _line(part, np.stack([top, top + np.array([rng.normal(0, 8), length * 1.5])]), width + 1)


def _fence(part: np.ndarray, rng: np.random.Generator) -> None:
    reach, gap, width = max(part.shape), rng.uniform(5, 24), int(rng.integers(1, 4))
    corner, extent = _somewhere(part, rng) * 0.6, rng.uniform(0.3, 1) * reach
    slant = rng.normal(0, 0.08)
    for x in np.arange(0, extent, gap):
        _line(part, corner + np.array([[x, 0], [x + slant * extent, extent * 0.6]]), width)
    for y in np.arange(0, extent * 0.6, gap if rng.random() < 0.5 else extent * 0.25):
        _line(part, corner + np.array([[0, y], [extent, y]]), width)


def _twigs(part: np.ndarray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(2, 9)):
        _twig(part, rng, _somewhere(part, rng), rng.uniform(0, 2 * np.pi), rng.uniform(20, 70), 3)


def _twig(
    part: np.ndarray, rng: np.random.Generator, start: np.ndarray, angle: float, length: float, width: int
) -> None:
    angles = angle + np.cumsum(rng.normal(0, 0.25, 6))
    points = start + np.cumsum(length / 6 * np.stack([np.cos(angles), np.sin(angles)], 1), 0)
    _line(part, np.vstack([start, points]), width)
    if width > 1:
        for at in (2, 4):
            _twig(part, rng, points[at], angles[at] + rng.choice([-0.7, 0.7]), length * 0.6, width - 1)


def _lettering(part: np.ndarray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 4)):
        words = "".join(rng.choice(list(LETTERS), rng.integers(3, 16)))
        face = FACES[rng.integers(len(FACES))]
        scale = cv2.getFontScaleFromHeight(face, int(rng.integers(7, 26)), 1)
        x, y = (_somewhere(part, rng) * [0.7, 1]).astype(int)
        style = cv2.LINE_AA if rng.random() < 0.6 else cv2.LINE_8
        cv2.putText(part, words, (int(x), int(y)), face, scale, (255,), int(rng.integers(1, 3)), style)


def _strokes(part: np.ndarray, rng: np.random.Generator) -> None:
    """Scratches, blades of grass, reflections: they look like streaks."""
    along, length = _direction(rng), rng.uniform(5, 40)
    for _ in range(rng.integers(5, 60)):
        start, own = _somewhere(part, rng), along + rng.normal(0, 0.06, 2)
        end = start + own * length * rng.uniform(0.5, 1.5)
        _line(part, np.stack([start, end]), 1 + int(rng.random() < 0.25), int(rng.integers(90, 256)))


def _glints(part: np.ndarray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(5, 60)):
        x, y = np.rint(_somewhere(part, rng) * (1 << SHIFT)).astype(int)
        radius, flat = rng.uniform(0.6, 3), rng.uniform(0.3, 1)
        axes = (int(radius * (1 << SHIFT)), int(radius * flat * (1 << SHIFT)))
        light = int(rng.integers(120, 256))
        cv2.ellipse(part, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, (light,), -1, cv2.LINE_AA, SHIFT)


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], None]] = {
    "poles": _poles,
    "wires": _wires,
    "ribs": _ribs,
    "fence": _fence,
    "twigs": _twigs,
    "lettering": _lettering,
    "strokes": _strokes,
    "glints": _glints,
}
