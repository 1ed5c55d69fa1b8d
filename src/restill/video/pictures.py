"""Single pictures and folders of them, through OpenCV: RGB out, RGB in, 8 or 16 bits."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import imagesize
import numpy as np

from restill.errors import RestillError
from restill.video.limits import USUAL, Limits

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # what is wrong with a file is said in a sentence
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_DEEP = (".png", ".tif", ".tiff")
_OPTIONS = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101],  # over 100 is lossless
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
}
_OPTIONS[".jpeg"] = _OPTIONS[".jpg"]


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sorts frame2 before frame10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.name.lower())]


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, in natural order; if it has none, those of its only folder that has.

    Raises:
        RestillError: There are none, or several folders in it have some.
    """
    found = _pictures(folder)
    if not found:
        inside = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and _pictures(entry)]
        if len(inside) > 1:
            names = ", ".join(f"'{entry.name}'" for entry in inside)
            raise RestillError(f"'{folder}' holds several folders of pictures; give one of them: {names}")
        if not inside:
            raise RestillError(f"'{folder}' holds no pictures; a folder of frames has {', '.join(SUFFIXES)} files")
        found = _pictures(inside[0])
    return sorted(found, key=natural_key)


def _pictures(folder: Path) -> list[Path]:
    # a leading dot marks what copying tools and file managers leave behind
    return [entry for entry in folder.iterdir() if is_picture(entry) and not entry.name.startswith(".")]


def read_picture(path: Path, limits: Limits = USUAL) -> np.ndarray:
    """A picture as (H, W, 3) RGB, uint8 or uint16, upright; gray becomes three channels and alpha is dropped.

    Raises:
        RestillError: The file is missing, is no picture, or is over a limit.
    """
    try:
        limits.check_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise RestillError(f"'{path}' cannot be read: {error.strerror}") from error
    width, height = imagesize.get(io.BytesIO(data))  # of the header; -1 where there is none that it knows
    limits.check_size(path, max(width, 0), max(height, 0))
    picture = None
    if data:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:
            picture = None
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise RestillError(f"'{path}' cannot be read as a picture of 8 or 16 bits a channel")
    limits.check_size(path, picture.shape[1], picture.shape[0])
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def to_8_bits(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 as it is; uint16 (white is 65535) rounded to uint8.

    >>> to_8_bits(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    return frame if frame.dtype == np.uint8 else ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)


def write_picture(path: Path, frame: np.ndarray, suffix: str | None = None) -> None:
    """Write (H, W, 3) RGB, uint8 or uint16; a format of 8 bits gets the rounded upper half of 16.

    Args:
        path: Where to.
        frame: The picture.
        suffix: The format, when the name does not end in it.

    Raises:
        RestillError: The file cannot be written.
    """
    suffix = (suffix or path.suffix).lower()
    if suffix not in _DEEP:
        frame = to_8_bits(frame)
    _, data = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), _OPTIONS.get(suffix, []))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise RestillError(f"'{path}' cannot be written: {error.strerror}") from error
