"""Motion search by the x264 encoder: it encodes a pair of small pictures, and a decoder gives its motion vectors."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.codec.context import CodecContext
from av.error import FFmpegError
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


def has_x264() -> bool:
    """Whether FFmpeg has the encoder."""
    return "libx264" in av.codecs_available


def export_vectors(context: CodecContext) -> None:
    """Let a decoder give its motion vectors with each frame."""
    context.flags2 |= EXPORT_VECTORS


def vectors_of(frame: av.VideoFrame) -> np.ndarray | None:
    """The motion vectors that the decoder gave with a frame, copied; None if there are none."""
    for side in frame.side_data:
        if side.type.name == "MOTION_VECTORS":
            return side.to_ndarray().copy()
    return None


class MotionSearch:
    """Finds the motion between two small pictures. Use it in one thread.

    Args:
        height, width: Size of the pictures, pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        self._encoder = av.VideoCodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height, self._encoder.pix_fmt = width + width % 2, height + height % 2, "gray"
        self._encoder.time_base, self._encoder.options, self._encoder.thread_count = Fraction(1, 25), OPTIONS, 1
        self._decoder = av.VideoCodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._decoder.flags |= av.codec.context.Flags.low_delay
        export_vectors(self._decoder)
        self._count = 0

    def vectors(self, picture: np.ndarray, before: np.ndarray) -> np.ndarray | None:
        """The motion vectors of a picture to the one before, (h, w) uint8 each; None if it found none."""
        found = None
        try:
            for one, kind in ((before, PictureType.I), (picture, PictureType.P)):
                frame = av.VideoFrame.from_ndarray(self._even(one), format="gray")
                frame.pts, frame.pict_type, self._count = self._count, kind, self._count + 1
                for packet in self._encoder.encode(frame):
                    for decoded in self._decoder.decode(packet):
                        found = vectors_of(decoded)
        except FFmpegError:
            return None
        return found

    def _even(self, picture: np.ndarray) -> np.ndarray:
        below, right = picture.shape[0] % 2, picture.shape[1] % 2
        return np.pad(picture, ((0, below), (0, right)), mode="edge") if below or right else picture
