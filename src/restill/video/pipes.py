"""Standard input and output, and other files that can be read only once: pipes and devices."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from restill.clock import NO_CLOCK, Clock
from restill.errors import OutputClosed
from restill.video.color import LIMITED, ColorTags, Converter
from restill.video.decode import Source
from restill.video.pipe_names import STDOUT
from restill.video.ticket import FrameInfo

_BUFFER = 1 << 20  # bytes that FFmpeg hands over at a time


class Y4mSink:
    """Uncompressed frames on standard output, in the format of ``ffmpeg -f yuv4mpegpipe``: the picture alone, upright.

    Args:
        source: Where the frames come from.
        clock: Told what "color back" (from RGB) and "encode" take.
    """

    def __init__(self, source: Source, clock: Clock = NO_CLOCK) -> None:
        self.final, self._info, self._clock = STDOUT, source.info, clock
        self._rate = self._info.fps or Fraction(25)
        self._output: Any = None
        self._count = 0

    def write(self, frame: np.ndarray, ticket: FrameInfo) -> tuple[str, ...]:
        """Write one frame (H, W, 3)."""
        if self._output is None:
            self._start(frame)
        with self._clock("color back"):
            coded = self._converter.from_rgb(frame, self._format)
        coded.pts, coded.time_base = self._count, 1 / self._rate
        self._count += 1
        with self._clock("encode"):
            self._mux(self._stream.encode(coded))
        return ()

    def close(self) -> None:
        """Write what is still on its way."""
        try:
            self._mux(self._stream.encode(None))
            self._output.close()
            self._file.close()
        except BrokenPipeError as error:
            raise OutputClosed("standard output was closed") from error

    def abandon(self) -> None:
        """What was written is out; nothing can be taken back."""

    def _start(self, frame: np.ndarray) -> None:
        info, deep = self._info, frame.dtype == np.uint16
        sys.stdout.flush()
        self._file = open(os.dup(1), "wb")  # noqa: PTH123, SIM115
        strict = {"strict": "-1"}  # for more than 8 bits, which FFmpeg and others read all the same
        self._output = av.open(self._file, "w", format="yuv4mpegpipe", container_options=strict, buffer_size=_BUFFER)
        stream = self._output.add_stream("rawvideo", rate=self._rate)
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = self._format = f"yuv{info.chroma}p{'10le' if deep else ''}"
        if info.sample_aspect:
            turned = info.orientation.transpose
            stream.codec_context.sample_aspect_ratio = 1 / info.sample_aspect if turned else info.sample_aspect
        self._stream = stream
        # the format has no tags for colors: as players take untagged pictures
        self._converter = Converter(ColorTags(range=LIMITED), frame.shape[0], deep)

    def _mux(self, packets: list[av.Packet]) -> None:
        try:
            for packet in packets:
                self._output.mux_one(packet)
            self._file.flush()
        except BrokenPipeError as error:
            raise OutputClosed("standard output was closed") from error
