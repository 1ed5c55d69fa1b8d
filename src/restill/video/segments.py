"""A file that is made in segments, so that little is lost when the job is cut off: see :mod:`restill.video.journal`.

A segment is some seconds of the picture, encoded for itself, so that one more or less changes no other. Its packets lie
in a file with a checksum; the last step puts them, and all else of the source, into the output. A folder of frames is
made in folders of some frames.
"""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from restill.errors import RestillError
from restill.video import pictures
from restill.video.copying import add_copied_stream, others
from restill.video.decode import Source, Ticket, VideoSource, open_source
from restill.video.encode import FolderSink, PictureEncoder, VideoSink
from restill.video.journal import Journal, sync
from restill.video.settings import EncodeSettings

FRAMES, FEWEST, PIXELS = 240, 24, 1280 * 720  # of a segment: so many at this size, fewer of larger frames
_MAGIC = b"restill segment 1\n"
_PACKET = struct.Struct("<qqqqqBI")  # pts, dts, duration, time base, is a keyframe, bytes
_NONE = -(2**63)  # a time that is not known
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


def segment_frames(height: int, width: int) -> int:
    """How many frames a segment has: 240, fewer of frames that are larger than 1280x720, at least 24."""
    return max(FEWEST, min(FRAMES, FRAMES * PIXELS // (height * width)))


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


class _Writer:
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


def frames_done(journal: Journal) -> int:
    """How many frames a journal's parts hold; a part that is damaged goes, and all after it."""
    done = 0
    for number, part in enumerate(journal.parts):
        try:
            done += _frames_of(part)
        except (RestillError, OSError, ValueError, TypeError):
            journal.drop(number)
            break
    return done


def _frames_of(part: Path) -> int:
    if part.is_dir():
        return sum(1 for _ in part.iterdir())
    return _head(part).frames


def _head(part: Path) -> Head:
    (head,) = deque(read_segment(part), maxlen=1)  # not all packets at once
    assert isinstance(head, Head)  # noqa: S101 - it comes last, or an error came
    return head


class SegmentSink:
    """A video file, made in segments: as :class:`restill.video.encode.VideoSink`, and what is done stays.

    Args:
        final: The name the file will get.
        source: Where the frames come from.
        settings: How to encode.
        journal: The output's, in which :func:`frames_done` has been looked for.

    Raises:
        RestillError: The settings do not fit the container or the input.
    """

    def __init__(self, final: Path, source: Source, settings: EncodeSettings, journal: Journal) -> None:
        self.final, self._source, self._settings, self._journal = final, source, settings, journal
        self._full = segment_frames(source.info.height, source.info.width)
        self._number = len(journal.parts)
        self._encoder = PictureEncoder(final, source, settings)  # refuses, before anything is done
        self._writer: _Writer | None = None
        self._frames, self._told = 0, False

    def write(self, frame: np.ndarray, ticket: Ticket) -> None:
        """Encode one frame (H, W, 3)."""
        frame = self._encoder.stored(frame)
        if self._writer is None:
            self._begin(frame)
        assert self._writer is not None  # noqa: S101
        for packet in self._encoder.encode(frame, ticket):
            self._writer.write(packet)
        self._frames += 1
        if self._frames == self._full:
            self._end()

    def write_packet(self, packet: av.Packet) -> None:
        """Other streams are read again at the end."""

    def close(self) -> None:
        """Put the segments together; the file has its final name then."""
        if self._writer is not None:
            self._end()
        head = _head(self._journal.parts[0])
        with closing(open_source(self._source.info.path, self._settings.frame_rate, self._source.limits)) as source:
            sink = VideoSink(self.final, source, self._settings, temporary=self._journal.whole(self.final.suffix))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # all was said at the first segment
                    sink.start(head.height, head.width, deep=head.deep)
                rest = _others(source) if isinstance(source, VideoSource) else iter(())
                for _, is_picture, packet in merge(self._coded(), rest, key=lambda one: one[0]):
                    (sink.write_coded if is_picture else sink.write_packet)(packet)
                sink.close()
            except BaseException:
                sink.abandon()
                raise

    def abandon(self) -> None:
        """Remove what is not whole."""
        if self._writer is not None:
            self._writer.abandon()
        self._journal.drop(self._number)

    def _begin(self, stored: np.ndarray) -> None:
        self._encoder = PictureEncoder(self.final, self._source, self._settings)
        # never written: a container of the output's kind, in which the encoder says what it would there
        self._memory = av.open(io.BytesIO(), "w", format=_FORMATS[self.final.suffix.lower()])
        self._height, self._width = stored.shape[:2]
        self._deep = stored.dtype == np.uint16
        self._encoder.start(self._memory, self._height, self._width, deep=self._deep)
        if not self._told:
            self._told = True
            for sentence in self._encoder.notes:
                warnings.warn(sentence, UserWarning, stacklevel=2)
            if isinstance(self._source, VideoSource):
                for stream in others(self._source.container, self._source.stream):
                    add_copied_stream(self._memory, stream)  # says what cannot be kept
        self._writer = _Writer(self._journal.unfinished(self._number))

    def _end(self) -> None:
        assert self._writer is not None  # noqa: S101
        for packet in self._encoder.flush():
            self._writer.write(packet)
        self._writer.close(Head(self._frames, self._height, self._width, self._deep))
        self._memory.close()
        self._journal.keep(self._number)
        self._writer, self._frames, self._number = None, 0, self._number + 1

    def _coded(self) -> Iterator[_Timed]:
        last = None
        for part in self._journal.parts:
            for packet in read_segment(part):
                if isinstance(packet, Head):
                    continue
                if packet.dts is not None:
                    if last is not None and packet.dts <= last:
                        packet.dts = last + 1  # uneven times: an encoder that begins anew reaches further back
                    last = packet.dts
                yield _seconds(packet), True, packet


_Timed = tuple[float, bool, av.Packet]  # (seconds, whether it is of the picture, packet)


def _others(source: VideoSource) -> Iterator[_Timed]:
    latest = float("-inf")
    for packet in source.other_packets():
        latest = max(latest, _seconds(packet, latest))
        yield latest, False, packet


def _seconds(packet: av.Packet, unknown: float = 0.0) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return unknown if time is None or not packet.time_base else float(time * packet.time_base)


class FolderSegmentSink:
    """A folder of PNG frames, made in folders of some frames each; what is done stays."""

    def __init__(self, final: Path, source: Source, journal: Journal) -> None:
        self.final, self._journal = final, journal
        self._full = segment_frames(source.info.height, source.info.width)
        self._number, self._frames = len(journal.parts), 0

    def write(self, frame: np.ndarray, ticket: Ticket) -> None:
        """Write one frame (H, W, 3)."""
        folder = self._journal.unfinished(self._number)
        folder.mkdir(exist_ok=True)
        pictures.write_picture(folder / f"{ticket.name}.png", frame)
        self._frames += 1
        if self._frames == self._full:
            self._end(folder)

    def write_packet(self, packet: av.Packet) -> None:
        """A folder holds no other streams."""

    def close(self) -> None:
        """Give the frames their final place; other files that are there already stay."""
        if self._frames:
            self._end(self._journal.unfinished(self._number))
        sink = FolderSink(self.final, self._journal.whole(""))
        try:
            for part in self._journal.parts:
                for file in part.iterdir():
                    sink.take(file)
            sink.close()
        except BaseException:
            sink.abandon()
            raise

    def abandon(self) -> None:
        """Remove what is not whole."""
        self._journal.drop(self._number)

    def _end(self, folder: Path) -> None:
        for file in folder.iterdir():
            sync(file)
        sync(folder)
        self._journal.keep(self._number)
        self._frames, self._number = 0, self._number + 1


Segments = SegmentSink | FolderSegmentSink


def open_segments(final: Path, source: Source, settings: EncodeSettings, journal: Journal) -> Segments:
    """Choose by the output's name: a folder (no extension), or a video."""
    if final.is_dir() or not final.suffix:
        return FolderSegmentSink(final, source, journal)
    return SegmentSink(final, source, settings, journal)
