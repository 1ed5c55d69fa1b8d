"""A fingerprint of an input, to notice that it changed since a job began."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from restill.video.picture_names import list_pictures

_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16  # positions that are read in a file, and bytes at each


def input_fingerprint(path: Path) -> str:
    """Hash the size, the modification time and samples of a file; of a folder, the size and time of each picture."""
    digest = hashlib.sha256()
    if path.is_dir():
        for entry in list_pictures(path):
            state = "missing"  # a broken link
            with suppress(OSError):
                status = entry.stat()
                state = f"{status.st_size}\0{status.st_mtime_ns}"
            digest.update(f"{entry.relative_to(path)}\0{state}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    status = path.stat()
    digest.update(f"{status.st_size}\0{status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(max(0, status.st_size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
