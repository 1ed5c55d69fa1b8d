"""Write a video in segments: first the picture, then all other streams of the source in the last step."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from heapq import merge
from pathlib import Path

import av
import numpy as np

from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.planes import Frame
from restill.video.copying import described
from restill.video.decode import FrameInfo, Source, VideoSource
from restill.video.disk import beside, sync
from restill.video.encoder import PictureEncoder
from restill.video.mux import Failure, Muxer, failure_reason, ffmpeg_errors, is_of_the_disk
from restill.video.readback import left_out
from restill.video.segment_folder import SegmentFolder
from restill.video.segments import Head, Writer, head_of, read_segment, segment_frames
from restill.video.settings import MUXERS, EncodeSettings
from restill.video.trial import can_reopen, plan

_LEAST_FIRST = (
    "data",
    "attachment",
    "subtitle",
    "video",
    "audio",
)  # the order to leave streams out if the failing one is unknown


class SegmentSink:
    """Writes a video file in segments, which stay in their folder until the file is complete.

    Args:
        final: The path of the finished file.
        source: The source of the frames.
        settings: How to encode.
        parts: The folder of the segments, checked by :func:`restill.video.segments.check_segments`. If it is of a share
            of the job, the segments are not joined. None makes one segment in a temporary folder, for a job that cannot
            be continued.
        clock: Measures "color back" (from RGB) and "encode".

    Raises:
        RestillError: The settings do not fit the container or the input, or a trial of the output fails.
    """

    def __init__(
        self,
        final: Path,
        source: Source,
        settings: EncodeSettings,
        parts: SegmentFolder | None,
        clock: Clock = NO_CLOCK,
    ) -> None:
        self.final, self._source, self._settings, self._clock = final, source, settings, clock
        settings.choose_codec(final, source.info)  # raises before any work
        self._plan = plan(final, source, settings)
        self._size = source.info.height, source.info.width
        self._folder = _scratch(final) if parts is None else parts
        self._kept = parts is not None
        self._number = self._folder.next
        self._encoder = self._new_encoder()
        self._writer: Writer | None = None
        self._frames, self._warned = 0, False
        self.before: int | None = None  # the mark of the source's frame before the segment
        self._last: int | None = None
        self._spools: dict[int, Writer] = {}

    @property
    def one_pass(self) -> bool:
        """Whether the source can be read only once: :meth:`write_packet` must get the packets of other streams."""
        return isinstance(self._source, VideoSource) and not can_reopen(self._source)

    def write_packet(self, packet: av.Packet) -> None:
        """Keep a packet of another stream, for a source that can be read only once."""
        if packet.stream_index in self._plan.ways:
            if packet.stream_index not in self._spools:
                self._folder.path.mkdir(exist_ok=True)
                self._spools[packet.stream_index] = Writer(self._spool(packet.stream_index))
            self._spools[packet.stream_index].write(packet)

    @property
    def takes_planes(self) -> bool:
        """Whether :meth:`write` takes planes, for a source that has them."""
        return self._encoder.takes_planes

    def write(self, frame: Frame, ticket: FrameInfo) -> None:
        """Encode one frame (H, W, 3), or its planes."""
        frame = self._encoder.stored(frame)
        if self._writer is None:
            self._begin(frame)
        assert self._writer is not None  # noqa: S101
        for packet in self._encoder.encode(frame, ticket):
            self._writer.write(packet)
        self._frames, self._last = self._frames + 1, ticket.mark
        if self._kept and self._frames == segment_frames(*self._size, self._number):
            self._end()

    def close(self) -> None:
        """Join the segments into the finished file. A stream that fails is left out, and a warning names it."""
        if self._writer is not None:
            self._end()
        if self._folder.is_share:
            return
        for spool in self._spools.values():
            spool.close(Head(0, 0, 0, False))
        if isinstance(self._source, VideoSource) and (late := self._source.seen - self._source.info.sides.keys()):
            warnings.warn(left_out(late, self.final.suffix.lower()), UserWarning, stacklevel=2)
        ways = dict(self._plan.ways)
        with self._clock("encode"):
            while (failed := self._join(ways)) is not None:
                del ways[failed]
        if not self._kept:
            self._folder.remove()

    def abandon(self) -> None:
        """Remove the unfinished segment."""
        for writer in (self._writer, *self._spools.values()):
            if writer is not None:
                writer.abandon()
        if self._kept:
            self._folder.remove_from(self._number)
        else:
            self._folder.remove()

    def _new_encoder(self, clock: Clock = NO_CLOCK) -> PictureEncoder:
        return PictureEncoder(self.final, self._source, self._settings, clock, timecode=self._plan.timecode)

    def _begin(self, stored: Frame) -> None:
        if not self._warned:
            self._warned = True
            for sentence in (*self._encoder.notes, *self._plan.notes):
                warnings.warn(sentence, UserWarning, stacklevel=2)
        self._encoder = self._new_encoder(self._clock)
        # a container of the output's format in memory, never written: it configures the encoder
        self._memory = av.open(io.BytesIO(), "w", format=MUXERS[self.final.suffix.lower()])
        self._height, self._width = stored.shape[:2]
        self._deep = isinstance(stored, np.ndarray) and stored.dtype == np.uint16
        self._encoder.start(self._memory, self._height, self._width, deep=self._deep)
        self._folder.path.mkdir(exist_ok=True)
        self._writer = Writer(self._folder.unfinished(self._number))

    def _end(self) -> None:
        assert self._writer is not None  # noqa: S101
        for packet in self._encoder.flush():
            self._writer.write(packet)
        self._writer.close(Head(self._frames, self._height, self._width, self._deep, self.before, self._last))
        self.before = self._last
        self._memory.close()
        self._folder.finish_segment(self._number)
        self._writer, self._frames, self._number = None, 0, self._number + 1

    def _join(self, ways: Mapping[int, str]) -> int | None:
        """Make the file; or return the index of a stream that fails, after a warning that names it."""
        info, head = self._source.info, head_of(self._folder.segments[0])
        whole, suffix = self._folder.joined(self.final.suffix), self.final.suffix.lower()
        with ExitStack() as stack:
            source = self._source
            if isinstance(source, VideoSource) and not self.one_pass:
                source = stack.enter_context(closing(VideoSource(info.path, source.limits)))
            container, picture = (source.container, source.stream) if isinstance(source, VideoSource) else (None, None)
            with ffmpeg_errors() as sentences:
                muxer = Muxer(
                    str(whole), suffix, info, self._new_encoder(), container, picture, ways, self._plan.covers
                )
                try:
                    muxer.start(head.height, head.width, deep=head.deep)
                    for _, index, packet in merge(self._coded(), *self._rest(source, ways), key=lambda one: one[0]):
                        if index is None:
                            muxer.write_picture(packet)
                        else:
                            muxer.write_other(index, packet)
                    muxer.close()
                except BaseException as error:
                    muxer.abandon()
                    whole.unlink(missing_ok=True)
                    if not isinstance(error, Failure) or is_of_the_disk(error) or not ways:
                        raise
                    failed = error
                else:
                    failed = None
            if failed is None:
                sync(whole)  # before the journal is removed
                whole.replace(self.final)
                sync(self.final.absolute().parent)
                return None
            assert container is not None  # noqa: S101 - pictures have no other streams
            index = muxer.culprit(sentences)
            if index is None or index not in ways:
                index = min(ways, key=lambda one: _LEAST_FIRST.index(container.streams[one].type))
            warnings.warn(
                f"{described(container.streams[index])} is left out: it fails at the end of the file "
                f"({failure_reason(failed, sentences)})",
                UserWarning,
                stacklevel=3,
            )
            return index

    def _rest(self, source: Source, ways: Mapping[int, str]) -> list[Iterator[_Timed]]:
        """The packets of the other streams, from the source or from where :meth:`write_packet` kept them."""
        if self.one_pass:
            return [_steady(self._spooled(index), index) for index in ways if index in self._spools]
        return [_steady(_undamaged(source.other_packets()))] if isinstance(source, VideoSource) and ways else []

    def _spool(self, index: int) -> Path:
        return self._folder.path / f"stream-{index}"

    def _spooled(self, index: int) -> Iterator[av.Packet]:
        return (packet for packet in read_segment(self._spool(index)) if isinstance(packet, av.Packet))

    def _coded(self) -> Iterator[_Timed]:
        last = None
        for part in self._folder.segments:
            for packet in read_segment(part):
                if isinstance(packet, Head):
                    continue
                if packet.dts is not None:
                    if last is not None and packet.dts <= last:
                        packet.dts = last + 1  # uneven times: each segment's encoder begins with an earlier dts
                    last = packet.dts
                yield _seconds(packet), None, packet


_Timed = tuple[float, int | None, av.Packet]  # (seconds, index of the stream, or None of the picture, packet)


def _steady(packets: Iterable[av.Packet], index: int | None = None) -> Iterator[_Timed]:
    """Pair packets with times that never decrease."""
    latest = float("-inf")
    for packet in packets:
        latest = max(latest, _seconds(packet, latest))
        yield latest, packet.stream_index if index is None else index, packet


def _undamaged(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """The packets before a damaged part. The picture is complete by now, so damage here must not lose it."""
    try:
        yield from packets
    except RestillError as error:
        warnings.warn(f"{error}; sound and other streams of the output end there", UserWarning, stacklevel=2)


def _seconds(packet: av.Packet, unknown: float = 0.0) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return unknown if time is None or not packet.time_base else float(time * packet.time_base)


def _scratch(final: Path) -> SegmentFolder:
    folder = beside(final, f".partial-{os.getpid()}")
    return SegmentFolder(folder.with_name(f".{folder.name}"))
