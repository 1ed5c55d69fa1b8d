"""Segments of an output, so that an interrupted job loses little: see :mod:`restill.video.journal`.

A segment of a video is some seconds of the picture, encoded independently of the others. Its packets are in a file with
a checksum. The last step joins the segments and the other streams of the source. A segment of a folder of frames is a
folder of some frames.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av

from restill.errors import RestillError
from restill.video.info import VideoInfo
from restill.video.segment_folder import SEGMENT_SUFFIX, SegmentFolder

FRAMES, FEWEST, PIXELS = 240, 24, 1280 * 720  # frames of a segment up to PIXELS; fewer for larger frames
FIRST = 48  # frames of the first segment, so that an early stop on a slow machine keeps something
_MAGIC = b"restill segment 1\n"
_PACKET = struct.Struct("<qqqqqBI")  # pts, dts, duration, time base, is a keyframe, bytes
_NONE = -(2**63)  # an unknown time


def segment_frames(height: int, width: int, number: int = 1) -> int:
    """The number of frames of a segment: 240; for frames above 1280x720 fewer, but at least 24; 48 in the first.

    Args:
        height: Lines of the source's frames.
        width: Pixels across.
        number: The number of the segment, from 0.
    """
    full = max(FEWEST, min(FRAMES, FRAMES * PIXELS // (height * width)))
    return full if number else min(FIRST, full)


def segment_start(height: int, width: int, number: int) -> int:
    """The number of frames before a segment; the arguments are those of :func:`segment_frames`."""
    return segment_frames(height, width, 0) + (number - 1) * segment_frames(height, width) if number else 0


def ends_segment(height: int, width: int, frames: int) -> bool:
    """Whether a segment ends after so many frames of the source."""
    return frames > 0 and (frames - segment_frames(height, width, 0)) % segment_frames(height, width) == 0


def kept_frames(journal_folder: Path, info: VideoInfo) -> int:
    """The number of frames in the segments of a journal, computed from the number of segments."""
    parts = sum(path.suffix == SEGMENT_SUFFIX for path in journal_folder.glob("*"))
    frames = segment_start(info.height, info.width, parts)
    return min(frames, info.expected_frames or frames)


@dataclass(frozen=True)
class Head:
    """The description at the end of a segment.

    Attributes:
        frames: The number of its frames.
        height: Lines of its frames, as stored.
        width: Pixels across.
        deep: Whether they had 16 bits.
        before: The mark (:func:`restill.video.seeking.mark`) of the source's frame before the first; None if unknown.
        last: The mark of the source's last frame; None if unknown.
    """

    frames: int
    height: int
    width: int
    deep: bool
    before: int | None = None
    last: int | None = None


class Writer:
    """Writes the packets of a segment to a file, which is complete after :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._check = 0
        self._file.write(_MAGIC)

    def write(self, packet: av.Packet) -> None:
        """Write one packet."""
        data, base = bytes(packet), packet.time_base
        times = [_NONE if time is None else time for time in (packet.pts, packet.dts, packet.duration)]
        self._write(_PACKET.pack(*times, base.numerator, base.denominator, packet.is_keyframe, len(data)) + data)

    def close(self, head: Head) -> None:
        """Write the description and flush the file to the disk."""
        text = json.dumps(vars(head)).encode()
        self._write(_PACKET.pack(_NONE, _NONE, _NONE, 0, 0, 0, len(text)) + text)
        self._file.write(struct.pack("<I", self._check))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close the unfinished file."""
        with suppress(OSError):  # the disk may be full
            self._file.close()

    def _write(self, data: bytes) -> None:
        self._check = zlib.crc32(data, self._check)
        self._file.write(data)


def read_segment(path: Path) -> Iterator[av.Packet | Head]:
    """Read the packets of a segment in order, then its description.

    Raises:
        RestillError: The file is damaged. This may be raised after some packets.
    """
    with path.open("rb") as file:
        check, whole = 0, path.stat().st_size

        def take(count: int) -> bytes:
            nonlocal check
            data = file.read(count)
            if len(data) != count:
                raise RestillError(f"'{path}' is cut off")
            check = zlib.crc32(data, check)
            return data

        if file.read(len(_MAGIC)) != _MAGIC:
            raise RestillError(f"'{path}' is not a segment of this version of restill")
        while True:
            pts, dts, duration, over, under, key, size = _PACKET.unpack(take(_PACKET.size))
            if size > whole:
                raise RestillError(f"'{path}' is damaged")
            data = take(size)
            if not under:
                break
            packet = av.Packet(data)
            packet.pts, packet.dts = (None if time == _NONE else time for time in (pts, dts))
            packet.duration = 0 if duration == _NONE else duration
            packet.time_base, packet.is_keyframe = Fraction(over, under), bool(key)
            yield packet
        expected = check
        if struct.unpack("<I", take(4)) != (expected,):
            raise RestillError(f"'{path}' is damaged")
        yield Head(**json.loads(data))


@dataclass(frozen=True)
class Finished:
    """The finished segments of a folder.

    Attributes:
        frames: The number of their frames.
        last: The mark of the source's last frame; None if unknown.
    """

    frames: int = 0
    last: int | None = None


def check_segments(folder: SegmentFolder, info: VideoInfo) -> Finished:
    """Read the finished segments of a folder. The first that is damaged, and all later ones, are removed.

    A segment must be whole, have the number of frames that belongs to its number unless it is the last, begin after
    the end of the one before, and come from the frame that follows in the source.

    Args:
        folder: The folder, of a whole job or a share.
        info: The source.
    """
    done, latest, short = Finished(), -math.inf, False
    for number, part in enumerate(folder.segments, folder.numbers.start):
        try:
            head, begin, end = _measured(part)
        except (RestillError, OSError, ValueError, TypeError):
            head, begin, end = None, 0.0, 0.0
        moved = head is not None and None not in (done.last, head.before) and done.last != head.before
        if head is None or short or moved or begin <= latest:
            folder.remove_from(number)
            break
        done, latest = Finished(done.frames + head.frames, head.last), end
        short = head.frames != segment_frames(info.height, info.width, number)
    return done


def _measured(part: Path) -> tuple[Head, float, float]:
    """Read a whole segment: its description, and the times in seconds of its first and its last frame."""
    if part.is_dir():
        return Head(sum(1 for _ in part.iterdir()), 0, 0, False), math.inf, -math.inf
    begin, end, head = math.inf, -math.inf, None
    for packet in read_segment(part):
        if isinstance(packet, Head):
            head = packet
        elif packet.pts is not None:
            time = float(packet.pts * packet.time_base)
            begin, end = min(begin, time), max(end, time)
    assert head is not None  # noqa: S101 - it comes last, or an error came
    return head, begin, end


def head_of(part: Path) -> Head:
    """Read a whole segment and return its description."""
    (head,) = deque(read_segment(part), maxlen=1)  # keeps one packet at a time
    assert isinstance(head, Head)  # noqa: S101 - it comes last, or an error came
    return head
