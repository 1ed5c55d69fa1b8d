"""The clip to restore: synthetic footage of a moving camera in rain, and files as cameras and encoders make them.

The background pans and zooms by fractions of a pixel and a few objects move in other ways, so that no block of the
picture moves by a whole number of pixels. Noise of a sensor and streaks differ in each frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

FPS = 25
STREAKS = 0.0004  # share of the pixels in which a streak starts
NOISE = 2.0  # standard deviation of the sensor's noise, levels of 255
PAN, ZOOM = (1.37, 0.42), 1.0004  # of the camera, pixels and factor a frame
BACK = 120  # frames after which the camera turns back, so that the background can stay small
OBJECTS = 6
# Encoders by the name of a source: a camera encodes without B-frames and with one reference, x264 with both by default.
SOURCES = {
    "camera": {"preset": "veryfast", "crf": "23", "bf": "0", "refs": "1", "g": str(2 * FPS)},
    "x264": {"preset": "medium", "crf": "23"},
}


def rainy_clip(height: int, width: int, frames: int) -> Iterator[np.ndarray]:
    """Frames with a realistic load for the alignment, the network and the encoder.

    To measure quality, use ``restill rain`` instead.

    Yields:
        (H, W, 3) uint8 RGB; the same for the same numbers.
    """
    rng = np.random.default_rng(0)
    margin = 32 + round(PAN[0] * BACK)
    scene = _texture(rng, height + 2 * margin, width + 2 * margin)
    things = [_Thing(rng, height, width) for _ in range(OBJECTS)]
    noise = (128 + NOISE * rng.standard_normal((height + 64, width + 64, 3), np.float32)).astype(np.uint8)
    streak = cv2.GaussianBlur(np.eye(15, dtype=np.float32), (0, 0), 0.7)  # (15, 15), a slanted line
    for t in range(frames):
        phase = BACK - abs(t % (2 * BACK) - BACK)  # 0, 1, ..., BACK, ..., 1, 0, 1, ...
        frame = _view(scene, height, width, phase, margin)
        for thing in things:
            thing.draw(frame, t)
        y, x = rng.integers(0, 64, 2)
        frame = cv2.addWeighted(frame, 1, noise[y : y + height, x : x + width], 1, -128)
        drops = np.zeros((height, width), np.float32)
        drops.flat[rng.integers(0, height * width, max(1, round(STREAKS * height * width)))] = 1
        rain = (160 * cv2.filter2D(drops, -1, streak)).astype(np.uint8)  # (H, W), light that is added
        yield cv2.add(frame, cv2.merge([rain] * 3))


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth and fine structures of all sizes, and sharp edges; (height, width, 3) uint8."""
    whole = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((64, 1.0), (16, 0.5), (4, 0.25)):
        rows, columns = height // cell + 2, width // cell + 2
        grid = rng.random((rows, columns, 1), np.float32) + 0.3 * rng.random((rows, columns, 3), np.float32)
        whole += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    scene = cv2.normalize(whole, np.empty_like(whole), 20, 220, cv2.NORM_MINMAX).astype(np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, (height, width))
        h, w = rng.integers(8, 8 + height // 6, 2)
        block = scene[y : y + h, x : x + w]
        block[:] = cv2.addWeighted(block, 0.4, np.full_like(block, rng.integers(0, 255, 3)), 0.6, 0)
    return scene


def _view(scene: np.ndarray, height: int, width: int, phase: int, margin: int) -> np.ndarray:
    """What the camera sees of the scene after so many frames of panning and zooming."""
    factor = ZOOM**-phase
    center = margin + np.array([width, height]) / 2 - (margin - 32) / 2 + np.array(PAN) * phase
    corner = center - factor * np.array([width, height]) / 2
    matrix = np.array([[factor, 0, corner[0]], [0, factor, corner[1]]])
    return cv2.warpAffine(scene, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


class _Thing:
    """A textured disc that crosses the picture at its own speed, in fractions of a pixel a frame."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.radius = int(rng.integers(max(4, height // 20), max(5, height // 8)))
        side = 2 * self.radius + 1
        self.picture = cv2.resize(rng.integers(0, 255, (6, 6, 3)).astype(np.uint8), (side, side))
        self.mask = cv2.circle(np.zeros((side, side), np.uint8), (self.radius, self.radius), self.radius - 1, 255, -1)
        self.start = rng.random(2) * (width, height)
        self.speed = rng.uniform(-4, 4, 2) * height / 720

    def draw(self, frame: np.ndarray, t: int) -> None:
        """Draw it on frame t."""
        height, width = frame.shape[:2]
        place = (self.start + self.speed * t) % (width, height) - self.radius
        corner = np.floor(place).astype(int)
        matrix = np.array([[1, 0, place[0] - corner[0]], [0, 1, place[1] - corner[1]]])
        size = (self.mask.shape[1] + 1, self.mask.shape[0] + 1)
        picture, mask = (cv2.warpAffine(part, matrix, size) for part in (self.picture, self.mask))
        top, left = np.maximum(corner[::-1], 0)
        bottom, right = np.minimum(corner[::-1] + mask.shape, (height, width))
        inside = (slice(top - corner[1], bottom - corner[1]), slice(left - corner[0], right - corner[0]))
        covered = (mask[inside] > 127)[..., None]
        frame[top:bottom, left:right] = np.where(covered, picture[inside], frame[top:bottom, left:right])


def write_clip(path: Path, frames: Iterable[np.ndarray], source: str = "camera") -> None:
    """Write frames (H, W, 3) uint8 as H.264; 4:2:0, or 4:4:4 where a side is odd.

    Args:
        path: The file.
        frames: At least one.
        source: One of :data:`SOURCES`.
    """
    frames = iter(frames)
    first = next(frames)
    height, width = first.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=SOURCES[source])
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        for frame in chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
