"""The targets that FFmpeg writes in this process: files and standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Protocol

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from restill.errors import OutputClosed, RestillError
from restill.planes import Frame, Planes
from restill.progress import say
from restill.restoring.live.addresses import TARGETS, scheme, shown
from restill.restoring.live.connection import Template
from restill.restoring.live.sound import COPY, note, ways
from restill.video.color import ColorTags, Converter
from restill.video.copying import CopiedStream
from restill.video.opening import reason

PAGE, STDOUT = "page", "-"
FILES = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mp4", ".mkv": "matroska", ".ts": "mpegts"}
PIPES = {"mpegts": "mpegts", "nut": "nut", "y4m": "yuv4mpegpipe"}
TICKS = 90_000  # the unit of the times of pictures, per second
KEY_FRAMES = 2.0  # seconds between key frames
HELD = 300_000  # microseconds that FFmpeg may hold pictures back to put them in order with sound
OPTIONS = {
    # A fragment is whole by itself, so a file that breaks off plays up to its last one.
    "mp4": {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "500000"},
    "matroska": {"cluster_time_limit": "500"},
    "rtsp": {"rtsp_transport": "tcp"},
    "flv": {"flvflags": "no_duration_filesize"},
}
Failure = (FFmpegError, ValueError, OSError)


class Target(Protocol):
    """Where the frames go."""

    def write(self, frame: Frame, seconds: float) -> bool:
        """Write a frame with its time in the output; return whether it went out."""
        ...

    def write_sound(self, packet: av.Packet, shift: float) -> None:
        """Write a packet of sound, with the seconds to add to its times."""

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True)
class Written:
    """What a target gets.

    Attributes:
        height: Lines.
        width: Pixels across.
        fps: Frames per second, about.
        color: The color tags.
        sample_aspect: Width of a pixel divided by its height, or None.
        sound: The camera's sound, or None.
        crf: Quality of the encoder.
        preset: Its speed.
    """

    height: int
    width: int
    fps: Fraction
    color: ColorTags
    sample_aspect: Fraction | None = None
    sound: Template | None = None
    crf: int = 23
    preset: str = "superfast"


def format_of(target: str, pipe_format: str | None) -> str:
    """FFmpeg's name of the format for a target; "" for the page.

    Raises:
        RestillError: The extension or the format is unknown.
    """
    if target == STDOUT:
        if pipe_format is not None and pipe_format not in PIPES:
            raise RestillError(f"format '{pipe_format}' is not known; standard output takes {', '.join(PIPES)}")
        return PIPES[pipe_format or "mpegts"]
    if pipe_format is not None:
        raise RestillError(f"--format is for standard output (--to -); '{shown(target)}' has its own format")
    if target == PAGE:
        return ""
    if protocol := scheme(target):
        if protocol not in TARGETS:
            raise RestillError(f"'{shown(target)}': cannot write to '{protocol}'; use one of {', '.join(TARGETS)}")
        return TARGETS[protocol]
    suffix = Path(target).suffix.lower()
    if suffix not in FILES:
        raise RestillError(f"'{target}' must end in {', '.join(FILES)}, be an address such as rtsp://..., page or -")
    return FILES[suffix]


def check_file(target: str, *, overwrite: bool) -> None:
    """Refuse a file that exists, or whose folder does not.

    Raises:
        RestillError: It is refused.
    """
    path = Path(target)
    if not path.absolute().parent.is_dir():
        raise RestillError(f"the folder '{path.absolute().parent}' does not exist; make it first")
    if path.exists() and not overwrite:
        raise RestillError(f"'{path}' exists; name another file, or add --overwrite")


class Muxed:
    """Encodes frames as H.264 (as raw frames for y4m) and writes them, with the camera's sound.

    Args:
        file: A path, or an open file.
        format_name: FFmpeg's name of the format.
        written: What it gets.
        name: The target, for messages.

    Raises:
        RestillError: The target cannot be opened.
    """

    def __init__(self, file: str | IO[bytes], format_name: str, written: Written, name: str) -> None:
        self._file, self._format, self._written, self._name = file, format_name, written, name
        self._raw = format_name == "yuv4mpegpipe"
        self._last = -1
        self._sound: CopiedStream | None = None
        self._converter = Converter(written.color, written.height, deep=False)
        given, way = written.sound, None
        for way in (None,) if given is None else ways(format_name, given.name, given.header):
            try:
                self._open(way)
                break
            except Failure as error:
                if way is None or isinstance(error, OSError):
                    raise RestillError(f"'{name}' cannot be written: {shown(reason(error))}") from error
        if given is not None and way != COPY:
            say(note(name, given.name, way))

    def _open(self, way: str | None) -> None:
        """Write the header.

        Args:
            way: How to write the sound; None leaves it out.
        """
        options = {"flush_packets": "1", "max_interleave_delta": str(HELD), **OPTIONS.get(self._format, {})}
        self._output = av.open(self._file, "w", format=self._format, container_options=options)
        try:
            self._stream = self._add_picture()
            if way is not None and self._written.sound is not None:
                self._sound = CopiedStream(self._output, self._written.sound.stream, way)
            self._output.start_encoding()
        except BaseException:
            self._sound = None
            with suppress(*Failure):
                self._output.close()
            raise

    def _add_picture(self) -> VideoStream:
        written = self._written
        gop = str(max(1, round(KEY_FRAMES * written.fps)))
        options = {"preset": written.preset, "crf": str(written.crf), "tune": "zerolatency", "g": gop}
        coder = "rawvideo" if self._raw else "libx264"
        stream: Any = self._output.add_stream(coder, rate=written.fps, options={} if self._raw else options)
        stream.height, stream.width, stream.pix_fmt = written.height, written.width, "yuv420p"
        stream.colorspace, stream.color_range = written.color.matrix, written.color.range
        stream.color_primaries, stream.color_trc = written.color.primaries, written.color.transfer
        if written.sample_aspect:
            stream.codec_context.sample_aspect_ratio = written.sample_aspect
        if not self._raw:
            stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        return stream

    def write(self, frame: Frame, seconds: float) -> bool:
        """Write a frame with its time in the output. For y4m, which has no times, it follows the frame before."""
        if isinstance(frame, Planes):
            coded = self._converter.from_planes(frame)
        else:
            coded = self._converter.from_rgb(frame, "yuv420p")
        self._last = self._last + 1 if self._raw else max(self._last + 1, round(seconds * TICKS))
        coded.pts, coded.time_base = self._last, 1 / self._written.fps if self._raw else Fraction(1, TICKS)
        self._mux(self._stream.encode(coded))
        return True

    def write_sound(self, packet: av.Packet, shift: float) -> None:
        """Write a packet of sound, with the seconds to add to its times."""
        if self._sound is None or not packet.time_base:
            return
        ticks = round(shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        time = packet.pts if packet.dts is None else packet.dts
        if time is not None and time >= 0:  # otherwise it is from before the first frame
            self._mux(self._sound.take(packet))

    def _mux(self, packets: Iterator[av.Packet] | list[av.Packet]) -> None:
        with writing(self._name):
            for packet in packets:
                self._output.mux_one(packet)

    def close(self) -> None:
        """Write what the encoders hold, and the end."""
        self._mux(self._stream.encode(None))
        if self._sound is not None:
            self._mux(self._sound.take(None))
        with writing(self._name):
            self._output.close()
            if not isinstance(self._file, str):
                self._file.close()


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn errors of FFmpeg and the system into an error that names the target.

    Raises:
        RestillError: Writing failed.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosed(f"'{name}' was closed") from error
    except Failure as error:
        raise RestillError(f"'{name}' cannot be written: {shown(reason(error))}") from error


def standard_output() -> IO[bytes]:
    """A copy of standard output, without a buffer."""
    sys.stdout.flush()
    return open(os.dup(1), "wb", buffering=0)  # noqa: PTH123
