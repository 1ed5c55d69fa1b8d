"""Small picture files, made for the tests, with everything that phones and programs put into them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

MAKER, DATE, TURNED = "Acme", "2024:05:06 07:08:09", 6  # shown turned clockwise by a quarter
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Rain"/></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# 128x128: a grid of two by two tiles of 64x64, red, green, blue and yellow; made by avifenc -g 2x2
GRID = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAHhbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aW"
    "YAAAAADnBpdG0AAAAAAAEAAABWaWxvYwAAAABEAAAFAAEAAAABAAACCQAAAAgAAgAAAAEAAAIRAAAAJQADAAAAAQAAAjYAAAAkAAQAAAABAAAC"
    "WgAAACUABQAAAAEAAAJ/AAAAJQAAAJBpaW5mAAAAAAAFAAAAGmluZmUCAAAAAAEAAGdyaWRDb2xvcgAAAAAaaW5mZQIAAAEAAgAAYXYwMUNvbG"
    "9yAAAAABppbmZlAgAAAQADAABhdjAxQ29sb3IAAAAAGmluZmUCAAABAAQAAGF2MDFDb2xvcgAAAAAaaW5mZQIAAAEABQAAYXYwMUNvbG9yAAAA"
    "ACBpcmVmAAAAAAAAABRkaW1nAAEABAACAAMABAAFAAAAmWlwcnAAAABfaXBjbwAAABRpc3BlAAAAAAAAAIAAAACAAAAAEHBpeGkAAAAAAwgICA"
    "AAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAAxhdjFDgSAAAAAAADJpcG1hAAAAAAAAAAUAAQMBAgMAAgQEAoUDAAME"
    "BAKFAwAEBAQChQMABQQEAoUDAAAAo21kYXQAAAEBAIAAgBIACgk4FX/9hAQ0GkAyFhZABhhhhAC0g+ohSkobjiLDlYEcDGASAAoJOBV//YQENB"
    "pAMhUWQAYYYYQAtIPqJOZ6GymiF9NS3usSAAoJOBV//YQENBpAMhYWQAYYYYQAtIPp06GVJ3ZmJ5gmOjEgEgAKCTgVf/2EBDQaQDIWFkAGGGGE"
    "ALSDWus5O4+HXAdA9ZMHgA=="
)


def exif() -> Image.Exif:
    """A camera's name, a date and a place, for a picture that is stored lying on its side."""
    data = Image.Exif()
    data[0x010F], data[0x0112] = MAKER, TURNED
    data[0x8769] = {0x9003: DATE, 0x927C: b"maker's own"}
    data[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    return data


def stored(width: int = 48, height: int = 32, alpha: bool = False) -> Image.Image:
    """A smooth picture with a bright upper left corner."""
    x, y = np.meshgrid(np.linspace(0, 90, width), np.linspace(0, 90, height))
    rgb = np.stack([x, y, 90 - x], axis=-1).astype(np.uint8)
    rgb[: height // 4, : width // 4] = 240
    picture = Image.fromarray(rgb)
    if alpha:
        picture.putalpha(Image.fromarray((y + 100).astype(np.uint8)))
    return picture


def full(path: Path) -> Path:
    """A picture with all that its format holds."""
    suffix = path.suffix
    options: dict[str, Any] = {"exif": exif().tobytes(), "icc_profile": ICC, "dpi": (300, 300)}
    if suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Title", "Rain")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif suffix == ".tif":
        data = exif()
        data[700] = XMP
        options["exif"] = data.tobytes()
    else:
        options["xmp"] = XMP
    if suffix == ".jpg":
        options["comment"] = b"Rain"
    if suffix == ".heic":
        from pillow_heif import from_pillow

        from_pillow(stored(alpha=True)).save(path, exif=options["exif"], icc_profile=ICC, xmp=XMP)
        return path
    stored(alpha=suffix != ".jpg").save(path, **options)
    return path


def animated(path: Path, count: int = 4, milliseconds: int = 70) -> Path:
    """Several pictures in one file."""
    frames = [stored().rotate(5 * number) for number in range(count)]
    timed = {} if path.suffix == ".tif" else {"duration": [milliseconds] * count, "loop": 0}
    frames[0].save(path, save_all=True, append_images=frames[1:], **timed)
    return path
