"""Recognize and sort picture files, and name their results."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from restill.errors import RestillError
from restill.video.pipe_names import is_pipe

WRITTEN = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp")
LOSSY = (".heic", ".heif", ".hif", ".avif")  # the results of these are JPEG
SUFFIXES = (*WRITTEN, ".apng", *LOSSY)
RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
AVIF_BRANDS = {b"avif", b"avis"}
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
_LONGEST_NAME = 255  # bytes, in common file systems


def is_picture(path: Path) -> bool:
    """Whether a file name has the extension of a picture."""
    return path.suffix.lower() in SUFFIXES


def written_suffix(path: Path) -> str:
    """The extension of a picture's result: its own if Restill writes it, ``.jpg`` for HEIC and AVIF, else ``.png``."""
    suffix = path.suffix.lower()
    if suffix in WRITTEN:
        return path.suffix
    return ".jpg" if suffix in LOSSY else ".png"


def brands(head: bytes) -> list[bytes]:
    """The brands of an ISO file (MP4, HEIC, AVIF), the major one first, from its first bytes; empty for other files."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


def holds_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name or else by its first bytes."""
    if is_picture(path):
        return True
    if is_pipe(path):  # reading it would consume its data
        return False
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return webp or head.startswith(_MAGIC) or bool({*brands(head)[:1]} & (HEIF_BRANDS | AVIF_BRANDS))


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that puts frame2 before frame10."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [(0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts)], path.name


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures of a folder in natural order. If it has none, list those of its only subfolder that has some.

    Raises:
        RestillError: There are none, several subfolders have some, or the folder cannot be read.
    """
    found = _pictures(folder)
    if not found:
        inside = [entry for entry in entries(folder) if entry.is_dir() and _pictures(entry)]
        if len(inside) > 1:
            names = ", ".join(f"'{entry.name}'" for entry in inside)
            raise RestillError(f"'{folder}' holds several folders of pictures; give one of them: {names}")
        if not inside:
            raise _no_pictures(folder)
        found = _pictures(inside[0])
    return sorted(found, key=natural_key)


def _no_pictures(folder: Path) -> RestillError:
    files = [entry.name for entry in entries(folder) if entry.is_file() and not is_litter(entry)]
    there = f", only {listed(files)}: videos are given one by one" if files else ""
    return RestillError(f"'{folder}' holds no pictures{there}; a folder of frames has {', '.join(SUFFIXES)} files")


def entries(folder: Path) -> list[Path]:
    """List the entries of a folder in natural order.

    Raises:
        RestillError: The folder cannot be read.
    """
    try:
        return sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise RestillError(f"the folder '{folder}' cannot be read: {error.strerror}") from error


def is_litter(path: Path) -> bool:
    """Whether a file is one that systems and copying tools leave in folders, by its name."""
    return path.name.startswith("._") or path.name.lower() in (".ds_store", "thumbs.db", "desktop.ini", ".directory")


def _pictures(folder: Path) -> list[Path]:
    # copying tools and file managers leave files that begin with a dot
    return [entry for entry in entries(folder) if is_picture(entry) and not entry.name.startswith(".")]


def result_names(files: Sequence[Path], suffixes: Sequence[str]) -> list[str]:
    """Name the results of the files of a folder: stem and suffix, such as ``f3.png`` for ``f3.jpg``.

    Names are unique, even on file systems that ignore case. If two files have the same stem (``f3.jpg`` and
    ``f3.png``), their results keep the whole names (``f3.jpg.png``).

    Args:
        files: The files, with different names.
        suffixes: The extension of each result, with its dot.
    """
    pairs = list(zip(files, suffixes, strict=True))
    short = [_fitting(file.stem, suffix) for file, suffix in pairs]
    whole = [_fitting(file.name, suffix) for file, suffix in pairs]
    count = Counter(name.casefold() for name in short)
    names = [s if count[s.casefold()] == 1 else w for s, w in zip(short, whole, strict=True)]
    if len({name.casefold() for name in names}) == len(names):
        return names
    if len({name.casefold() for name in whole}) == len(names):
        return whole
    return [_fitting(f"{file.name}-{number}", suffix) for number, (file, suffix) in enumerate(pairs, 1)]


def _fitting(stem: str, suffix: str) -> str:
    """A file name of at most 255 bytes. The end of a longer one is replaced by a digest."""
    room = _LONGEST_NAME - len(os.fsencode(suffix))
    name = os.fsencode(stem)
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:16]
        stem = f"{name[: room - 17].decode(errors='ignore')}-{digest}"
    return stem + suffix


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names and the number of the others: "'a', 'b', 'c' and 7 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
