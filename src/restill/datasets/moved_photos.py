"""Photographs moved as a camera would: it pans, zooms and shakes, and near parts move faster than far ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.clean import CleanSource
from restill.datasets.clean_photos import CleanPhotos
from restill.datasets.clips import Box
from restill.datasets.files import cache_folder
from restill.datasets.leaks import Pictures
from restill.degradations.things import Things
from restill.progress import track

LENGTH = 1000  # frames: a photograph gives a clip of any length
STILL = 0.2  # share of the clips whose camera stands on a tripod
LAYERED = 0.5  # share of the moving clips with parallax
FASTEST = 16.0  # pixels a frame
EDGE = 24  # pixels around a region, from the photograph; beyond them it is mirrored


class MovedPhotos(CleanSource):
    """Photographs as clips, decoded once into the cache. Each sample has a camera path of its own.

    Args:
        root: The folder; see :class:`CleanPhotos`.
        names: Photographs to take, as paths below the folder; None for all.

    Raises:
        RestillError: If the folder or a named photograph is missing, or one cannot be read.
    """

    def __init__(self, root: str | Path, names: Sequence[str] | None = None) -> None:
        super().__init__("none")
        self._photos = CleanPhotos(root, names, "none")
        self.names = self._photos.names
        self._arrays: dict[int, np.ndarray] = {}
        self._files = [_cached(self.files(clip)[0]) for clip in range(len(self.names))]
        todo = [clip for clip, file in enumerate(self._files) if not file.exists()]
        if todo:
            with track("decoding photographs", len(todo), "photographs") as advance:
                for clip in todo:
                    _store(self._photos.clean(clip, [0])[0], self._files[clip])
                    advance()

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width): as many frames as anyone needs, of the photograph's size."""
        _, height, width = self._photos.shape(clip)
        return LENGTH, height, width

    def files(self, clip: int) -> list[Path]:
        """The photograph's file."""
        return self._photos.files(clip)

    def pictures(self, clip: int) -> Pictures:
        """The photograph, for :mod:`restill.datasets.leaks`."""
        return self._photos.pictures(clip)

    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """The photograph, (H, W, 3) uint8, once for each requested frame."""
        if clip not in self._arrays:
            self._arrays[clip] = np.load(self._files[clip], mmap_mode="r")
        return [self._arrays[clip]] * len(frames)

    def region(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """The region as the moving camera sees it, one picture for each frame, (height, width, 3) uint8."""
        photo = self.clean(clip, [0])[0]
        ratio = (size[0] / box.height, size[1] / box.width)
        edge = (min(EDGE, photo.shape[0] // 4), min(EDGE, photo.shape[1] // 4))
        top, left = max(box.top - edge[0], 0), max(box.left - edge[1], 0)
        cut = photo[top : box.top + box.height + edge[0], left : box.left + box.width + edge[1]]
        whole = (round(cut.shape[0] * ratio[0]), round(cut.shape[1] * ratio[1]))
        shrink = whole[0] < cut.shape[0]
        cut = cv2.resize(cut, whole[::-1], interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
        if self.things and rng.random() < self.things:
            cut = Things.draw(rng, whole).over(cut)
        offset = ((box.left - left) * ratio[1], (box.top - top) * ratio[0])
        return moved(cut, len(frames), size, offset, rng)


def moved(
    picture: np.ndarray, count: int, size: tuple[int, int], offset: tuple[float, float], rng: np.random.Generator
) -> list[np.ndarray]:
    """Views of a picture along a random smooth camera path.

    Args:
        picture: (H, W, 3) uint8. It is mirrored beyond its edges.
        count: The number of views.
        size: (height, width) of a view.
        offset: (x, y) of the views' corner in the picture, in the middle of the path.
        rng: The source of the path.

    Returns:
        ``count`` arrays (height, width, 3) uint8.
    """
    if rng.random() < STILL:
        path = np.broadcast_to(np.eye(2, 3), (count, 2, 3))
        return [_view(picture, path[t], offset, size) for t in range(count)]
    path = camera_path(count, size, rng)
    far = [_view(picture, step, offset, size) for step in path]
    if rng.random() >= LAYERED:
        return far
    mask = _near(picture, rng)
    nearer = path.copy()
    nearer[:, :, 2] *= rng.uniform(1.15, 1.8)
    near = (_view(picture, step, offset, size) for step in nearer)
    masks = (_view(mask, step, offset, size) for step in nearer)
    return [_over(back, front, part) for back, front, part in zip(far, near, masks, strict=True)]


def camera_path(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A hand-held camera's motion: (count, 2, 3) affine maps from a view's pixels to those of the middle view.

    It pans at a speed that changes slowly, zooms and turns a little, and shakes.
    """
    time = np.arange(count) - (count - 1) / 2
    speed = min(float(np.exp(rng.uniform(np.log(0.1), np.log(FASTEST)))), FASTEST)
    angle = rng.uniform(0, 2 * np.pi)
    change = rng.normal(0, 0.06, 2) * speed  # pixels a frame, each frame
    pan = np.outer(time, [np.cos(angle) * speed, 0.6 * np.sin(angle) * speed]) + np.outer(time**2 / 2, change)
    shake = rng.uniform(0, 1.2) * (rng.random() < 0.6)
    pan += np.cumsum(rng.normal(0, shake, (count, 2)), 0) * 0.7
    zoom = np.exp(time * rng.normal(0, 0.006) * (rng.random() < 0.5))
    turn = time * rng.normal(0, 0.002) + rng.normal(0, 0.001 * shake, count)
    center = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    path = np.zeros((count, 2, 3))
    path[:, 0, 0], path[:, 0, 1], path[:, 1, 0], path[:, 1, 1] = cos, -sin, sin, cos
    path[:, :, 2] = center - path[:, :, :2] @ center + pan
    return path


def _near(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The near part of a picture, (H, W) uint8: smooth blobs, denser toward the bottom, or the dark parts."""
    height, width = picture.shape[:2]
    small = (max(2, height // 48), max(2, width // 48))
    field = cv2.resize(rng.normal(0, 1, small).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    field += np.linspace(-0.8, 0.8, height, dtype=np.float32)[:, None]
    if rng.random() < 0.4:
        gray = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2.0).astype(np.float32)
        field = (gray.mean() - gray) / 24 + 0.5 * field
    return np.clip(field * 8 * 255 + 128, 0, 255).astype(np.uint8)


def _view(picture: np.ndarray, step: np.ndarray, offset: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """One view, (height, width[, 3]); ``step`` is an affine map of :func:`camera_path`."""
    move = step.astype(np.float64).copy()
    move[:, 2] += offset
    flags = cv2.INTER_LINEAR if picture.ndim == 2 else cv2.INTER_CUBIC
    flags |= cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, move, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _over(back: np.ndarray, front: np.ndarray, part: np.ndarray) -> np.ndarray:
    """``front`` over ``back`` where ``part`` (H, W) uint8 is 255."""
    share = part.astype(np.float32)[..., None] * np.float32(1 / 255)
    return np.rint(back + (front.astype(np.float32) - back) * share).astype(np.uint8)


def _cached(path: Path) -> Path:
    status = path.stat()
    key = hashlib.sha256(repr((str(path.resolve()), status.st_size, status.st_mtime_ns)).encode()).hexdigest()[:16]
    return cache_folder() / "photos" / f"{path.stem}-{key}.npy"


def _store(photo: np.ndarray, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.save(stream, photo)
    partial.replace(target)
