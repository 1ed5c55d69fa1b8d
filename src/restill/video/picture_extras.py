"""Read and write the metadata of picture files: EXIF, color profile, XMP, texts and resolution."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

_ORIENTATION = ExifTags.Base.Orientation
_WIDTH, _HEIGHT = ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight
_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# TIFF tags for the storage of its pixels, and tags that are read separately (resolution, ICC, XMP)
_TIFF_LAYOUT = {*range(254, 260), 262, 266, 273, *range(277, 285), 292, 293, 296, 297, 301, *range(317, 326), 330, 332}
_TIFF_LAYOUT |= {338, 339, 340, 341, 347, 529, 530, 531, 532, 700, 33723, 34377, 34675}
FORMATS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}  # all others: JPEG
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "quality": 70, "method": 0},
}
_NAMES = {"exif": "EXIF data", "icc": "the ICC color profile", "xmp": "XMP data", "texts": "texts in the file"}
_NAMES |= {"dpi": "the resolution in dots per inch"}


@dataclass(frozen=True)
class Extras:
    """The metadata of a picture file.

    Attributes:
        exif: EXIF data with upright orientation, for upright pixels; bytes that begin with ``Exif``.
        icc: The color profile.
        xmp: The XMP packet.
        texts: Pairs of keyword and text (PNG), or a "Comment" (JPEG).
        dpi: Horizontal and vertical dots per inch.
        lost: Sentences on what was lost on reading, such as "transparency is not kept".
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    texts: tuple[tuple[str, str], ...] = ()
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = ()

    def parts(self) -> dict[str, Extras]:
        """Return each present item on its own, by attribute name."""
        return {
            f.name: Extras(**{f.name: value})
            for f in fields(self)
            if f.name != "lost" and (value := getattr(self, f.name))
        }


NOTHING = Extras()


def read_extras(picture: Image.Image) -> Extras:
    """Read the metadata of a loaded picture; ``lost`` names what cannot be read."""
    info, lost = picture.info, []
    try:
        exif = _upright_exif(picture)
    except Exception:  # a broken block can raise anything in Pillow
        exif = b""
        lost.append("EXIF data is damaged and not kept")
    icc = info.get("icc_profile") or b""
    if icc and icc[16:20] != b"RGB ":
        of = icc[16:20].decode("ascii", "replace").strip()
        lost.append(f"the ICC color profile, of {of} colors, is not kept: the result is RGB")
        icc = b""
    xmp = info.get("xmp") or b""
    xmp = re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp if isinstance(xmp, bytes) else str(xmp).encode())
    texts = {key: str(text) for key, text in getattr(picture, "text", {}).items() if "xmp" not in key.lower()}
    if comment := info.get("comment"):
        texts["Comment"] = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
    if 0x0404 in (info.get("photoshop") or {}):
        lost.append("IPTC data is not kept")
    dpi = info.get("dpi")
    dpi = (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 1 else None  # 1 means "unknown"
    return Extras(exif, icc, xmp, tuple(texts.items()), dpi, tuple(lost))


def orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it cannot be read."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken block can raise anything in Pillow
        return 1
    return value if value in range(1, 9) else 1


def _upright_exif(picture: Image.Image) -> bytes:
    found = picture.getexif()
    is_tiff = picture.format == "TIFF"
    kept = Image.Exif()
    for tag, value in found.items():
        if tag not in _IFDS and not (is_tiff and tag in _TIFF_LAYOUT):
            kept[tag] = value
    for ifd in _IFDS:
        if values := found.get_ifd(ifd):
            kept[ifd] = dict(values)
    if _ORIENTATION in kept:
        if kept[_ORIENTATION] in (5, 6, 7, 8) and (size := kept.get(ExifTags.IFD.Exif)):
            size[_WIDTH], size[_HEIGHT] = size.get(_HEIGHT), size.get(_WIDTH)
            kept[ExifTags.IFD.Exif] = {tag: value for tag, value in size.items() if value is not None}
        kept[_ORIENTATION] = 1
    return kept.tobytes() if kept else b""


def save_options(suffix: str, extras: Extras) -> dict[str, Any]:
    """Return Pillow's options to save a picture. TIFF is not compressed, because it could not hold EXIF otherwise."""
    kind = FORMATS.get(suffix, "JPEG")
    options: dict[str, Any] = dict(_OPTIONS.get(kind, {}))
    if extras.exif:
        options["exif"] = extras.exif
    if extras.icc:
        options["icc_profile"] = extras.icc
    if extras.dpi:
        options["dpi"] = extras.dpi
    if extras.xmp and kind in ("JPEG", "WEBP"):
        options["xmp"] = extras.xmp
    if extras.xmp and kind == "TIFF":  # one tag among the others
        tags = Image.Exif()
        tags.load(extras.exif)
        tags[700] = extras.xmp
        options["exif"] = tags.tobytes()
    if kind == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        for key, text in extras.texts:
            info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
        if extras.xmp:
            info.add_itxt("XML:com.adobe.xmp", extras.xmp.decode("utf-8", "replace"))
    elif kind == "JPEG" and (comment := dict(extras.texts).get("Comment")):
        options["comment"] = comment.encode()
    return options


@lru_cache(maxsize=8)
def that_fit(suffix: str, extras: Extras) -> tuple[Extras, tuple[str, ...]]:
    """Find what a format keeps: write each item with a small picture and read it back.

    Args:
        suffix: The format.
        extras: The metadata to keep.

    Returns:
        The metadata it keeps, and a sentence on each loss.
    """
    kept: dict[str, Any] = {}
    lost = []
    for name, alone in extras.parts().items():
        share = _share_back(suffix, name, alone)
        if share > 0:
            kept[name] = getattr(alone, name)
        if share < 1:
            part = "part of " if share > 0 else ""
            lost.append(f"{part}{_NAMES[name]} {'are' if name == 'texts' else 'is'} not kept")
    return Extras(**kept), tuple(lost)


def all_lost(extras: Extras) -> tuple[str, ...]:
    """Return a sentence on each item, for a video, which keeps none. The resolution does not apply to a video."""
    return that_fit("", replace(extras, dpi=None, lost=()))[1]


def small_file(suffix: str, extras: Extras) -> bytes:
    """Return a picture file of 8x8 pixels with this metadata."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, FORMATS.get(suffix, "JPEG"), **save_options(suffix, extras))
    return data.getvalue()


def _share_back(suffix: str, name: str, extras: Extras) -> float:
    """Return the share of an item that a small file keeps, 0 to 1; for EXIF, the share of its tags."""
    if not suffix:
        return 0.0
    try:
        with Image.open(io.BytesIO(small_file(suffix, extras))) as picture:
            picture.load()
            back, there = getattr(read_extras(picture), name), getattr(extras, name)
    except Exception:  # Pillow raises many types for what does not fit
        return 0.0
    if name == "exif":
        tags, back_tags = _tags(there), _tags(back)
        return sum(str(back_tags.get(tag)) == str(value) for tag, value in tags.items()) / max(1, len(tags))
    if name == "dpi":
        return float(back is not None and all(abs(a - b) < 0.6 for a, b in zip(there, back, strict=True)))
    return float(there == back)


def _tags(data: bytes) -> dict[tuple[int, int], Any]:
    """Return the values of EXIF data by (block, tag)."""
    exif = Image.Exif()
    exif.load(data)
    tags: dict[tuple[int, int], Any] = {(0, tag): value for tag, value in exif.items() if tag not in _IFDS}
    for ifd in _IFDS:
        tags |= {(int(ifd), tag): value for tag, value in exif.get_ifd(ifd).items()}
    return tags
