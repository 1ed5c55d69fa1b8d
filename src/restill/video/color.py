"""YUV to RGB and back, by the file's own tags, so that going there and back changes nothing one can see."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

# The numbers are those of the ISO standard (ITU-T H.273), which FFmpeg and every container use.
BT709, UNSPECIFIED, SMPTE170M, BT2020 = 1, 2, 6, 9
_MATRIX = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
NAMES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
FULL, LIMITED = int(ColorRange.JPEG), int(ColorRange.MPEG)


@dataclass(frozen=True)
class ColorTags:
    """What a stream says of its colors, as H.273 numbers; 2 is "not said" (0 for the range)."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


def guessed_matrix(height: int) -> int:
    """What players take an untagged picture for: BT.709 from 720 lines on, BT.601 below."""
    return BT709 if height >= 720 else SMPTE170M


class Converter:
    """Converts frames of one stream between its YUV format and RGB, both ways with the same matrix and range.

    A converter belongs to one thread.

    Args:
        tags: The stream's color tags.
        height: Coded lines, from which an untagged matrix is guessed.
        deep: RGB is 16 bits a channel instead of 8.
    """

    def __init__(self, tags: ColorTags, height: int, deep: bool) -> None:
        known = tags.matrix if tags.matrix in _MATRIX else guessed_matrix(height)
        self._matrix = _MATRIX[known]
        self._range = ColorRange.JPEG if tags.range == FULL else ColorRange.MPEG
        self._format = "rgb48le" if deep else "gbrp"  # FFmpeg makes planes sooner than triples, of the same values
        # accurate rounding and full chroma take out a bias of one grey level; with 16 bits they only do harm
        fine = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        self._how = Interpolation.BICUBIC | (0 if deep else fine)
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """A decoded frame as (H, W, 3) RGB, uint8 or uint16 (full scale)."""
        rgb = self._reformatter.reformat(
            frame,
            format=self._format,
            src_colorspace=self._matrix,
            src_color_range=ColorRange.JPEG if frame.format.name.startswith("yuvj") else self._range,
            dst_color_range=ColorRange.JPEG,
            interpolation=self._how,
        )
        return rgb.to_ndarray()  # type: ignore[return-value]

    def from_rgb(self, frame: np.ndarray, pix_fmt: str) -> av.VideoFrame:
        """(H, W, 3) RGB, uint8 or uint16, as a frame of the given format."""
        rgb = av.VideoFrame.from_ndarray(frame, format="rgb48le" if frame.dtype == np.uint16 else "rgb24")
        return self._reformatter.reformat(
            rgb,
            format=pix_fmt,
            dst_colorspace=self._matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range,
            interpolation=self._how,
        )
