"""A folder of clean clips. The degraded side is made when samples are read.

Layout: ``ROOT/NAME/`` with frames in natural order, or ``ROOT/NAME.mp4`` (any video FFmpeg reads), in any mix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from restill.datasets.clean import CleanSource
from restill.datasets.files import cache_folder, find_clips
from restill.degradations.degradation import Degradation
from restill.degradations.rain import RainSettings
from restill.errors import RestillError
from restill.progress import track
from restill.video import read_frames

MAX_FRAMES = 300


class CleanClips(CleanSource):
    """Clean clips, decoded once into a cache of raw frames.

    Args:
        root: The folder.
        clips: Names to take (folder names, or file names without suffix); None for all.
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        max_frames: The maximum number of frames of each clip, from its start.
        degradation: A degradation instead of rain.

    Raises:
        RestillError: If the folder or a named clip is missing, or there are no clips.
    """

    def __init__(
        self,
        root: str | Path,
        clips: Sequence[str] | None = None,
        rain: RainSettings | str | None = None,
        max_frames: int = MAX_FRAMES,
        *,
        degradation: Degradation | None = None,
    ) -> None:
        super().__init__(rain, degradation)
        found = find_clips(Path(root))
        missing = [name for name in clips or [] if name not in found]
        if missing:
            raise RestillError(f"{root}: no clip named {', '.join(missing)}; there are: {', '.join(found)}")
        self.names = list(clips) if clips is not None else list(found)
        self._arrays: dict[int, np.ndarray] = {}
        self._paths = [found[name] for name in self.names]
        todo = [path for path in self._paths if not _cached(path, max_frames).exists()]
        if todo:
            with track("decoding clips", len(todo), "clips") as advance:
                for path in todo:
                    _decode(path, max_frames)
                    advance()
        self._files = [_cached(path, max_frames) for path in self._paths]
        self._shapes = [np.load(file, mmap_mode="r").shape[:3] for file in self._files]

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""
        frames, height, width = self._shapes[clip]
        return frames, height, width

    def files(self, clip: int) -> list[Path]:
        """The video file, or the frames of the folder."""
        path = self._paths[clip]
        return sorted(path.iterdir()) if path.is_dir() else [path]

    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """Whole frames from the cache, (H, W, 3) uint8."""
        if clip not in self._arrays:  # opened here, not in __init__, so that each worker opens its own
            self._arrays[clip] = np.load(self._files[clip], mmap_mode="r")
        return [self._arrays[clip][t] for t in frames]


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
