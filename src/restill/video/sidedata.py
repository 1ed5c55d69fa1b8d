"""The side data of frames: display matrix, HDR metadata, captions, EXIF data."""

from __future__ import annotations

import struct
from typing import Any

import av
from av.sidedata.sidedata import Type

from restill.alignment.search import side_data

# FFmpeg's types that PyAV does not name yet (libavutil/frame.h).
_NEWER = {28: "LCEVC", 29: "VIEW_ID", 30: "THREE_D_REFERENCE_DISPLAYS", 31: "EXIF"}
_WORDS = {
    "A53_CC": "closed captions inside the picture",
    "STEREO3D": "the stereo 3D description",
    "SPHERICAL": "the 360-degree description",
    "MASTERING_DISPLAY_METADATA": "the HDR mastering description",
    "CONTENT_LIGHT_LEVEL": "the HDR light levels",
    "DYNAMIC_HDR_PLUS": "the HDR10+ data",
    "DYNAMIC_HDR_VIVID": "the HDR Vivid data",
    "DOVI_METADATA": "the Dolby Vision data",
    "DOVI_RPU_BUFFER": "the Dolby Vision data",
    "AMBIENT_VIEWING_ENVIRONMENT": "the description of the ambient light",
    "ICC_PROFILE": "the ICC profile",
    "EXIF": "the EXIF data of the frames",
    "SEI_UNREGISTERED": "the user data inside the picture",
    "AFD": "the active format description",
    "PANSCAN": "the pan and scan rectangle",
    "FILM_GRAIN_PARAMS": "the film grain parameters",
    "S12M_TIMECODE": "the timecode inside the picture",
    "VIEW_ID": "the second view of spatial video",
}
# These describe how the input was encoded, or repeat a tag of the stream.
_OF_THE_CODER = {"MOTION_VECTORS", "VIDEO_ENC_PARAMS", "GOP_TIMECODE", "REGIONS_OF_INTEREST"}
_MASTERING = "MASTERING_DISPLAY_METADATA"
_RATIONALS = struct.Struct("<20i")
_ENCODERS = (b"x264", b"x265", b"Lavc")  # encoders that write their settings as user data


def _missing(kind: type[Type], number: object) -> Any:
    """Add a member for a number that PyAV does not know. Without it, PyAV fails to read all side data of the frame."""
    member = object.__new__(kind)
    member._name_, member._value_ = _NEWER.get(int(str(number)), f"type {number}"), number
    kind._value2member_map_[number] = member
    return member


Type._missing_ = classmethod(_missing)  # type: ignore[assignment, method-assign]


def sides(frame: av.VideoFrame) -> dict[str, bytes]:
    """The side data of a frame by FFmpeg's type names, such as ``DISPLAYMATRIX``; ``type 77`` for an unknown type."""
    found = {side.type.name: bytes(side) for side in side_data(frame) if side.type.name not in _OF_THE_CODER}
    if any(name in found.get("SEI_UNREGISTERED", b"") for name in _ENCODERS):
        del found["SEI_UNREGISTERED"]
    return found


def named(kinds: set[str]) -> list[str]:
    """The names of these kinds of side data for messages, in a fixed order, each once."""
    words = (_WORDS.get(kind, f"the side data '{kind.lower().replace('_', ' ')}'") for kind in sorted(kinds))
    return list(dict.fromkeys(words))


def is_same(kind: str, first: bytes, second: bytes | None) -> bool:
    """Whether two items of side data are equal. Some containers round the numbers of the mastering metadata."""
    if second is None or kind != _MASTERING or len(first) != len(second):
        return first == second
    return all(abs(a - b) <= 1e-4 * max(1.0, abs(a)) for a, b in zip(_numbers(first), _numbers(second), strict=True))


def x265_params(found: dict[str, bytes]) -> list[str]:
    """The parameters with which x265 writes the HDR10 metadata of side data."""
    params = []
    if (mastering := found.get(_MASTERING)) and all(struct.unpack_from("<2i", mastering, _RATIONALS.size)):
        *places, darkest, brightest = (max(0.0, number) for number in _numbers(mastering))
        red, green, blue, white = (tuple(round(50000 * part) for part in places[i : i + 2]) for i in (0, 2, 4, 6))
        light = f"L({round(10000 * brightest)},{round(10000 * darkest)})"
        named_places = zip(["G", "B", "R", "WP"], (green, blue, red, white), strict=True)
        params.append("master-display=" + "".join(f"{name}({x},{y})" for name, (x, y) in named_places) + light)
    if light_levels := found.get("CONTENT_LIGHT_LEVEL"):
        params.append("max-cll={},{}".format(*struct.unpack_from("<2I", light_levels)))
    return params


def _numbers(mastering: bytes) -> list[float]:
    """Red, green, blue and white (x, y each), the darkest and the brightest: AVMasteringDisplayMetadata."""
    parts = _RATIONALS.unpack_from(mastering)
    return [over / under if under else 0.0 for over, under in zip(parts[::2], parts[1::2], strict=True)]
