"""Where frames go: a video file, a folder of frames or one picture, always under a temporary name first."""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.video import color, pictures
from restill.video.color import ColorTags, Converter
from restill.video.copying import add_copied_stream, keep_metadata, knows_tags, others
from restill.video.decode import Source, Ticket, VideoSource
from restill.video.journal import beside, sync
from restill.video.probe import VideoInfo
from restill.video.settings import CODECS, MP4, SUFFIXES, EncodeSettings, choose_format

_TURNING = (".mp4", ".m4v", ".mov", ".mkv")  # containers that hold a display matrix


class PictureEncoder:
    """Encodes the frames of one source for one output: settings, tags, colors and times.

    Args:
        final: The output; its extension chooses the container.
        source: Where the frames come from.
        settings: How to encode.
        clock: Told what "color back" (from RGB) and "encode" take.

    Attributes:
        notes: Sentences on what the output cannot keep of the picture, once :meth:`start` was called.

    Raises:
        RestillError: The settings do not fit the container or the input.
    """

    def __init__(self, final: Path, source: Source, settings: EncodeSettings, clock: Clock = NO_CLOCK) -> None:
        if final.suffix.lower() not in SUFFIXES:
            raise RestillError(f"'{final}' must end in {', '.join(SUFFIXES)}, a picture's extension, or be a folder")
        self._source, self._info, self._settings, self._clock = source, source.info, settings, clock
        self._codec = settings.choose_codec(final, source.info)
        self._suffix = final.suffix.lower()
        self._turns = self._suffix in _TURNING or self._info.matrix is None
        self._durations: dict[int, int] = {}
        self.notes: tuple[str, ...] = ()

    def stored(self, frame: np.ndarray) -> np.ndarray:
        """A frame (H, W, 3) as it lies in the file, which may turn it when it is shown."""
        return self._info.orientation.as_stored(frame) if self._turns else frame

    def start(self, output: OutputContainer, height: int, width: int, *, deep: bool) -> VideoStream:
        """Add the picture's stream to an output, for stored frames of this size."""
        info, codec = self._info, CODECS[self._codec]
        pix_fmt, note = choose_format(self._codec, info, width, height)
        self.notes = (*info.lost, *([note] if note else []))
        stream = output.add_stream(
            codec.encoder, rate=info.fps or 25, options=self._settings.encoder_options(self._codec)
        )
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = stream.codec_context.time_base = info.time_base
        stream.thread_count = 0
        if info.sample_aspect:
            turned = info.orientation.transpose and not self._turns
            stream.codec_context.sample_aspect_ratio = 1 / info.sample_aspect if turned else info.sample_aspect
        tags = output_tags(info, height)
        stream.colorspace, stream.color_range = tags.matrix, tags.range
        stream.color_primaries, stream.color_trc = tags.primaries, tags.transfer
        if self._codec == "av1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only; it talks to stderr on its own
        if self._codec == "hevc" and self._suffix in MP4:
            stream.codec_context.codec_tag = "hvc1"  # the tag that Apple's players ask for
        if info.matrix is not None and self._turns:
            stream.set_display_matrix(info.matrix)
        if isinstance(self._source, VideoSource):
            stream.metadata.update(keep_metadata(self._source.stream.metadata))
            stream.disposition = self._source.stream.disposition
        self._stream, self._pix_fmt = stream, pix_fmt
        self._converter = Converter(tags, info.coded_height, deep)
        return stream

    def encode(self, frame: np.ndarray, ticket: Ticket) -> list[av.Packet]:
        """One stored frame; the packets that are ready."""
        with self._clock("color back"):
            coded = self._converter.from_rgb(frame, self._pix_fmt)
        coded.pts, coded.time_base = ticket.pts, self._info.time_base
        self._durations[ticket.pts] = ticket.duration
        with self._clock("encode"):
            return self._timed(self._stream.encode(coded))

    def flush(self) -> list[av.Packet]:
        """What is still inside the encoder, which is done then."""
        with self._clock("encode"):
            return self._timed(self._stream.encode(None))

    def _timed(self, packets: list[av.Packet]) -> list[av.Packet]:
        for packet in packets:
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
        return packets


class VideoSink:
    """A video file with the picture encoded anew and everything else copied from the source.

    Args:
        final: The name the file will get; its extension chooses the container.
        source: Where the frames come from.
        settings: How to encode.
        clock: Told what "color back" (from RGB) and "encode" take.
        temporary: Where it is until it is whole, on the same disk; by default beside it.

    Raises:
        RestillError: The settings do not fit the container or the input.
    """

    def __init__(
        self,
        final: Path,
        source: Source,
        settings: EncodeSettings,
        clock: Clock = NO_CLOCK,
        temporary: Path | None = None,
    ) -> None:
        self._encoder = PictureEncoder(final, source, settings, clock)
        self.final, self.temporary = final, temporary or _temporary(final)
        self._source, self._info, self._clock = source, source.info, clock
        self._output: OutputContainer | None = None
        self._waiting: list[av.Packet] = []
        self._last_dts: dict[int, int] = {}

    def write(self, frame: np.ndarray, ticket: Ticket) -> None:
        """Encode one frame (H, W, 3)."""
        frame = self._encoder.stored(frame)
        if self._output is None:
            with self._clock("encode"):
                self.start(*frame.shape[:2], deep=frame.dtype == np.uint16)
        packets = self._encoder.encode(frame, ticket)
        with self._clock("encode"):
            self._mux(packets)

    def write_packet(self, packet: av.Packet) -> None:
        """Copy a packet of another stream of the source."""
        if self._output is None:
            self._waiting.append(packet)
        elif (copy := self._copies.get(packet.stream_index)) is not None:
            last = self._last_dts.get(packet.stream_index)
            if packet.dts is None:
                packet.dts = packet.pts
            if copy.type == "audio" and last is not None and packet.dts is not None and packet.dts <= last:
                packet.dts = last + 1  # a recorder's slip, at which the muxer would give up
                packet.pts = max(packet.pts or 0, packet.dts)
            if packet.dts is not None:
                self._last_dts[packet.stream_index] = packet.dts
            packet.stream = copy
            self._output.mux_one(packet)

    def write_coded(self, packet: av.Packet) -> None:
        """A packet of the picture that was encoded before, by the same settings; :meth:`start` comes first."""
        packet.stream = self.picture
        self._mux([packet])

    def close(self) -> None:
        """Write what is still inside the encoder, and the end of the file; it has its final name then."""
        assert self._output is not None  # noqa: S101
        packets = self._encoder.flush()
        with self._clock("encode"):
            self._mux(packets)
            self._output.close()
        sync(self.temporary)  # before a journal goes
        self.temporary.replace(self.final)
        sync(self.final.absolute().parent)

    def abandon(self) -> None:
        """Remove every trace."""
        if self._output is not None:
            with suppress(FFmpegError, ValueError):
                self._output.close()
        self.temporary.unlink(missing_ok=True)

    def start(self, height: int, width: int, *, deep: bool) -> None:
        """Open the file, for stored frames of this size; the first :meth:`write` does it otherwise."""
        info, suffix = self._info, self.final.suffix.lower()
        # a shift of all streams, only because sound starts a little before zero, would change every time
        options = {"avoid_negative_ts": "disabled"}
        if suffix in MP4:
            options["movflags"] = "+faststart" if knows_tags(info.metadata) else "+faststart+use_metadata_tags"
            if info.time_base.numerator == 1 and info.time_base.denominator >= 1000:
                ticks = str(info.time_base.denominator)
                options |= {"video_track_timescale": ticks, "movie_timescale": ticks}
        self._output = output = av.open(str(self.temporary), "w", container_options=options)
        output.metadata.update(keep_metadata(info.metadata))
        if info.chapters:
            output.set_chapters(info.chapters)
        streams: list[Stream] = []
        place = 0  # of the picture among them
        if isinstance(self._source, VideoSource):
            container, picture = self._source.container, self._source.stream
            streams = list(others(container, picture))
            place = sum(stream.index < picture.index for stream in streams)
        self._copies: dict[int, Stream] = {}
        self._copy_streams(streams[:place])
        self.picture = self._encoder.start(output, height, width, deep=deep)
        for sentence in self._encoder.notes:
            warnings.warn(sentence, UserWarning, stacklevel=2)
        self._copy_streams(streams[place:])
        for packet in self._waiting:
            self.write_packet(packet)
        self._waiting.clear()

    def _copy_streams(self, streams: list[Stream]) -> None:
        assert self._output is not None  # noqa: S101
        for stream in streams:
            if (copy := add_copied_stream(self._output, stream)) is not None:
                self._copies[stream.index] = copy

    def _mux(self, packets: list[av.Packet]) -> None:
        assert self._output is not None  # noqa: S101
        for packet in packets:
            self._output.mux_one(packet)


class FolderSink:
    """A folder of PNG frames, named as the input's frames or by number; ``temporary`` as for a video."""

    def __init__(self, final: Path, temporary: Path | None = None) -> None:
        self.final, self.temporary = final, temporary or _temporary(final)

    def write(self, frame: np.ndarray, ticket: Ticket) -> None:
        """Write one frame (H, W, 3)."""
        self.temporary.mkdir(exist_ok=True)
        pictures.write_picture(self.temporary / f"{ticket.name}.png", frame)

    def take(self, file: Path) -> None:
        """A frame that was written before; the file stays where it is, too."""
        self.temporary.mkdir(exist_ok=True)
        try:
            os.link(file, self.temporary / file.name)
        except OSError:  # a file system without links
            shutil.copyfile(file, self.temporary / file.name)

    def write_packet(self, packet: av.Packet) -> None:
        """A folder holds no other streams."""

    def close(self) -> None:
        """Give the frames their final place; other files that are there already stay."""
        if self.final.is_dir():
            for file in self.temporary.iterdir():
                file.replace(self.final / file.name)
            self.temporary.rmdir()
        else:
            self.temporary.replace(self.final)
        sync(self.final.absolute().parent)

    def abandon(self) -> None:
        """Remove every trace."""
        shutil.rmtree(self.temporary, ignore_errors=True)


class PictureSink:
    """One picture."""

    def __init__(self, final: Path, source: Source) -> None:
        self.final, self.temporary = final, _temporary(final)
        self._source, self._written = source.info.path, False

    def write(self, frame: np.ndarray, ticket: Ticket) -> None:
        """Write the frame (H, W, 3); there may be only one."""
        if self._written:
            raise RestillError(f"'{self.final}' holds one picture and '{self._source}' more; name a folder or a video")
        self._written = True
        pictures.write_picture(self.temporary, frame)

    def write_packet(self, packet: av.Packet) -> None:
        """A picture holds no other streams."""

    def close(self) -> None:
        """Give the picture its final name."""
        self.temporary.replace(self.final)

    def abandon(self) -> None:
        """Remove every trace."""
        self.temporary.unlink(missing_ok=True)


Sink = VideoSink | FolderSink | PictureSink


def open_sink(final: Path, source: Source, settings: EncodeSettings, clock: Clock = NO_CLOCK) -> Sink:
    """Choose by the output's name: a picture, a folder (no extension), or a video, which alone takes the clock."""
    if final.is_dir() or not final.suffix:
        if source.info.kind == "picture":
            return PictureSink(final / f"{source.info.path.stem}.png", source)
        return FolderSink(final)
    return PictureSink(final, source) if pictures.is_picture(final) else VideoSink(final, source, settings, clock)


def output_tags(info: VideoInfo, height: int) -> ColorTags:
    """The color tags of the output: the input's, and where it had none what makes players show the same."""
    if info.kind != "video":
        return ColorTags(color.BT709, color.LIMITED, color.BT709, color.BT709)
    tags = info.color
    if info.is_rgb:
        return replace(tags, matrix=color.BT709, range=color.LIMITED)
    guess = color.guessed_matrix(info.coded_height)
    if tags.matrix == color.UNSPECIFIED and guess != color.guessed_matrix(height):
        return replace(tags, matrix=guess)
    return tags


def _temporary(final: Path) -> Path:
    partial = beside(final, f".partial-{os.getpid()}{final.suffix}")
    return partial.with_name(f".{partial.name}")
