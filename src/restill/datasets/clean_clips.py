"""A folder of clips with clean frames only; the rainy side is rendered on the fly.

Layout: ``ROOT/NAME/`` with frames in natural order, or ``ROOT/NAME.mp4`` (any video FFmpeg reads), mixed as you like.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from restill.datasets.clips import Box, resample
from restill.degradations.rain import Rain, RainSettings
from restill.errors import RestillError
from restill.progress import track
from restill.video import read_frames

MAX_FRAMES = 300
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv"}


def cache_folder() -> Path:
    """Where decoded clips are kept: ``$RESTILL_CACHE`` or ``~/.cache/restill``."""
    return Path(os.environ.get("RESTILL_CACHE", Path.home() / ".cache" / "restill"))


class CleanClips:
    """Clean clips, decoded once into a cache of raw frames, with rain rendered per sample.

    Args:
        root: The folder.
        clips: Names to take (folder names, or file names without suffix); None for all.
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        max_frames: At most so many frames of each clip, from its start.

    Raises:
        RestillError: The folder or a named clip is missing, or there is no clip at all.
    """

    def __init__(
        self,
        root: str | Path,
        clips: Sequence[str] | None = None,
        rain: RainSettings | str | None = None,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        found = find_clips(Path(root))
        missing = [name for name in clips or [] if name not in found]
        if missing:
            raise RestillError(f"{root}: no clip named {', '.join(missing)}; there are: {', '.join(found)}")
        self.names = list(clips) if clips is not None else list(found)
        self.rain = rain
        self._arrays: dict[int, np.ndarray] = {}
        todo = [found[name] for name in self.names if not _cached(found[name], max_frames).exists()]
        if todo:
            with track("decoding clips", len(todo), "clips") as advance:
                for path in todo:
                    _decode(path, max_frames)
                    advance()
        self._files = [_cached(found[name], max_frames) for name in self.names]
        self._shapes = [np.load(file, mmap_mode="r").shape[:3] for file in self._files]

    @classmethod
    def training_source(
        cls, root: Path, clips: Sequence[str] | None = None, rain: dict[str, Any] | str | None = None
    ) -> Self:
        """From a recipe's fields: ``rain`` is a preset's name, "none", a dict of settings, or None to draw them."""
        if rain == "none":
            return cls(root, clips, "none")
        if isinstance(rain, str):
            return cls(root, clips, RainSettings.preset(rain))
        return cls(root, clips, None if rain is None else RainSettings.make(**rain))

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""
        frames, height, width = self._shapes[clip]
        return frames, height, width

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A region of some frames, rainy and clean; see :class:`restill.datasets.clips.ClipSource`."""
        if clip not in self._arrays:  # opened here, not in __init__, so that each worker opens its own
            self._arrays[clip] = np.load(self._files[clip], mmap_mode="r")
        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        clean = [resample(self._arrays[clip][t][window], size) for t in frames]
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
        return [rain.render(frame, t) for t, frame in enumerate(clean)], clean


def find_clips(root: Path) -> dict[str, Path]:
    """Clips of a folder by name, sorted.

    Raises:
        RestillError: The folder does not exist or holds no clip.
    """
    if not root.is_dir():
        raise RestillError(f"{root}: no such folder; it should hold clips, as NAME/00001.png ... or NAME.mp4")
    entries = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    found = {p.stem if p.is_file() else p.name: p for p in entries if p.is_dir() or p.suffix.lower() in VIDEO_SUFFIXES}
    if not found:
        raise RestillError(f"{root}: holds no clips; it should hold NAME/00001.png ... or NAME.mp4")
    return found


def _cached(path: Path, max_frames: int) -> Path:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stamp = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(repr((str(path.resolve()), stamp, max_frames)).encode()).hexdigest()[:16]
    return cache_folder() / "clips" / f"{path.stem}-{key}.npy"


def _decode(path: Path, max_frames: int) -> None:
    frames: list[np.ndarray] = []
    for frame in read_frames(path):
        frames.append(frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8))
        if len(frames) == max_frames:
            break
    target = _cached(path, max_frames)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.save(stream, np.stack(frames))
    partial.replace(target)
