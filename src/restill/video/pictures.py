"""Picture files: written here, by Pillow, and PNG and 16 bits by OpenCV; read by :mod:`picture_reading`."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from restill.errors import RestillError
from restill.video.limits import Limits
from restill.video.picture_extras import FORMATS, NOTHING, Extras, save_options, small_file, that_fit
from restill.video.picture_names import SUFFIXES, WRITTEN, is_picture, list_pictures, written_suffix
from restill.video.picture_reading import read_header, read_picture

__all__ = ["SUFFIXES", "is_picture", "list_pictures", "read_picture", "to_8_bits", "write_picture"]

_DEEP = (".png", ".tif", ".tiff")
_PIXEL_CHUNKS = (b"IHDR", b"IDAT", b"IEND")


def result_suffix(path: Path) -> str:
    """The ending of a picture file's result.

    A file of several pictures becomes a ``.mp4`` where it says how long each is shown; else, for the pages of a TIFF,
    a folder: no ending. Any other becomes what :func:`written_suffix` says.
    """
    with suppress(RestillError):  # it is said where the file is read
        header = read_header(path, Limits(pixels=None))
        if len(header.pages) > 1:
            return ".mp4" if header.timed else ""
    return written_suffix(path)


def to_8_bits(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 as it is; uint16 (white is 65535) rounded to uint8.

    >>> to_8_bits(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    return frame if frame.dtype == np.uint8 else ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)


def write_picture(path: Path, frame: np.ndarray, extras: Extras = NOTHING) -> tuple[str, ...]:
    """Write (H, W, 3) RGB, uint8 or uint16; a format of 8 bits gets the rounded upper half of 16.

    Args:
        path: Where to; its suffix chooses the format.
        frame: The picture.
        extras: What the file holds beside it, as far as its format can.

    Returns:
        A sentence on each thing that the format cannot keep.

    Raises:
        RestillError: The file cannot be written, or not in this format.
    """
    suffix = path.suffix.lower()
    lost: tuple[str, ...] = ()
    if frame.dtype == np.uint16 and suffix not in _DEEP:
        frame, lost = to_8_bits(frame), ("16 bits a channel are cut to 8",)
    deep_tiff = frame.dtype == np.uint16 and suffix != ".png"  # by OpenCV, which writes pixels only
    fitting, unfit = that_fit("" if deep_tiff else suffix, replace(extras, lost=()))
    data = _encoded(frame, suffix, fitting)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise RestillError(f"'{path}' cannot be written: {error.strerror}") from error
    return (*lost, *unfit)


def check_written(path: Path) -> None:
    """Refuse a picture's name whose format is read only.

    Raises:
        RestillError: It is.
    """
    if path.suffix.lower() not in WRITTEN:
        raise RestillError(f"'{path}' cannot be written: Restill makes no {path.suffix}; write a .jpg or a .png")


def _encoded(frame: np.ndarray, suffix: str, extras: Extras) -> bytes:
    if suffix == ".png" or frame.dtype == np.uint16:
        options = [cv2.IMWRITE_PNG_COMPRESSION, 3] if suffix == ".png" else []
        _, array = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
        data = array.tobytes()
        if not extras.parts():
            return data
        head = 33  # the signature and IHDR
        kinds = ((kind, chunk) for kind, chunk in _chunks(small_file(suffix, extras)) if kind not in _PIXEL_CHUNKS)
        return data[:head] + b"".join(chunk for _, chunk in kinds) + data[head:]
    kind, memory = FORMATS.get(suffix, "JPEG"), io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(memory, kind, **save_options(suffix, extras))
    return memory.getvalue()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG file: kind and all bytes."""
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at : at + 12 + size]
        at += 12 + size
