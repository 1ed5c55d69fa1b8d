"""Frames of a camera, made ready for a model: 8 bits, one size, upright."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from restill.alignment.search import vectors_of
from restill.errors import RestillError
from restill.planes import Frame
from restill.video.color import FULL, ColorTags, Converter, has_planes, to_planes
from restill.video.orientation import Orientation


@dataclass(frozen=True)
class Ticket:
    """What goes with a frame from the camera to the target.

    Attributes:
        due: When it was due, on the clock of :func:`time.monotonic`.
        time: Its time in the output, seconds.
        number: Its number; one is missing where a frame was dropped.
        begins: Whether it has nothing in common with the frames before, such as the first one after a pause.
    """

    due: float
    time: float
    number: int
    begins: bool = False


@dataclass(frozen=True)
class Picture:
    """What a camera sends.

    Attributes:
        width: Pixels across.
        height: Lines.
        fps: Frames per second; None if it does not say.
        codec: FFmpeg's name of the decoder.
        color: The color tags of its first frame.
        sample_aspect: Width of a pixel divided by its height, or None.
    """

    width: int
    height: int
    fps: Fraction | None
    codec: str
    color: ColorTags
    sample_aspect: Fraction | None = None


@dataclass(frozen=True)
class Size:
    """The size that ``--size`` asks for.

    Attributes:
        height: Lines.
        width: Pixels across; None keeps the shape of the picture.
    """

    height: int
    width: int | None = None

    @classmethod
    def of(cls, text: str) -> Size:
        """Read "720" or "1280x720".

        Raises:
            RestillError: It is neither.
        """
        parts = text.lower().split("x")
        if len(parts) > 2 or not all(part.isdecimal() and 32 <= int(part) <= 16384 for part in parts):
            raise RestillError(f"size '{text}' is not a number of lines such as 720, or a size such as 1280x720")
        return cls(int(parts[-1]), int(parts[0]) if len(parts) == 2 else None)


def working_size(picture: Picture, size: Size | None) -> tuple[int, int]:
    """(height, width) of the frames to restore: both even, as planes need it."""
    height = picture.height if size is None else size.height
    width = picture.width if size is None else size.width or picture.width * height / picture.height
    return max(2, height // 2 * 2), max(2, round(width / 2) * 2 if size else picture.width // 2 * 2)


class Maker:
    """Makes frames ready. Use it in one thread.

    Args:
        size: (height, width) of the frames, before they are turned.
        color: The color tags of the camera.
        rotate: Degrees clockwise: 0, 90, 180 or 270.
        planes: Make :class:`restill.planes.Planes`; otherwise RGB.
    """

    def __init__(self, size: tuple[int, int], color: ColorTags, rotate: int, *, planes: bool) -> None:
        self._size, self._color, self._planes = size, color, planes
        self._orientation = Orientation().clockwise(rotate)
        self._range = ColorRange.JPEG if color.range == FULL else ColorRange.MPEG
        self._reformatter = VideoReformatter()
        self._converter = Converter(color, size[0], deep=False)

    def __call__(self, frame: av.VideoFrame, *, vectors: bool) -> Frame:
        """A decoded frame as planes, or as RGB (H, W, 3) uint8.

        Args:
            frame: The frame, of any size and format.
            vectors: The motion vectors that the decoder gave point to the frame before.
        """
        height, width = self._size
        if (frame.height, frame.width) != self._size or not has_planes(frame, self._color):
            vectors = False
            frame = self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="yuv420p",
                src_color_range=None if frame.format.name.startswith("yuvj") else self._range,
                dst_color_range=self._range,
                interpolation=Interpolation.AREA,
            )
        if not self._planes:
            return self._orientation.upright(self._converter.to_rgb(frame))
        if self._orientation != Orientation():
            return to_planes(frame, self._color).each(self._orientation.upright)
        return to_planes(frame, self._color, vectors_of(frame) if vectors else None)


def without_vectors(frame: Frame) -> Frame:
    """A frame whose motion vectors do not point to the frame that it will follow."""
    return frame if isinstance(frame, np.ndarray) else replace(frame, vectors=None)
