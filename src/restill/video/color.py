"""Convert YUV to RGB and back by the color tags of the file, without a visible difference.

OpenCV converts 8 bits with 4:2:0 chroma, the format of nearly all files, because it is faster than FFmpeg. Its luma is
within one level of FFmpeg's, and it interpolates chroma slightly differently. FFmpeg converts all other formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from restill.planes import Planes

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
# weights of red and blue in luma, of each matrix (H.273, table 4)
_KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
NAMES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
FULL, LIMITED = int(ColorRange.JPEG), int(ColorRange.MPEG)


@dataclass(frozen=True)
class ColorTags:
    """The color tags of a stream as H.273 numbers; 2 is "unspecified" (0 for the range)."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


def guessed_matrix(height: int) -> int:
    """The matrix that players assume for an untagged picture: BT.709 from 720 lines on, BT.601 below."""
    return BT709 if height >= 720 else SMPTE170M


class Converter:
    """Converts frames of one stream between its YUV format and RGB, both ways with the same matrix and range.

    Use a converter in one thread only.

    Args:
        tags: The stream's color tags.
        height: Coded lines, from which an untagged matrix is guessed.
        deep: RGB has 16 bits per channel instead of 8.
    """

    def __init__(self, tags: ColorTags, height: int, deep: bool) -> None:
        known = tags.matrix if tags.matrix in _MATRIX else guessed_matrix(height)
        self._matrix = _MATRIX[known]
        self._known, self._full = known, tags.range == FULL
        self._range = ColorRange.JPEG if self._full else ColorRange.MPEG
        self._deep = deep
        self._format = "rgb48le" if deep else "gbrp"  # FFmpeg converts to planes faster, with the same values
        # accurate rounding and full chroma remove a bias of one gray level in 8 bits; with 16 bits they add errors
        fine = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        self._how = Interpolation.BICUBIC | (0 if deep else fine)
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert a decoded frame to (H, W, 3) RGB, uint8 or uint16 (full scale)."""
        if frame.format.name in ("yuv420p", "yuvj420p") and not self._deep:
            full = self._full or frame.format.name == "yuvj420p"
            return _to_rgb(frame, _matrices(self._known, full)[1])
        rgb = self._reformatter.reformat(
            frame,
            format=self._format,
            src_colorspace=self._matrix,
            src_color_range=ColorRange.JPEG if frame.format.name.startswith("yuvj") else self._range,
            dst_color_range=ColorRange.JPEG,
            interpolation=self._how,
        )
        return rgb.to_ndarray()  # type: ignore[return-value]

    def from_planes(self, frame: Planes) -> av.VideoFrame:
        """Copy planes to a frame in yuv420p."""
        height, width = frame.shape
        coded = av.VideoFrame(width, height, "yuv420p")
        for into, plane in zip(_planes(coded), (frame.y, frame.u, frame.v), strict=True):
            np.copyto(into, plane)
        return coded

    def from_rgb(self, frame: np.ndarray, pix_fmt: str) -> av.VideoFrame:
        """Convert (H, W, 3) RGB, uint8 or uint16, to a frame of the given format."""
        if pix_fmt == "yuv420p" and frame.dtype == np.uint8:
            return _from_rgb(frame, _matrices(self._known, self._full)[0])
        rgb = av.VideoFrame.from_ndarray(frame, format="rgb48le" if frame.dtype == np.uint16 else "rgb24")
        return self._reformatter.reformat(
            rgb,
            format=pix_fmt,
            dst_colorspace=self._matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range,
            interpolation=self._how,
        )


@cache
def _matrices(matrix: int, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """RGB to YUV and back, (3, 4) each, for values 0-255: three weights and an offset."""
    kr, kb = _KR_KB[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue, red = np.array([0, 0, 1]), np.array([1, 0, 0])
    weights = np.stack([luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))])
    zero = np.array([0 if full else 16, 128, 128])
    weights *= 1 if full else np.array([[219], [224], [224]]) / 255
    back = np.linalg.inv(weights)
    return np.column_stack([weights, zero]), np.column_stack([back, -back @ zero])


def has_planes(frame: av.VideoFrame, tags: ColorTags) -> bool:
    """Whether a frame has 8 bits, 4:2:0 chroma, and the range of its tags."""
    return frame.format.name == "yuv420p" or (frame.format.name == "yuvj420p" and tags.range == FULL)


def to_planes(frame: av.VideoFrame, tags: ColorTags, vectors: np.ndarray | None = None) -> Planes:
    """Views of a decoded frame of an even size. A frame of another format than the first is converted to yuv420p."""
    if not has_planes(frame, tags):
        whole = ColorRange.JPEG if tags.range == FULL else ColorRange.MPEG
        frame = frame.reformat(format="yuv420p", dst_color_range=whole)
    y, u, v = _planes(frame)
    return Planes(y, u, v, tags.range == FULL, vectors)


def _planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Views of the frame's memory: (H, W) and twice (ceil(H/2), ceil(W/2)), uint8."""
    return [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]  # type: ignore[arg-type]


def _to_rgb(frame: av.VideoFrame, matrix: np.ndarray) -> np.ndarray:
    luma, *chroma = _planes(frame)
    height, width = luma.shape
    even = (width + width % 2, height + height % 2)
    full = [cv2.resize(plane, even, interpolation=cv2.INTER_CUBIC)[:height, :width] for plane in chroma]
    return cv2.transform(cv2.merge([luma, *full]), matrix)


def _from_rgb(frame: np.ndarray, matrix: np.ndarray) -> av.VideoFrame:
    height, width = frame.shape[:2]
    coded = av.VideoFrame(width, height, "yuv420p")
    luma, *chroma = _planes(coded)
    yuv = cv2.transform(frame, matrix)  # (H, W, 3)
    cv2.extractChannel(yuv, 0, dst=luma)
    if height % 2 or width % 2:
        yuv = cv2.copyMakeBorder(yuv, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = cv2.resize(yuv, chroma[0].shape[::-1], interpolation=cv2.INTER_AREA)
    for channel, plane in enumerate(chroma, 1):
        cv2.extractChannel(half, channel, dst=plane)
    return coded
