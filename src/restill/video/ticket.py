"""What a frame carries from the input to the output beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from restill.video.picture_extras import NOTHING, Extras


@dataclass(frozen=True)
class FrameInfo:
    """What a frame carries beside its pixels.

    Attributes:
        pts: Time of presentation, in the source's time base.
        duration: How long it is shown, in the same unit; 0 when nobody knows.
        name: The name of its file in a folder of results, such as ``000001.png``.
        file: The name of its picture file; empty for a video's frame.
        extras: What its picture file holds beside the pixels.
    """

    pts: int
    duration: int
    name: str
    file: str = ""
    extras: Extras = NOTHING
