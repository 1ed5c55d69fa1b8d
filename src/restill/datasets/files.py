"""Read folders and pictures of data sets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from restill.errors import RestillError
from restill.progress import say_once, some

PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv"}


def cache_folder() -> Path:
    """The folder for decoded clips and picture digests: ``$RESTILL_CACHE`` or ``~/.cache/restill``."""
    return Path(os.environ.get("RESTILL_CACHE", Path.home() / ".cache" / "restill"))


def read_picture(path: Path) -> np.ndarray:
    """Read a picture file as (H, W, 3) RGB uint8.

    Raises:
        RestillError: If it cannot be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) if path.is_file() else None
    if picture is None:
        raise RestillError(f"{path}: {'cannot be read as a picture' if path.exists() else 'does not exist'}")
    return picture


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture. For a PNG only the header is read, because a data set may hold thousands.

    Raises:
        RestillError: If it cannot be read.
    """
    if path.suffix.lower() == ".png" and path.is_file():
        with path.open("rb") as stream:
            head = stream.read(24)
        if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
            return int.from_bytes(head[20:24]), int.from_bytes(head[16:20])
    height, width = read_picture(path).shape[:2]
    return height, width


def is_picture(path: Path) -> bool:
    """Whether a file name is a picture's and not hidden."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order; if it has none, those of its only subfolder.

    Raises:
        RestillError: If there are none.
    """
    found = [path for path in folder.iterdir() if is_picture(path)]
    if found:
        return sorted(found, key=natural)
    inside = folders(folder)
    if len(inside) != 1:
        raise RestillError(f"{folder}: holds no .jpg or .png frames")
    return pictures(inside[0])


def folders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def child(folder: Path, *names: str) -> Path | None:
    """The first of the named subfolders that exists, ignoring case."""
    inside = {p.name.lower(): p for p in folders(folder)}
    return next((inside[name] for name in names if name in inside), None)


def natural(path: Path | str) -> list[tuple[int, int, str]]:
    """A sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def find_clips(root: Path) -> dict[str, Path]:
    """Find the clips of a folder by name, sorted.

    Raises:
        RestillError: If the folder does not exist or holds no clip.
    """
    if not root.is_dir():
        raise RestillError(f"{root}: no such folder; it should hold clips, as NAME/00001.png ... or NAME.mp4")
    found: dict[str, Path] = {}
    left_out = []
    for path in sorted(p for p in root.iterdir() if not p.name.startswith(".")):
        name = path.name if path.is_dir() else path.stem
        if not path.exists():
            left_out.append(f"{path.name} (a broken link)")
        elif not path.is_dir() and path.suffix.lower() not in VIDEO_SUFFIXES:
            left_out.append(f"{path.name} (neither a video nor a folder)")
        elif path.is_dir() and not any(path.iterdir()):
            left_out.append(f"{path.name}/ (empty)")
        elif name in found:
            left_out.append(f"{path.name} (has the same name as {found[name].name}{'/' * found[name].is_dir()})")
        else:
            found[name] = path
    if not found:
        raise RestillError(f"{root}: holds no clips; it should hold NAME/00001.png ... or NAME.mp4")
    if left_out:
        say_once(f"{root}: not used: {some(left_out)}")
    return found


def names_in(path: Path) -> list[str]:
    """Read a text file of names, one per line.

    Raises:
        RestillError: If it cannot be read, or names nothing.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RestillError(f"{path}: cannot be read as a list of clips; it should hold one name per line") from error
    if not names:
        raise RestillError(f"{path}: names no clip; it should hold one name per line")
    return names
