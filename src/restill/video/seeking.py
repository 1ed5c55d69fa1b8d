"""The key frames of a video by their numbers, so that a job can begin anywhere and still count its frames.

A seek goes to a time, and says nothing about the number of the frame there. The times of all packets of the picture
tell it, without decoding, if the file is regular: each packet has a time of its own, and its clock is never reset.
Whether a decoder gives one frame for each packet is not known before it decodes. So whoever uses these numbers
compares :func:`mark` of one frame with what was decoded before.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from restill.planes import Frame, Planes
from restill.video.limits import USUAL, Limits
from restill.video.opening import first_stream, open_video
from restill.video.timing import Timeline


@dataclass(frozen=True)
class KeyFrame:
    """A frame from which decoding can begin.

    Attributes:
        number: Its number, from 0.
        time: Its time, in the source's time base.
    """

    number: int
    time: int


@dataclass(frozen=True)
class KnownFrame:
    """A frame that was decoded before.

    Attributes:
        number: Its number, from 0.
        mark: Its :func:`mark`.
    """

    number: int
    mark: int


@dataclass(frozen=True)
class Index:
    """The frames of a video.

    Attributes:
        frames: Their number.
        keys: The key frames, in order.
    """

    frames: int
    keys: tuple[KeyFrame, ...]

    def before(self, number: int) -> KeyFrame:
        """The last key frame at or before a frame."""
        return self.keys[max(0, bisect_right(self.keys, number, key=lambda key: key.number) - 1)]


def read_index(path: Path, limits: Limits = USUAL) -> Index | None:
    """Read the packets of a video, without decoding them; None if the file is not regular.

    Raises:
        RestillError: The file cannot be opened.
    """
    with closing(open_video(path, limits)) as container:
        try:
            found = list(_times(container, first_stream(path, container)))
        except (FFmpegError, OSError, _IsIrregular):
            return None
    found.sort()
    times = [time for time, _ in found]
    if not found or not found[0][1] or len(set(times)) < len(times):
        return None
    return Index(len(found), tuple(KeyFrame(number, time) for number, (time, is_key) in enumerate(found) if is_key))


def mark(frame: Frame, time: int) -> int:
    """A checksum of a frame's pixels and its time."""
    check = zlib.crc32(str(time).encode())
    for plane in (frame.y, frame.u, frame.v) if isinstance(frame, Planes) else (frame,):
        check = zlib.crc32(np.ascontiguousarray(plane).tobytes(), check)
    return check


class _IsIrregular(Exception):
    """The numbers of the frames cannot be told from the packets."""


def _times(container: InputContainer, picture: VideoStream) -> Iterator[tuple[int, bool]]:
    """The time of each packet of the picture, and whether it is a key frame."""
    timeline, moved = Timeline.of(container, picture), None
    for packet in container.demux():
        if not packet.size:
            continue
        time = packet.pts
        timeline.place(packet)
        if packet.stream is not picture:
            continue
        if time is None or packet.pts is None or packet.is_corrupt or packet.is_discard or timeline.resets:
            raise _IsIrregular
        moved = packet.pts - time if moved is None else moved
        if packet.pts - time != moved:
            raise _IsIrregular
        yield packet.pts, packet.is_keyframe
