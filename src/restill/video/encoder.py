"""Encode the picture of a video file with the times, tags and colors of its source."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from restill.clock import NO_CLOCK, Clock
from restill.planes import Frame, Planes
from restill.video import color
from restill.video.color import ColorTags, Converter
from restill.video.copying import is_timecode, keep_metadata, stream_tags, timecode_of, without
from restill.video.decode import FrameInfo, Source, VideoSource
from restill.video.info import VideoInfo
from restill.video.orientation import Orientation
from restill.video.pixels import Pixels, choose_pixels
from restill.video.settings import CODECS, MP4, EncodeSettings
from restill.video.sidedata import x265_params

_TURNING = (".mp4", ".m4v", ".mov", ".mkv")  # containers that hold a display matrix
_IN_ORDER = 2  # So few frames have no B-frames, and x265 leaves their decoding times unset.


class PictureEncoder:
    """Encodes the frames of one source for one output: settings, tags, colors and times.

    Args:
        final: The output; its extension chooses the container.
        source: The source of the frames.
        settings: How to encode.
        clock: Measures "color back" (from RGB) and "encode".
        timecode: Write the source's timecode to the output.

    Attributes:
        notes: Sentences that name what the output cannot keep of the picture; set by :meth:`stored`.
        tags: The tags of the picture's stream.
        timecode: The argument of this name.

    Raises:
        RestillError: The settings do not fit the container or the input.
    """

    def __init__(
        self,
        final: Path,
        source: Source,
        settings: EncodeSettings,
        clock: Clock = NO_CLOCK,
        *,
        timecode: bool = True,
    ) -> None:
        self._final, self._source, self._info, self._settings, self._clock = final, source, source.info, settings, clock
        self._codec = settings.choose_codec(final, source.info)
        self._suffix = final.suffix.lower()
        self._turns = self._suffix in _TURNING or self._info.matrix is None
        self._durations: dict[int, int] = {}
        self._count = 0
        self.notes: tuple[str, ...] = ()
        self.timecode = timecode
        self.tags: dict[str, str] = {}
        if isinstance(source, VideoSource):
            self.tags = without(
                keep_metadata(source.stream.metadata), "alpha_mode", "timecode"
            )  # the output has no transparency
            tracks = [stream for stream in source.container.streams if is_timecode(stream)]
            code = next(filter(None, map(timecode_of, (source.stream, *tracks))), "")
            if timecode and code:
                self.tags["timecode"] = code

    @property
    def takes_planes(self) -> bool:
        """Whether frames of the source's size may be planes, which are stored as they are."""
        info = self._info
        return self._pixels(info.coded_width, info.coded_height).format == "yuv420p"

    def stored(self, frame: Frame) -> Frame:
        """A frame (H, W, 3) as the file stores it: rotated if the file has a display matrix, padded to an even size."""
        orientation = self._info.orientation
        if self._turns and orientation != Orientation():
            frame = frame.each(orientation.as_stored) if isinstance(frame, Planes) else orientation.as_stored(frame)
        pixels = self._pixels(frame.shape[1], frame.shape[0])
        self.notes = (*self._info.lost, *pixels.notes)
        return frame if isinstance(frame, Planes) else pixels.padded(frame)

    def start(self, output: OutputContainer, height: int, width: int, *, deep: bool) -> VideoStream:
        """Add the picture's stream to an output, for stored frames of this size."""
        info, codec = self._info, CODECS[self._codec]
        pixels = self._pixels(width, height)
        options = self._settings.encoder_options(self._codec)
        if self._codec == "hevc":
            options["x265-params"] = ":".join((options["x265-params"], *x265_params(info.sides)))
        stream = output.add_stream(codec.encoder, rate=info.fps or 25, options=options)
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height, stream.pix_fmt = width, height, pixels.format
        stream.time_base = stream.codec_context.time_base = info.time_base
        stream.thread_count = 0
        if info.sample_aspect:
            turned = info.orientation.transpose and not self._turns
            stream.codec_context.sample_aspect_ratio = 1 / info.sample_aspect if turned else info.sample_aspect
        tags = output_tags(info, height)
        stream.colorspace, stream.color_range = tags.matrix, tags.range
        stream.color_primaries, stream.color_trc = tags.primaries, tags.transfer
        if self._codec == "av1":
            os.environ.setdefault("SVT_LOG", "1")  # only errors: the encoder writes to stderr itself
        if self._codec == "hevc" and self._suffix in MP4:
            stream.codec_context.codec_tag = "hvc1"  # Apple's players need this tag
        if info.matrix is not None and self._turns:
            stream.set_display_matrix(info.matrix)
        stream.metadata.update(stream_tags(output, self.tags))
        if isinstance(self._source, VideoSource):
            stream.disposition = self._source.stream.disposition
        self._stream, self._pix_fmt = stream, pixels.format
        self._converter = Converter(tags, info.coded_height, deep)
        return stream

    def encode(self, frame: Frame, ticket: FrameInfo) -> list[av.Packet]:
        """Encode a stored frame and return the packets that are ready."""
        with self._clock("color back"):
            if isinstance(frame, Planes):
                coded = self._converter.from_planes(frame)
            else:
                coded = self._converter.from_rgb(frame, self._pix_fmt)
        coded.pts, coded.time_base = ticket.pts, self._info.time_base
        self._durations[ticket.pts] = ticket.duration
        self._count += 1
        with self._clock("encode"):
            return self._timed(self._stream.encode(coded))

    def flush(self) -> list[av.Packet]:
        """End the encoder and return its remaining packets."""
        with self._clock("encode"):
            packets = self._timed(self._stream.encode(None))
        if self._count <= _IN_ORDER:
            for packet in packets:
                packet.dts = packet.pts
        return packets

    def _pixels(self, width: int, height: int) -> Pixels:
        return choose_pixels(self._settings, self._codec, self._final, self._info, width, height)

    def _timed(self, packets: list[av.Packet]) -> list[av.Packet]:
        for packet in packets:
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
        return packets


def output_tags(info: VideoInfo, height: int) -> ColorTags:
    """The color tags of the output: those of the input, or ones with which players show the same colors."""
    if info.kind != "video":
        return ColorTags(color.BT709, color.LIMITED, color.BT709, color.BT709)
    tags = info.color
    if info.is_rgb:
        return replace(tags, matrix=color.BT709, range=color.LIMITED)
    guess = color.guessed_matrix(info.coded_height)
    if tags.matrix == color.UNSPECIFIED and guess != color.guessed_matrix(height):
        return replace(tags, matrix=guess)
    return tags
