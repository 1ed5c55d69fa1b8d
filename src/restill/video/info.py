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
    """What a source holds.

    Attributes:
        path: The file or folder.
        kind: "video", "folder", "picture", or "animation": one picture file that holds several.
        width: Pixels across, as displayed.
        height: Lines, as displayed.
        coded_width: Pixels across, as stored (differs when the picture is turned by a quarter).
        coded_height: Lines, as stored.
        frames: How many frames, when the file says so.
        duration: Seconds, when the file says so.
        fps: Frames a second on average, when it can be known.
        time_base: The unit of the timestamps, in seconds.
        codec: FFmpeg's name of the decoder.
        codec_family: FFmpeg's name of the codec, whatever decodes it, such as "av1".
        pix_fmt: FFmpeg's name of the pixel format.
        bit_depth: Bits a channel.
        chroma: "420", "422" or "444".
        alone: Each frame is a picture of its own, which has nothing in common with its neighbors.
        lost: Sentences on what no output can keep of the picture, such as its transparency.
        sides: The side data of the first frame, see :mod:`restill.video.sidedata`.
        matrix: The display matrix, nine integers, or None.
        orientation: How frames are turned to stand upright.
        sample_aspect: Width of a pixel over its height, or None.
        color: The color tags.
        streams: How many streams of each other type there are, such as {"audio": 1}.
        chapters: The chapters, as PyAV gives them.
        metadata: The file's own tags.
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
        """By how many degrees clockwise a player turns the stored picture."""
        return self.orientation.degrees

    @property
    def is_rgb(self) -> bool:
        """Pixels are stored as RGB (or a palette of it), so the matrix and range tags say nothing."""
        return self.pix_fmt == "pal8" or av.VideoFormat(self.pix_fmt).is_rgb

    @property
    def expected_frames(self) -> int | None:
        """The number of frames, or an estimate of it from the duration."""
        if self.frames is None and self.duration and self.fps:
            return max(1, round(self.duration * self.fps))
        return self.frames
