"""Test an output before the work: write a few packets of each stream to memory and read them back.

This finds what the muxer refuses before the first frame, not after the last. Each stream of the source is copied. If
the container cannot hold it, audio is re-encoded and other streams are left out. A note names each change.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from restill.errors import RestillError
from restill.video import sound
from restill.video.copying import ATTACH, COPY, described, is_cover, is_video, others
from restill.video.decode import FrameInfo, Source, VideoSource
from restill.video.encoder import PictureEncoder
from restill.video.mux import Failure, Muxer, failure_reason, ffmpeg_errors, is_of_the_disk
from restill.video.opening import first_stream, open_video
from restill.video.packets import read_packets
from restill.video.readback import lost, read_back
from restill.video.settings import MUXERS, EncodeSettings

_PACKETS = 4  # packets per stream: enough for the checks of a muxer
_MOST_PACKETS, _MOST_BYTES = 4000, 32 << 20  # the most to read from the source to find them


@dataclass(frozen=True)
class Plan:
    """How to write an output.

    Attributes:
        ways: How to write each other stream of the source, by its index.
        covers: The pictures of the covers that become attachments, by the same index.
        notes: Sentences that name what the output does not keep.
        timecode: Whether the output can hold the source's timecode.
    """

    ways: Mapping[int, str]
    covers: Mapping[int, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    timecode: bool = True


def plan(final: Path, source: Source, settings: EncodeSettings) -> Plan:
    """Try an output and decide how to write each stream of the source.

    Raises:
        RestillError: Even the picture alone cannot be written.
    """
    if not isinstance(source, VideoSource):
        return _Trial(final, source, settings, None, None, _Samples({}, whole=True)).plan()
    if not can_reopen(source):
        samples = _samples(source.container, source.stream, source.early)
        return _Trial(final, source, settings, source.container, source.stream, samples).plan()
    with open_video(source.info.path, source.limits) as container:
        picture = first_stream(source.info.path, container)
        samples = _samples(container, picture, read_packets(container, picture))
        return _Trial(final, source, settings, container, picture, samples).plan()


def can_reopen(source: VideoSource) -> bool:
    """Whether a source is a file, which can be read again; a pipe cannot."""
    return source.info.path.is_file()


@dataclass(frozen=True)
class _Samples:
    """The first packets of each stream, by index, and whether they are all packets of the file."""

    packets: Mapping[int, list[av.Packet]]
    whole: bool


class _Trial:
    def __init__(
        self,
        final: Path,
        source: Source,
        settings: EncodeSettings,
        container: InputContainer | None,
        picture: Stream | None,
        samples: _Samples,
    ) -> None:
        self._final, self._source, self._settings = final, source, settings
        self._container, self._picture = container, picture
        self._suffix = final.suffix.lower()
        self._streams = list(others(container, picture)) if container and picture else []
        self._packets, self._whole = samples.packets, samples.whole
        self._timecode = True
        self._covers: dict[int, bytes] = {}
        if self._suffix == ".mkv":
            covers = (stream for stream in self._streams if stream.type == "video" and is_cover(stream))
            self._covers = {
                cover.index: bytes(self._packets[cover.index][0]) for cover in covers if self._packets[cover.index]
            }
        self._lost: list[str] = []  # from the last successful trial

    def plan(self) -> Plan:
        """Try all streams at once; if that fails, add one stream after the other."""
        notes: list[str] = []
        streams = []
        for stream in self._streams:
            if self._whole and stream.type != "attachment" and not self._packets.get(stream.index):
                notes.append(f"{described(stream)} is left out: it is empty")
            else:
                streams.append(stream)
        ways = {stream.index: self._copy(stream) for stream in streams}
        if self._try(ways) is not None:
            self._try_the_picture(notes)
            ways = self._one_by_one(streams, notes)
        for stream in streams:
            if stream.index in ways and self._picture and is_video(stream):
                notes.append(f"{described(stream)} is copied as it is; stream {self._picture.index} is restored")
        return Plan(ways, self._covers, (*notes, *self._lost), self._timecode)

    def _copy(self, stream: Stream) -> str:
        return ATTACH if stream.index in self._covers else COPY

    def _try_the_picture(self, notes: list[str]) -> None:
        refusal = self._try({})
        if refusal is not None:
            self._timecode = False
            again = self._try({})
            if again is not None:
                raise RestillError(f"'{self._final}' cannot be written: {again}")
            notes.append(f"the timecode is left out: a {self._suffix} file cannot hold it ({refusal})")

    def _one_by_one(self, streams: list[Stream], notes: list[str]) -> dict[int, str]:
        ways: dict[int, str] = {}
        for stream in streams:
            refusals: list[str] = []
            for way in (self._copy(stream), *(sound.ways(self._suffix) if stream.type == "audio" else ())):
                refusal = self._try({**ways, stream.index: way})
                if refusal is None:
                    ways[stream.index] = way
                    break
                refusals.append(refusal)
            if not refusals:
                continue
            cannot = f"a {MUXERS[self._suffix]} file cannot hold it ({refusals[0]})"
            if stream.index in ways:
                notes.append(f"{described(stream)} is re-encoded as {sound.name(ways[stream.index])}: {cannot}")
            else:
                more = "" if self._suffix == ".mkv" else "; a .mkv holds most"
                notes.append(f"{described(stream)} is left out: {cannot}{more}")
        return ways

    def _try(self, ways: Mapping[int, str]) -> str | None:
        """Write these streams to memory and read them back; return the reason if that fails."""
        made, info = io.BytesIO(), self._source.info
        encoder = PictureEncoder(self._final, self._source, self._settings, timecode=self._timecode)
        frame = np.zeros((info.height, info.width, 3), np.uint16 if info.bit_depth > 8 else np.uint8)
        stored = encoder.stored(frame)
        with ffmpeg_errors() as sentences:
            muxer = Muxer(made, self._suffix, info, encoder, self._container, self._picture, ways, self._covers)
            try:
                muxer.start(*stored.shape[:2], deep=frame.dtype == np.uint16)
                start = self._source.start if isinstance(self._source, VideoSource) else 0
                for packet in (*encoder.encode(stored, FrameInfo(start, 1, "")), *encoder.flush()):
                    muxer.write_picture(packet)
                for index in ways:
                    for packet in self._packets.get(index, ()):
                        muxer.write_other(index, _copied(packet))
                muxer.close()
            except Failure as error:
                muxer.abandon()
                if is_of_the_disk(error):
                    raise
                failed = error
            else:
                failed = None
        return failure_reason(failed, sentences) if failed is not None else self._read_back(made, ways, encoder.tags)

    def _read_back(self, made: io.BytesIO, ways: Mapping[int, str], tags: dict[str, str]) -> str | None:
        """Read a trial back and record its losses; return the reason if a stream is missing."""
        sent = [stream for stream in self._streams if stream.index in ways]
        sent = [stream for stream in sent if stream.type == "attachment" or self._packets.get(stream.index)]
        before = self._picture.index if self._picture else 0
        made.seek(0)
        held = read_back(made, sum(is_video(stream) and stream.index < before for stream in sent))
        if isinstance(held, str):
            return held
        if missing := Counter(["video", *(stream.type for stream in sent)]) - held.kinds:
            return f"no {' or '.join(missing)} stream is in the written file"
        self._lost = lost(self._source.info, self._picture, tags, sent, held, self._suffix)
        return None


def _samples(container: InputContainer, picture: Stream, packets: Iterable[av.Packet]) -> _Samples:
    """Collect the first packets of each stream except the picture, from a limited part of the source."""
    streams = list(others(container, picture))
    found: dict[int, list[av.Packet]] = {stream.index: [] for stream in streams}
    missing = {stream.index for stream in streams if stream.type != "attachment"}
    size, whole = 0, isinstance(packets, Iterator)  # a list comes from a pipe, which has more packets
    try:
        for count, packet in enumerate(packets):
            if not missing or count > _MOST_PACKETS or size > _MOST_BYTES:
                return _Samples(found, whole=False)
            size += packet.size
            if packet.stream_index in missing and packet.size:
                found[packet.stream_index].append(packet)
                if len(found[packet.stream_index]) == _PACKETS:
                    missing.remove(packet.stream_index)
    except (FFmpegError, OSError):  # damage is reported later, when reading reaches it
        return _Samples(found, whole=False)
    return _Samples(found, whole)


def _copied(packet: av.Packet) -> av.Packet:
    """Copy a packet, because muxing changes packets and the next trial needs the original."""
    copy = av.Packet(bytes(packet))
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    for side in packet.iter_sidedata():
        copy.set_sidedata(side)
    return copy
