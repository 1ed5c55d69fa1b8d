"""Write picture files: PNG and 16 bits with OpenCV, others with Pillow."""

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
    """The extension of a picture file's result.

    A file with several pictures becomes a ``.mp4`` if it says how long each is shown. Otherwise, as for the pages of a
    TIFF, it becomes a folder: no extension. For other files see :func:`written_suffix`.
    """
    with suppress(RestillError):  # the error comes when the file is read
        header = read_header(path, Limits(pixels=None))
        if len(header.pages) > 1:
            return ".mp4" if header.timed else ""
    return written_suffix(path)


def to_8_bits(frame: np.ndarray) -> np.ndarray:
    """Round (H, W, 3) uint16 (white is 65535) to uint8; uint8 stays as it is.

    >>> to_8_bits(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    return frame if frame.dtype == np.uint8 else ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)


def write_picture(path: Path, frame: np.ndarray, extras: Extras = NOTHING) -> tuple[str, ...]:
    """Write (H, W, 3) RGB, uint8 or uint16. A format with 8 bits gets rounded values.

    Args:
        path: The file; its extension chooses the format.
        frame: The picture.
        extras: The other content to write, as far as the format can hold it.

    Returns:
        A sentence on each thing that the format cannot keep.

    Raises:
        RestillError: The file cannot be written.
    """
    suffix = path.suffix.lower()
    lost: tuple[str, ...] = ()
    if frame.dtype == np.uint16 and suffix not in _DEEP:
        frame, lost = to_8_bits(frame), ("16 bits a channel are cut to 8",)
    deep_tiff = frame.dtype == np.uint16 and suffix != ".png"  # OpenCV writes only pixels
    fitting, unfit = that_fit("" if deep_tiff else suffix, replace(extras, lost=()))
    data = _encoded(frame, suffix, fitting)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise RestillError(f"'{path}' cannot be written: {error.strerror}") from error
    return (*lost, *unfit)


def check_written(path: Path) -> None:
    """Refuse a picture format that Restill does not write.

    Raises:
        RestillError: Restill does not write the format.
    """
    if path.suffix.lower() not in WRITTEN:
        raise RestillError(f"'{path}' cannot be written: Restill does not write {path.suffix}; use .jpg or .png")


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
