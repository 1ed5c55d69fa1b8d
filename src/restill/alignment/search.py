"""Motion search by the x264 encoder: it encodes a pair of small pictures, and a decoder gives its motion vectors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext, Flags
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import PictureType

EXPORT_VECTORS = 1 << 28  # AV_CODEC_FLAG2_EXPORT_MVS
# A quantizer that keeps the picture, and nothing that only saves bits. No state reaches the next pair: each begins with
# a key frame, so a field is a function of two pictures.
OPTIONS = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "forced-idr": "1",
    "bf": "0",
    "refs": "1",
    "g": "2",
    "sc_threshold": "0",
    "x264-params": "qp=24:me=hex:subme=2:partitions=p8x8:weightp=0:aq-mode=0:scenecut=0:keyint=2:min-keyint=2",
}


@cache
def has_x264() -> bool:
    """Whether FFmpeg has the encoder."""
    return "libx264" in av.codecs_available


def export_vectors(context: CodecContext) -> None:
    """Let a decoder give its motion vectors with each frame."""
    context.flags2 |= EXPORT_VECTORS


def side_data(frame: av.VideoFrame) -> Any:
    """The side data of a frame, without the cycle with the frame that PyAV's own property makes.

    A frame in a cycle stays in memory until Python looks for cycles, and hundreds of frames come before it does.
    """
    return SideDataContainer(frame)  # pyright: ignore[reportCallIssue]  # its stub has no arguments


def vectors_of(frame: av.VideoFrame) -> np.ndarray | None:
    """The motion vectors that the decoder gave with a frame, copied; None if there are none."""
    for side in side_data(frame):
        if side.type.name == "MOTION_VECTORS":
            return side.to_ndarray().copy()
    return None


CAMERA = {
    "preset": "veryfast",
    "crf": "23",
    "tune": "zerolatency",
    "bf": "0",
    "refs": "1",
    "g": "1000",
    "sc_threshold": "0",
    "x264-params": "weightp=0",
}


def camera_vectors(lumas: Sequence[np.ndarray]) -> list[np.ndarray | None]:
    """The motion vectors that a camera's encoder would write for frames.

    Args:
        lumas: Their brightness, (H, W) uint8 each.

    Returns:
        The vectors of each; None for the first, and for all where FFmpeg has no x264.
    """
    found: list[np.ndarray | None] = [None] * len(lumas)
    if not has_x264():
        return found
    coder = _Coder(lumas[0].shape[0], lumas[0].shape[1], CAMERA)
    for t, luma in enumerate(lumas):
        found[t] = coder.vectors(luma)
    return found


class _Coder:
    """An encoder and a decoder that gives its motion vectors, for gray pictures of one size."""

    def __init__(self, height: int, width: int, options: dict[str, str]) -> None:
        self._below, self._right = height % 2, width % 2
        self._encoder: Any = av.CodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = width + self._right, height + self._below
        self._encoder.pix_fmt, self._encoder.time_base = "gray", Fraction(1, 25)
        self._encoder.options, self._encoder.thread_count = options, 1
        self._decoder: Any = av.CodecContext.create("h264", "r")
        self._decoder.flags, self._decoder.thread_count = self._decoder.flags | Flags.low_delay, 1
        export_vectors(self._decoder)
        self._count = 0

    def vectors(self, picture: np.ndarray, kind: PictureType = PictureType.NONE) -> np.ndarray | None:
        """The motion vectors of the next picture; None if it has none."""
        if self._below or self._right:
            picture = np.pad(picture, ((0, self._below), (0, self._right)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
        frame.pts, frame.pict_type, self._count = self._count, kind, self._count + 1
        found = None
        for packet in self._encoder.encode(frame):
            for decoded in self._decoder.decode(packet):
                found = vectors_of(decoded)
        return found


class MotionSearch:
    """Finds the motion between two small pictures. Use it in one thread.

    Args:
        height, width: Size of the pictures, pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self._coder = _Coder(height, width, OPTIONS)

    def vectors(self, picture: np.ndarray, before: np.ndarray) -> np.ndarray | None:
        """The motion vectors of a picture to the one before, (h, w) uint8 each; None if it found none."""
        self._coder.vectors(before, PictureType.I)
        return self._coder.vectors(picture, PictureType.P)
