"""The data that accompanies a frame from the input to the output."""

from __future__ import annotations

from dataclasses import dataclass

from restill.video.picture_extras import NOTHING, Extras


@dataclass(frozen=True)
class FrameInfo:
    """The data that accompanies a frame.

    Attributes:
        pts: Presentation time, in the source's time base.
        duration: How long it is shown, in the same unit; 0 if unknown.
        name: Its file name in a folder of results, such as ``000001.png``.
        file: The name of its picture file; empty for a frame of a video.
        extras: What its picture file contains besides pixels.
        mark: Its :func:`restill.video.seeking.mark`, if it ends a segment.
    """

    pts: int
    duration: int
    name: str
    file: str = ""
    extras: Extras = NOTHING
    mark: int | None = None
