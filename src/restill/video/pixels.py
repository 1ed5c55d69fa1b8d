"""Choose the pixel format of an output: by default the one closest to the source that players decode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restill.errors import RestillError
from restill.video.info import VideoInfo
from restill.video.settings import MP4, EncodeSettings, bits, depth_of, depths, formats, must_play

_PLAYED = {"h264": ("yuv420p",), "prores": (), "ffv1": ()}  # formats that players decode; for other codecs also 10 bits


@dataclass(frozen=True)
class Pixels:
    """The pixel format of an output.

    Attributes:
        format: FFmpeg's name, one of ``PIXEL_FORMATS``.
        right: Columns to add at the right edge, 0 or 1.
        below: Lines to add at the bottom, 0 or 1.
        notes: Sentences on what is reduced, or may not play.
    """

    format: str
    right: int = 0
    below: int = 0
    notes: tuple[str, ...] = ()

    def padded(self, frame: np.ndarray) -> np.ndarray:
        """Pad a frame (H, W, 3) to an even size, if the format needs it, by repeating its last column or line."""
        if not (self.right or self.below):
            return frame
        return np.pad(frame, ((0, self.below), (0, self.right), (0, 0)), mode="edge")


def choose_pixels(settings: EncodeSettings, name: str, path: Path, info: VideoInfo, width: int, height: int) -> Pixels:
    """Choose the pixel format of an output for frames of a size.

    Args:
        settings: The settings of the output.
        name: A codec of ``CODECS``.
        path: The output.
        info: The source.
        width: Pixels across of the stored frames.
        height: Lines of the stored frames.

    Raises:
        RestillError: The codec has no format for the source.
    """
    suffix = path.suffix.lower()
    chosen = settings.pixel_format or _best(settings, name, suffix, info, width, height)
    chroma = chosen[3:6]
    even = name in ("h264", "hevc")  # they crop in steps of one chroma sample
    right = width % 2 if even and chroma != "444" else 0
    below = height % 2 if even and chroma == "420" else 0
    notes = []
    if (loss := _loss(settings, chosen, info)) is not None:
        notes.append(loss)
    if right or below:
        notes.append(
            f"the picture becomes {width + right}x{height + below}, not {width}x{height}: {name} in {chosen} needs an "
            "even size, so the last column or line is repeated; --pixel-format yuv444p keeps the size"
        )
    asked = settings.pixel_format is not None or settings.codec is not None
    plays = chosen in _PLAYED.get(name, ("yuv420p", "yuv420p10le"))
    if asked and not plays and must_play(settings, name, suffix, info):
        notes.append(f"many players, such as browsers and phones, do not play {name} in {chosen}")
    return Pixels(chosen, right, below, tuple(notes))


def _best(settings: EncodeSettings, name: str, suffix: str, info: VideoInfo, width: int, height: int) -> str:
    depth = min(depth for depth in depths(name) if depth >= bits(settings, name, suffix, info))
    end = "" if depth == 8 else f"{depth}le"
    wanted = "420" if must_play(settings, name, suffix, info) else info.chroma
    if name in ("h264", "hevc") and suffix not in MP4 and (width % 2 or height % 2):
        wanted = "444"  # the exact size
    richer = ("420", "422", "444")[("420", "422", "444").index(wanted) :]
    for chroma in (*richer, "422", "420"):
        if f"yuv{chroma}p{end}" in formats(name):
            return f"yuv{chroma}p{end}"
    raise RestillError(f"{name} has no format for {info.pix_fmt}; choose --codec ffv1")


def _loss(settings: EncodeSettings, chosen: str, info: VideoInfo) -> str | None:
    """A sentence on the bits and the chroma resolution that the output loses; None if it loses none."""
    fewer = []
    depth, shown = depth_of(chosen), info.bit_depth if info.kind == "video" else min(info.bit_depth, 10)
    if depth < shown:
        fewer.append(f"{depth} bits instead of {info.bit_depth}")
    if chosen[3:6] < info.chroma:
        half = {"420": "at half the resolution (4:2:0)", "422": "at half the width (4:2:2)"}
        fewer.append(f"color {half[chosen[3:6]]}")
    if not fewer:
        return None
    more = f"yuv{info.chroma}p{'' if shown == 8 else f'{min(shown, 12)}le'}"
    hint = "" if settings.pixel_format else f", which players decode; --pixel-format {more} keeps more"
    return f"the picture is stored with {' and '.join(fewer)}{hint}"
