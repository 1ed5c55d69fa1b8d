"""Which files are pictures, in what order a folder of them is read, and what their results are called."""

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
LOSSY = (".heic", ".heif", ".hif", ".avif")  # photographs, whose results are JPEG
SUFFIXES = (*WRITTEN, ".apng", *LOSSY)
RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
AVIF_BRANDS = {b"avif", b"avis"}
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
_LONGEST_NAME = 255  # bytes, in common file systems


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def written_suffix(path: Path) -> str:
    """The ending of a single picture's result: its own where Restill writes it, ``.jpg`` for HEIC and AVIF."""
    suffix = path.suffix.lower()
    if suffix in WRITTEN:
        return path.suffix
    return ".jpg" if suffix in LOSSY else ".png"


def brands(head: bytes) -> list[bytes]:
    """The brands of an ISO file (MP4, HEIC, AVIF), the major one first, from its first bytes; none for another file."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


def holds_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name or, where the name does not say, by its first bytes."""
    if is_picture(path):
        return True
    if is_pipe(path):  # what is looked at there is gone
        return False
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return webp or head.startswith(_MAGIC) or bool({*brands(head)[:1]} & (HEIF_BRANDS | AVIF_BRANDS))


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts frame2 before frame10."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [(0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts)], path.name


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by their names, in natural order; if it has none, those of its only folder that has.

    Raises:
        RestillError: There are none, or several folders in it have some, or it cannot be read.
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
    """What is in a folder, sorted.

    Raises:
        RestillError: It cannot be read.
    """
    try:
        return sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise RestillError(f"the folder '{folder}' cannot be read: {error.strerror}") from error


def is_litter(path: Path) -> bool:
    """Whether a file is what systems and copying tools leave in folders, by its name."""
    return path.name.startswith("._") or path.name.lower() in (".ds_store", "thumbs.db", "desktop.ini", ".directory")


def _pictures(folder: Path) -> list[Path]:
    # a leading dot marks what copying tools and file managers leave behind
    return [entry for entry in entries(folder) if is_picture(entry) and not entry.name.startswith(".")]


def result_names(files: Sequence[Path], suffixes: Sequence[str]) -> list[str]:
    """Names for the results of files of one folder: stem and suffix, such as ``f3.png`` for ``f3.jpg``.

    No two are alike, even where a file system does not tell capitals from small letters. Where two stems are alike
    (``f3.jpg`` beside ``f3.png``), the results keep the whole names (``f3.jpg.png``).

    Args:
        files: The files, with different names.
        suffixes: The ending of each file's result: one dot and what follows.
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
    """A name that is not longer than names can be: the end of a longer one is a digest of it."""
    room = _LONGEST_NAME - len(os.fsencode(suffix))
    name = os.fsencode(stem)
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:16]
        stem = f"{name[: room - 17].decode(errors='ignore')}-{digest}"
    return stem + suffix


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names and a count: "'a', 'b', 'c' and 7 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
