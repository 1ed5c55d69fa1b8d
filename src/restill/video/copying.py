"""Copy the other streams of a file packet by packet: sound, subtitles, covers, fonts and data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.rational import AVRational
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from restill.video.sound import Sound, layout_name, usual_layout

COPY, ATTACH = "copy", "attach"
_QUICKTIME = {
    "deu": "ger",
    "nld": "dut",
    "swe": "sve",
    "ell": "gre",
    "isl": "ice",
    "zho": "chi",
    "sqi": "alb",
}  # QuickTime's own codes
_MOST_HELD = 64  # packets to hold without a decoding time
# Tags that the muxer writes itself, or that are wrong after the picture is re-encoded.
_STALE = {"major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration", "bps"}
_STALE |= {"number_of_frames", "number_of_bytes"}
# Tags for which MP4 has its own fields. If a file has any other, all are written in MP4's general form.
_MP4_TAGS = {
    "title",
    "artist",
    "album_artist",
    "composer",
    "album",
    "date",
    "comment",
    "genre",
    "copyright",
    "grouping",
}
_MP4_TAGS |= {"lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort", "track"}
_MP4_TAGS |= {"season_number", "media_type", "hd_video", "gapless_playback", "compilation", "disc", "rating"}
_MP4_TAGS |= {"creation_time", "location"}


def knows_tags(tags: dict[str, str]) -> bool:
    """Whether MP4 has its own field for each of these tags."""
    return all(key.lower().partition("-")[0] in _MP4_TAGS for key in keep_metadata(tags))


def keep_metadata(tags: dict[str, str]) -> dict[str, str]:
    """The tags that are still true of the output."""
    return {key: value for key, value in tags.items() if key.lower() not in _STALE and not key.startswith("_STATIST")}


def stream_tags(output: OutputContainer, tags: dict[str, str]) -> dict[str, str]:
    """The tags of a stream that are still true of the output, with the language codes of its container."""
    kept = keep_metadata(tags)
    if output.format.name == "mov" and kept.get("language") in _QUICKTIME:
        kept["language"] = _QUICKTIME[kept["language"]]
    return kept


def attach(output: OutputContainer, stream: Stream, cover: bytes) -> None:
    """Add a cover as an attachment, as Matroska stores it."""
    png = cover.startswith(b"\x89PNG")
    name = stream.metadata.get("filename", "cover.png" if png else "cover.jpg")
    copy = output.add_attachment(name, stream.metadata.get("mimetype", "image/png" if png else "image/jpeg"), cover)
    copy.metadata.update({**keep_metadata(stream.metadata), **copy.metadata})


def others(container: InputContainer | OutputContainer, picture: Stream) -> Iterator[Stream]:
    """All streams except the picture and those that the muxer makes: MP4's chapter text and timecode track."""
    for stream in container.streams:
        is_chapter_text = stream.type == "data" and getattr(stream, "name", "") == "bin_data" and container.chapters()
        if stream is not picture and not is_chapter_text and not is_timecode(stream):
            yield stream


def is_timecode(stream: Stream) -> bool:
    """Whether a track holds only a timecode. The muxer makes such a track from the picture's tag."""
    return stream.type == "data" and stream.codec_context is None and bool(timecode_of(stream))


def timecode_of(stream: Stream) -> str:
    """The timecode at which a stream begins, from its tags; "" if there is none."""
    return next((value for key, value in stream.metadata.items() if key.lower() == "timecode"), "")


def without(tags: dict[str, str], *names: str) -> dict[str, str]:
    """Tags without some names, ignoring case."""
    return {key: value for key, value in tags.items() if key.lower() not in names}


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a cover or a thumbnail."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def is_video(stream: Stream) -> bool:
    """Whether a stream is video and not a cover."""
    return stream.type == "video" and not is_cover(stream)


def described(stream: Stream) -> str:
    """The name of a stream for messages, such as "audio stream 1 (aac)"."""
    kind, size = stream.type, ""
    if isinstance(stream, VideoStream) and is_cover(stream):
        kind = "cover"
    elif isinstance(stream, VideoStream) and stream.codec_context is not None:
        size = f", {stream.width}x{stream.height}"
    return f"{kind} stream {stream.index} ({getattr(stream, 'name', None) or 'unknown'}{size})"


class CopiedStream:
    """Writes a stream of the source to an output: copied, or re-encoded if it is sound.

    Args:
        output: The output, before its header is written.
        stream: A stream of the source.
        way: ``COPY``, or an encoder for sound, see :mod:`restill.video.sound`.

    Attributes:
        target: The stream of the output.

    Raises:
        ValueError: The container or PyAV does not support such a stream.
    """

    def __init__(self, output: OutputContainer, stream: Stream, way: str) -> None:
        self._sound = None if way == COPY else Sound(output, stream, way)
        self.target = self._sound.target if self._sound else _add(output, stream)
        self.target.metadata.update(stream_tags(output, stream.metadata))
        self.target.disposition = stream.disposition
        self._apart = 1 if stream.type in ("audio", "video") else 0  # ticks between packets; subtitles may share a time
        self._last: int | None = None
        self._held: list[av.Packet] = []

    def take(self, packet: av.Packet | None) -> Iterator[av.Packet]:
        """The output packets for a packet of the source, in an order that muxers accept; None ends the stream."""
        for one in self._coded(packet):
            one.stream = self.target
            one.rescale_ts(AVRational(self.target.time_base or one.time_base))
            self._held.append(one)
            if one.dts is not None or len(self._held) >= _MOST_HELD:
                yield from self._timed()
        if packet is None:
            yield from self._timed()

    def _coded(self, packet: av.Packet | None) -> Iterable[av.Packet]:
        if self._sound:
            return self._sound.encode(packet)
        return () if packet is None else (packet,)

    def _timed(self) -> Iterator[av.Packet]:
        """The held packets. Only the last may have a decoding time; the others get theirs from it."""
        later: int | None = None
        for packet in reversed(self._held):
            if packet.dts is None and later is not None:
                before = later - max(1, packet.duration or 1)
                packet.dts = before if packet.pts is None else min(packet.pts, before)
            later = packet.dts
        held, self._held = self._held, []
        for packet in held:
            if packet.dts is None:  # no time at all: directly after the previous packet
                packet.dts = packet.pts if packet.pts is not None else (self._last or 0) + self._apart
            if self._last is not None and packet.dts < self._last + self._apart:
                packet.dts = self._last + self._apart  # the recorder's times go back, which the muxer refuses
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
            self._last = packet.dts
            yield packet


def _add(output: OutputContainer, stream: Stream) -> Stream:
    copy = output.add_stream_from_template(stream, opaque=True)
    if isinstance(copy, AudioStream) and (name := layout_name(copy.codec_context)).endswith("channels"):
        with suppress(ValueError):  # there is no usual layout for so many channels
            copy.codec_context.layout = usual_layout(name)
    return copy
