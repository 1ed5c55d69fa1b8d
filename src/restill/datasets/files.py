"""Folders and pictures of data sets: what the loaders share."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from restill.errors import RestillError

PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}


def cache_folder() -> Path:
    """What is kept between runs, decoded clips and digests of pictures: ``$RESTILL_CACHE`` or ``~/.cache/restill``."""
    return Path(os.environ.get("RESTILL_CACHE", Path.home() / ".cache" / "restill"))


def read_picture(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) RGB uint8.

    Raises:
        RestillError: It cannot be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) if path.is_file() else None
    if picture is None:
        raise RestillError(f"{path}: {'cannot be read as a picture' if path.exists() else 'is not there'}")
    return picture


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture; of a PNG from its header alone, because a data set may hold thousands.

    Raises:
        RestillError: It cannot be read.
    """
    if path.suffix.lower() == ".png" and path.is_file():
        with path.open("rb") as stream:
            head = stream.read(24)
        if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
            return int.from_bytes(head[20:24]), int.from_bytes(head[16:20])
    height, width = read_picture(path).shape[:2]
    return height, width


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture, and not of what file managers leave behind."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, 2 before 10; those of the only folder inside if there are none here.

    Raises:
        RestillError: There are none.
    """
    found = [path for path in folder.iterdir() if is_picture(path)]
    if found:
        return sorted(found, key=natural)
    inside = folders(folder)
    if len(inside) != 1:
        raise RestillError(f"{folder}: holds no .jpg or .png frames")
    return pictures(inside[0])


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def child(folder: Path, *names: str) -> Path | None:
    """A folder inside, its name compared without case; the first of the names that is there."""
    inside = {p.name.lower(): p for p in folders(folder)}
    return next((inside[name] for name in names if name in inside), None)


def natural(path: Path | str) -> list[tuple[int, int, str]]:
    """A key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def names_in(path: Path) -> list[str]:
    """The lines of a text file of names.

    Raises:
        RestillError: It cannot be read, or names nothing.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RestillError(f"{path}: cannot be read as a list of clips; it should hold one name per line") from error
    if not names:
        raise RestillError(f"{path}: names no clip; it should hold one name per line")
    return names
