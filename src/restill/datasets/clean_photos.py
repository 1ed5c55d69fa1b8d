"""A folder of clean photographs, each a clip of one frame. The degraded side is made when samples are read.

Layout: pictures of any size anywhere below ``ROOT``. A picture's name is its relative path, ``portraits/0001.jpg``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from restill.datasets.clean import CleanSource
from restill.datasets.files import cache_folder, natural
from restill.degradations.degradation import Degradation
from restill.degradations.rain import RainSettings
from restill.errors import RestillError
from restill.progress import say_once, some, track
from restill.video.pictures import SUFFIXES, is_picture, read_picture, to_8_bits


class CleanPhotos(CleanSource):
    """Clean photographs. Each sample decodes its own photograph; the cache folder keeps only sizes.

    Args:
        root: The folder.
        clips: Names to take; None for all.
        rain: Fixed settings, None to draw new ones for every sample, or "none" for no rain: degraded is clean.
        degradation: A degradation instead of rain.

    Raises:
        RestillError: If the folder or a named picture is missing, there are no pictures, or one cannot be read.
    """

    def __init__(
        self,
        root: str | Path,
        clips: Sequence[str] | None = None,
        rain: RainSettings | str | None = None,
        *,
        degradation: Degradation | None = None,
    ) -> None:
        super().__init__(rain, degradation)
        self.root = Path(root)
        found = find_photos(self.root)
        missing = sorted(set(clips or ()) - set(found))
        if missing:
            raise RestillError(f"{root}: no picture named {', '.join(missing[:20])}; the first there is {found[0]}")
        self.names = list(clips) if clips is not None else found
        self._sizes = _measured(self.root, self.names)

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(1, height, width) of a picture."""
        height, width = self._sizes[clip]
        return 1, height, width

    def files(self, clip: int) -> list[Path]:
        """The picture's file."""
        return [self.root / self.names[clip]]

    def clean(self, clip: int, frames: Sequence[int]) -> list[np.ndarray]:
        """The picture, (H, W, 3) uint8, once for each requested frame."""
        return [_read(self.root / self.names[clip])] * len(frames)


def find_photos(root: Path) -> list[str]:
    """Find the pictures below a folder: relative paths in natural order, photo2 before photo10.

    Raises:
        RestillError: If the folder does not exist or holds no picture.
    """
    if not root.is_dir():
        raise RestillError(f"{root}: no such folder; it should hold pictures, in folders or not")
    files = [path for path in root.rglob("*") if not path.is_dir()]
    shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    found = [path.relative_to(root).as_posix() for path in shown if is_picture(path)]
    if not found:
        raise RestillError(f"{root}: holds no pictures; it should hold {', '.join(SUFFIXES)} files, in folders or not")
    others = sorted(path.relative_to(root).as_posix() for path in shown if not is_picture(path))
    if others:
        say_once(f"{root}: not used, since they are not {', '.join(SUFFIXES)} files: {some(others)}")
    return sorted(found, key=natural)


def _read(path: Path) -> np.ndarray:
    return to_8_bits(read_picture(path))


def _measured(root: Path, names: list[str]) -> list[tuple[int, int]]:
    """(height, width) of each decoded picture; sizes are cached."""
    key = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    file = cache_folder() / "photos" / f"{key}.json"
    known: dict[str, list[int]] = json.loads(file.read_text()) if file.is_file() else {}
    states = {name: [status.st_size, status.st_mtime_ns] for name in names for status in [(root / name).stat()]}
    todo = [name for name in names if known.get(name, [])[:2] != states[name]]
    if todo:
        with track("measuring pictures", len(todo), "pictures") as advance:
            for name in todo:
                known[name] = [*states[name], *_read(root / name).shape[:2]]
                advance()
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(known))
        partial.replace(file)
    return [(known[name][2], known[name][3]) for name in names]
