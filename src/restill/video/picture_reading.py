"""Read picture files as upright RGB of 8 or 16 bits, with their metadata.

Pillow reads most files. It has no 16-bit RGB, so OpenCV reads PNG and TIFF files with 16 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image

from restill.errors import RestillError, need_extra
from restill.video import orientation
from restill.video.limits import USUAL, Limits
from restill.video.picture_extras import Extras, orientation_of, read_extras
from restill.video.picture_names import AVIF_BRANDS, HEIF_BRANDS, brands

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # Restill reports errors itself
UNTIMED = 100  # milliseconds for a frame of an animation whose time is 0, as in browsers


class UnreadablePicture(RestillError):
    """A file cannot be read as a picture.

    Args:
        path: The file.
        why: The text after its name in the message, such as "cannot be read as a picture".
        more: The message of a library, if any.
    """

    def __init__(self, path: Path, why: str, more: str = "") -> None:
        super().__init__(f"'{path}' {why}{more}")
        self.why = why


@dataclass(frozen=True)
class Header:
    """Information on a picture file, read before its pixels are decoded.

    Attributes:
        pages: The indices of the pictures in the file: the frames of an animation or the pages of a TIFF. Smaller
            versions and the extra images in a phone's JPEG do not count.
        sizes: (width, height) of each page, upright.
        lost: Sentences on images that are left out.
        timed: Whether each page has a duration.
    """

    pages: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    lost: tuple[str, ...] = ()
    timed: bool = False


@dataclass(frozen=True)
class Page:
    """One picture of a file: (H, W, 3) pixels, its metadata, and its duration (0 if unknown)."""

    pixels: np.ndarray
    extras: Extras
    milliseconds: float = 0.0


def read_header(path: Path, limits: Limits = USUAL) -> Header:
    """Read the header of a picture file.

    Raises:
        UnreadablePicture: The file is missing or cannot be read as a picture.
        RestillError: The file is over a limit.
    """
    with _opened(path, limits) as image:
        return _header(image)


def read_pages(path: Path, limits: Limits = USUAL, start: int = 0, most: int | None = None) -> Iterator[Page]:
    """Read the pictures of a file one by one: upright RGB, uint8 or uint16. Gray becomes three channels.

    Args:
        path: The file.
        limits: The limits for the file.
        start: The number of pictures to skip.
        most: The largest number of pictures to read.

    Raises:
        UnreadablePicture: The file is missing or cannot be read as a picture of 8 or 16 bits.
        RestillError: The file is over a limit.
    """
    with _opened(path, limits) as image:
        header = _header(image)
        pages = header.pages[start:]
        for number in pages[:most]:
            page = _decoded(path, image, number, limits)
            time = (image.info.get("duration") or UNTIMED) if header.timed else 0
            yield Page(page.pixels, replace(page.extras, lost=(*page.extras.lost, *header.lost)), float(time))


def read_first(path: Path, limits: Limits = USUAL) -> Page:
    """Read the first picture of a file as :func:`read_pages` does; a sentence in it mentions further ones."""
    with _opened(path, limits) as image:
        header = _header(image)
        page, count = _decoded(path, image, header.pages[0], limits), len(header.pages)
    further = [f"only the first of its {count} pictures is restored"] if count > 1 else []
    return Page(page.pixels, replace(page.extras, lost=(*page.extras.lost, *header.lost, *further)))


def read_picture(path: Path, limits: Limits = USUAL) -> np.ndarray:
    """Read the (first) picture of a file as upright (H, W, 3) RGB, uint8 or uint16; drop alpha.

    Raises:
        RestillError: The file is missing, is not a picture, or is over a limit.
    """
    return read_first(path, limits).pixels


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Image.Image]:
    """Open a file with Pillow. Each error, here or in the block, becomes a one-sentence message."""
    try:
        limits.check_file(path)
        if not path.is_file():  # a pipe would block forever
            raise UnreadablePicture(path, _missing(path))
        with path.open("rb") as file, _open(path, file) as image:
            limits.check_size(path, *image.size)
            yield image
    except (RestillError, MemoryError):
        raise
    except Exception as error:
        raise UnreadablePicture(path, "cannot be read as a picture", _reason(error, path)) from error


def _missing(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere"
    return "is no file" if path.exists() else "does not exist"


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return " of 8 or 16 bits a channel"
    said = getattr(error, "strerror", None) or str(error)
    return f": {said.replace(str(path), 'it').splitlines()[0]}" if said else ""


def _open(path: Path, file: BinaryIO) -> Image.Image:
    """Open with Pillow, from an open file: from a path, it maps some TIFFs and gets their orientation wrong."""
    found = {*brands(file.read(256))}
    file.seek(0)
    if found & HEIF_BRANDS and not found & AVIF_BRANDS:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise heif_needed(path) from None
        return HeifImageFile(file)
    with _our_own_limit():
        return Image.open(file)


@contextmanager
def _our_own_limit() -> Iterator[None]:
    """Turn off Pillow's pixel limit: Restill checks its own limit, which users may raise."""
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most


def heif_needed(path: Path) -> UnreadablePicture:
    """Return the error for a HEIC picture if the library for HEIC is not installed."""
    return UnreadablePicture(path, f"is a HEIC picture: {need_extra('pillow-heif', 'heic', 'reading it')}")


def _header(image: Image.Image) -> Header:
    count = getattr(image, "n_frames", 1)
    pages, lost = list(range(count)), []
    if image.format in ("MPO", "JPEG"):
        pages = [0]
        lost = [f"the {count - 1} further images in it (such as a gain map) are not kept"] if count > 1 else []
    elif image.format == "TIFF" and count > 1:
        pages = [page for page in pages if not _is_smaller_version(image, page)] or [0]
        lost = ["the smaller versions in it are not kept"] if len(pages) < count else []
    elif image.info.get("default_image"):  # in an animated PNG, for programs that show no animation
        pages = pages[1:]
    if image.format in ("TIFF", "HEIF"):
        sizes = [_size(image, page) for page in pages]
    else:
        sizes = [_size(image, 0)] * len(pages)
    timed = len(pages) > 1 and image.format in ("PNG", "WEBP", "AVIF")
    return Header(tuple(pages), tuple(sizes), tuple(lost), timed)


def _size(image: Image.Image, page: int) -> tuple[int, int]:
    """Return the upright (width, height) of a page."""
    image.seek(page)
    width, height = image.size
    if image.format == "PNG" and "exif" not in image.info:
        return width, height  # an orientation may follow the pixels, which are not read here
    return (height, width) if orientation_of(image) > 4 else (width, height)


def _is_smaller_version(image: Any, page: int) -> bool:
    image.seek(page)
    return bool(image.tag_v2.get(254, 0) & 1)


def _decoded(path: Path, image: Any, number: int, limits: Limits) -> Page:
    image.seek(number)
    limits.check_size(path, *image.size)
    with _our_own_limit():
        image.load()
    bits = _bits(path, image)
    if bits == 16 and image.format in ("PNG", "TIFF"):
        pixels = _by_opencv(path, 0 if image.format == "PNG" else number)
        lost = ["transparency is not kept"] if image.has_transparency_data else []
        return Page(pixels, _with(read_extras(image), lost))
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise UnreadablePicture(path, "cannot be read as a picture of 8 or 16 bits a channel")
    lost = [f"{bits} bits a channel are cut to 8"] if bits > 8 else []
    if image.has_transparency_data and _is_transparent(image):
        lost.append("transparency is not kept")
    if image.mode == "CMYK":
        lost.append("CMYK colors are turned into RGB")
    if image.info.get("depth_images"):
        lost.append("the depth map in it is not kept")
    lost += _unusual_colors(path, image)
    pixels = np.asarray(image.convert("RGB"))
    turned = orientation.from_exif(orientation_of(image))
    return Page(turned.upright(pixels), _with(read_extras(image), lost))


def _with(extras: Extras, lost: list[str]) -> Extras:
    return replace(extras, lost=(*lost, *extras.lost))


def _is_transparent(image: Image.Image) -> bool:
    return bool((np.asarray(image.convert("RGBA").getchannel("A")) < 255).any())


def _bits(path: Path, image: Any) -> int:
    """Return the stored bits per channel."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))
    if image.format not in ("PNG", "AVIF"):
        return image.info.get("bit_depth", 8)
    with path.open("rb") as file:
        head = file.read(4096)
    if image.format == "PNG":
        return head[24]
    at = head.find(b"av1C") + 4
    return (8, 10, 12)[bool(head[at + 2] & 0x40) + bool(head[at + 2] & 0x20)] if at > 3 else 8


def _unusual_colors(path: Path, image: Image.Image) -> list[str]:
    """Describe color tags outside an ICC profile that are not the usual ones (sRGB, BT.709 or BT.601)."""
    with path.open("rb") as file:
        head = file.read(4096)
    tags = None
    if image.format in ("AVIF", "HEIF") and (at := head.find(b"colrnclx")) >= 0:
        tags = struct.unpack_from(">HH", head, at + 8)
    elif image.format == "PNG" and (at := head.find(b"cICP")) >= 0:
        tags = tuple(head[at + 4 : at + 6])
    if tags is None or (tags[0] in (1, 2, 5, 6) and tags[1] not in (16, 18)):
        return []
    return [f"the color tags (primaries {tags[0]}, transfer {tags[1]}) are not kept, so colors may look different"]


def _by_opencv(path: Path, page: int) -> np.ndarray:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if page:
        _, found = cv2.imdecodemulti(data, flags, range=(page, page + 1))
        picture = found[0] if found else None
    else:
        picture = cv2.imdecode(data, flags)
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise UnreadablePicture(path, "cannot be read as a picture of 8 or 16 bits a channel")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
