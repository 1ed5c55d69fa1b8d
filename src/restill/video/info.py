"""What a video, a folder of frames or a picture contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from restill.video.color import ColorTags
from restill.video.orientation import Orientation

DEFAULT_FPS = Fraction(25)


@dataclass(frozen=True)
class VideoInfo:
    """A description of a source.

    Attributes:
        path: The file or folder.
        kind: "video", "folder", "picture", or "animation" (one picture file with several pictures).
        width: Pixels across, as displayed.
        height: Lines, as displayed.
        coded_width: Pixels across, as stored (differs if the picture is rotated by 90 or 270 degrees).
        coded_height: Lines, as stored.
        frames: The number of frames; None if the file does not say.
        duration: Seconds; None if the file does not say.
        fps: Average frames per second; None if unknown.
        time_base: The unit of the timestamps, in seconds.
        codec: FFmpeg's name for the decoder.
        codec_family: FFmpeg's name for the codec, such as "av1"; the same for all its decoders.
        pix_fmt: FFmpeg's name for the pixel format.
        bit_depth: Bits per channel.
        chroma: "420", "422" or "444".
        alone: Whether the frames are unrelated pictures, each restored without its neighbors.
        lost: Sentences that name what no output can keep of the picture, such as transparency.
        sides: The side data of the first frame, see :mod:`restill.video.sidedata`.
        matrix: The display matrix, nine integers, or None.
        orientation: How to turn the frames upright.
        sample_aspect: Width of a pixel divided by its height, or None.
        color: The color tags.
        streams: The number of other streams by type, such as {"audio": 1}.
        chapters: The chapters, in PyAV's form.
        metadata: The tags of the file.
    """

    path: Path
    kind: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    frames: int | None
    duration: float | None
    fps: Fraction | None
    time_base: Fraction
    codec: str
    pix_fmt: str
    bit_depth: int
    codec_family: str = ""
    chroma: str = "444"
    sides: dict[str, bytes] = field(default_factory=dict)
    alone: bool = False
    lost: tuple[str, ...] = ()
    matrix: tuple[int, ...] | None = None
    orientation: Orientation = field(default_factory=Orientation)
    sample_aspect: Fraction | None = None
    color: ColorTags = field(default_factory=ColorTags)
    streams: dict[str, int] = field(default_factory=dict)
    chapters: list[Any] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def rotation(self) -> int:
        """How many degrees clockwise a player rotates the stored picture."""
        return self.orientation.degrees

    @property
    def is_rgb(self) -> bool:
        """Whether pixels are stored as RGB or an RGB palette. The matrix and range tags have no meaning then."""
        return self.pix_fmt == "pal8" or av.VideoFormat(self.pix_fmt).is_rgb

    @property
    def expected_frames(self) -> int | None:
        """The number of frames, or an estimate of it from the duration."""
        if self.frames is None and self.duration and self.fps:
            return max(1, round(self.duration * self.fps))
        return self.frames
