"""A file that is made in segments, so that little is lost when the job is cut off: see :mod:`restill.video.journal`.

A segment is some seconds of the picture, encoded for itself, so that one more or less changes no other. Its packets lie
in a file with a checksum; the last step puts them, and all else of the source, into the output. A folder of frames is
made in folders of some frames.
"""

from __future__ import annotations

import json
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

FRAMES, FEWEST, PIXELS = 240, 24, 1280 * 720  # of a segment: so many at this size, fewer of larger frames
FIRST = 48  # frames of the first segment: an early stop on a slow machine keeps something, too
_MAGIC = b"restill segment 1\n"
_PACKET = struct.Struct("<qqqqqBI")  # pts, dts, duration, time base, is a keyframe, bytes
_NONE = -(2**63)  # a time that is not known


def segment_frames(height: int, width: int, number: int = 1) -> int:
    """How many frames a segment has: 240, fewer of frames that are larger than 1280x720, at least 24; the first has 48.

    Args:
        height: Lines of the source's frames.
        width: Pixels across.
        number: Which segment it is, from 0.
    """
    full = max(FEWEST, min(FRAMES, FRAMES * PIXELS // (height * width)))
    return full if number else min(FIRST, full)


def kept_frames(journal_folder: Path, info: VideoInfo) -> int:
    """How many frames the parts of a journal hold, by their number; nothing is read."""
    parts = sum(path.suffix == SEGMENT_SUFFIX for path in journal_folder.glob("*"))
    frames = sum(segment_frames(info.height, info.width, number) for number in range(parts))
    return min(frames, info.expected_frames or frames)


@dataclass(frozen=True)
class Head:
    """What a segment says of itself.

    Attributes:
        frames: How many it holds.
        height: Lines of its frames, as stored.
        width: Pixels across.
        deep: They had 16 bits.
    """

    frames: int
    height: int
    width: int
    deep: bool


class Writer:
    """A segment's packets, into a file that is whole once it is closed without an error."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._check = 0
        self._file.write(_MAGIC)

    def write(self, packet: av.Packet) -> None:
        """One packet."""
        data, base = bytes(packet), packet.time_base
        times = [_NONE if time is None else time for time in (packet.pts, packet.dts, packet.duration)]
        self._write(_PACKET.pack(*times, base.numerator, base.denominator, packet.is_keyframe, len(data)) + data)

    def close(self, head: Head) -> None:
        """The end, onto the disk."""
        text = json.dumps(vars(head)).encode()
        self._write(_PACKET.pack(_NONE, _NONE, _NONE, 0, 0, 0, len(text)) + text)
        self._file.write(struct.pack("<I", self._check))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):  # what is still to be written may be what the disk has no room for
            self._file.close()

    def _write(self, data: bytes) -> None:
        self._check = zlib.crc32(data, self._check)
        self._file.write(data)


def read_segment(path: Path) -> Iterator[av.Packet | Head]:
    """A segment's packets in their order, then its head.

    Raises:
        RestillError: The file is not what was written; this may come after packets.
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
            raise RestillError(f"'{path}' is no segment of this version of restill")
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


def frames_done(folder: SegmentFolder) -> int:
    """How many frames a journal's parts hold; a part that is damaged goes, and all after it."""
    done = 0
    for number, part in enumerate(folder.segments):
        try:
            done += _frames_of(part)
        except (RestillError, OSError, ValueError, TypeError):
            folder.remove_from(number)
            break
    return done


def _frames_of(part: Path) -> int:
    if part.is_dir():
        return sum(1 for _ in part.iterdir())
    return head_of(part).frames


def head_of(part: Path) -> Head:
    """What a segment says of itself, once all of it was read."""
    (head,) = deque(read_segment(part), maxlen=1)  # not all packets at once
    assert isinstance(head, Head)  # noqa: S101 - it comes last, or an error came
    return head
