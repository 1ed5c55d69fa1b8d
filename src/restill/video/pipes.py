"""Write uncompressed frames to standard output."""

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

_BUFFER = 1 << 20  # bytes per write


class Y4mSink:
    """Writes upright, uncompressed frames to standard output, in the format of ``ffmpeg -f yuv4mpegpipe``.

    Args:
        source: The source of the frames.
        clock: Measures "color back" (from RGB) and "encode".
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
        """Write the remaining data."""
        try:
            self._mux(self._stream.encode(None))
            self._output.close()
            self._file.close()
        except BrokenPipeError as error:
            raise OutputClosed("standard output was closed") from error

    def abandon(self) -> None:
        """Do nothing: written data cannot be removed."""

    def _start(self, frame: np.ndarray) -> None:
        info, deep = self._info, frame.dtype == np.uint16
        sys.stdout.flush()
        self._file = open(os.dup(1), "wb")  # noqa: PTH123, SIM115
        strict = {"strict": "-1"}  # allows more than 8 bits, an extension that FFmpeg and other programs read
        self._output = av.open(self._file, "w", format="yuv4mpegpipe", container_options=strict, buffer_size=_BUFFER)
        stream = self._output.add_stream("rawvideo", rate=self._rate)
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = self._format = f"yuv{info.chroma}p{'10le' if deep else ''}"
        if info.sample_aspect:
            turned = info.orientation.transpose
            stream.codec_context.sample_aspect_ratio = 1 / info.sample_aspect if turned else info.sample_aspect
        self._stream = stream
        # the format has no color tags: use what players assume
        self._converter = Converter(ColorTags(range=LIMITED), frame.shape[0], deep)

    def _mux(self, packets: list[av.Packet]) -> None:
        try:
            for packet in packets:
                self._output.mux_one(packet)
            self._file.flush()
        except BrokenPipeError as error:
            raise OutputClosed("standard output was closed") from error
