"""Cache training samples on disk, because rendering takes longer than a training step.

The cache key covers everything that affects the samples, so a later run with the same data reuses them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset

from restill.datasets.files import cache_folder

Sample = dict[str, torch.Tensor]

MOST_BYTES = 10 << 30  # of the whole sample cache
ENOUGH = 0.75  # share of MOST_BYTES that may be in use when a run begins
SPARE_BYTES = 5 << 30  # to leave free on the disk
MAKERS = ("datasets", "degradations", "alignment", "video/color.py", "video/decode.py", "video/pictures.py")
LIBRARIES = ("numpy", "opencv-python-headless", "av", "torch")


class CachedSamples(Dataset[Sample]):
    """A data set that repeats its first samples.

    Args:
        samples: The data set to repeat.
        distinct: The number of different samples.
        store: The cache on disk; None to cache in this process's memory.
    """

    def __init__(self, samples: Dataset[Sample], distinct: int, store: SampleStore | None = None) -> None:
        self.samples, self.distinct, self.store = samples, distinct, store
        self._made: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        """The sample of ``index`` modulo ``distinct``."""
        index %= self.distinct
        sample = self._made.get(index)
        if sample is None:
            sample = self.store.read(index) if self.store else None
        if sample is None:
            sample = self.samples[index]
            if not (self.store and self.store.write(index, sample)):
                self._made[index] = sample
        return sample


class SampleStore:
    """A folder of cached samples, one file each. Several processes may use it at the same time.

    A file gets its name only when it is complete; an unreadable file is rendered again. All folders together hold at
    most :data:`MOST_BYTES`: a new run removes the least recently used folders and writes only what fits.

    Args:
        made_by: Everything that affects the samples except the code.
    """

    def __init__(self, made_by: Any) -> None:
        key = hashlib.sha256(repr((made_by, code_version())).encode()).hexdigest()[:24]
        self.folder = cache_folder() / "samples" / key
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.utime(self.folder)
            self._free = _make_room(self.folder)
        except OSError:  # without a writable cache, run without one
            self._full = True

    def read(self, index: int) -> Sample | None:
        """Read a sample; None if it is not cached."""
        try:
            return load_file(self._path(index))
        except (OSError, SafetensorError):
            return None

    def write(self, index: int, sample: Sample) -> bool:
        """Cache a sample; return False if there is no room."""
        if self._full:
            return False
        path = self._path(index)
        partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.partial")
        size = sum(value.nbytes for value in sample.values())
        try:
            if self._free < size or shutil.disk_usage(self.folder).free < SPARE_BYTES:
                raise OSError("no room")
            save_file({name: value.contiguous() for name, value in sample.items()}, partial)
            partial.replace(path)
        except (OSError, SafetensorError):
            self._full = True
            partial.unlink(missing_ok=True)
            return False
        self._free -= size
        return True

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:07d}.safetensors"


@cache
def code_version() -> str:
    """A hash of the code and the library versions that affect samples."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(file for maker in MAKERS for file in _sources(root / maker))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    for library in LIBRARIES:
        try:
            digest.update(f"{library} {metadata.version(library)}".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    return list(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []


def _make_room(own: Path) -> int:
    """Remove the least recently used folders; return the bytes available then."""
    sizes = {folder: _bytes(folder) for folder in own.parent.iterdir()}
    total = sum(sizes.values())
    for folder in sorted(sizes.keys() - {own}, key=_used):
        if total <= ENOUGH * MOST_BYTES:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= sizes[folder]
    return MOST_BYTES - total


def _bytes(folder: Path) -> int:
    """The size of a folder's files; another process may be removing some."""
    total = 0
    for file in folder.iterdir():
        with suppress(OSError):
            total += file.stat().st_size
    return total


def _used(folder: Path) -> float:
    return folder.stat().st_mtime if folder.exists() else 0.0
