"""Write files so that a crash or a power cut leaves nothing half-written."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

_LONGEST_NAME = 255  # bytes, on common file systems


def beside(output: Path, ending: str) -> Path:
    """The path next to an output with ``ending`` added to its name; a name that would be too long becomes a digest."""
    output = Path(os.path.abspath(output))  # noqa: PTH100 - does not resolve links
    name = output.name + ending
    if len(os.fsencode(name)) >= _LONGEST_NAME:  # callers may put a dot in front
        name = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16] + ending
    return output.with_name(name)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file. After a power cut, the file has either the old or the new content."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the list of names in a folder, to the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
