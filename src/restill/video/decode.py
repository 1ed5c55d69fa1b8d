"""Read the frames of a video file, a folder of frames or a picture one at a time, upright and with their times."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import overload

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from restill.alignment.search import export_vectors, vectors_of
from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.planes import Frame
from restill.video.color import Converter, has_planes, to_planes
from restill.video.info import DEFAULT_FPS
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment, MomentSource
from restill.video.opening import check_header, first_frame, first_stream, open_video, reason, restrain
from restill.video.orientation import Orientation
from restill.video.packets import packets_at, read_packets, time_of
from restill.video.picture_source import PictureSource
from restill.video.pipe_names import is_pipe
from restill.video.probe import describe, kind_of
from restill.video.seeking import KeyFrame, KnownFrame, mark
from restill.video.sidedata import sides
from restill.video.ticket import FrameInfo
from restill.video.timing import FrameTimes

_BACK = (0, 2, 12)  # seconds before the wanted time: MPEG-TS has no index of key frames
OnPacket = Callable[[av.Packet], None] | None


class VideoSource:
    """An open video file. Gives upright frames, and the packets of the other streams unchanged.

    Attributes:
        info: The description of the file.
        limits: The limits for the file.
        container: The open file.
        stream: The stream of the picture.
        start: The time of the first frame, in units of ``info.time_base``.
        seen: The kinds of side data in the frames so far.
        early: The packets of the other streams before the first frame.
    """

    def __init__(self, path: Path, limits: Limits = USUAL) -> None:
        self.limits = limits
        self.seen: set[str] = set()
        self._open(path)
        try:
            self.start = time_of(self._first)
            self.info = describe(path, self.container, self.stream, self._first)
            self.orientation = self.info.orientation
        except BaseException:
            self.container.close()
            raise

    def _open(self, path: Path) -> None:
        """Open the file and decode its first frame."""
        self.container: InputContainer = open_video(path, self.limits)
        try:
            self.stream = first_stream(path, self.container)
            check_header(path, self.container, self.stream, self.limits)
            restrain(self.stream, self.limits)
            export_vectors(self.stream.codec_context)
            self.stream.thread_type = "AUTO"
            self._packets = read_packets(self.container, self.stream)
            self.early: list[av.Packet] = []
            self._on_packet: Callable[[av.Packet], object] = self.early.append
            self._decoded = self._decode()
            self._first = first_frame(path, self._decoded)
        except BaseException:
            self.container.close()
            raise

    @property
    def has_planes(self) -> bool:
        """Whether :meth:`frames` can give :class:`restill.planes.Planes`: 8 bits, 4:2:0, an even size."""
        even = not (self.info.coded_width % 2 or self.info.coded_height % 2)
        return even and has_planes(self._first, self.info.color)

    @overload
    def frames(
        self,
        on_packet: OnPacket = None,
        clock: Clock = NO_CLOCK,
        start: int = 0,
        *,
        key: KeyFrame | None = None,
        known: KnownFrame | None = None,
    ) -> Iterator[tuple[np.ndarray, FrameInfo]]: ...

    @overload
    def frames(
        self,
        on_packet: OnPacket = None,
        clock: Clock = NO_CLOCK,
        start: int = 0,
        *,
        key: KeyFrame | None = None,
        known: KnownFrame | None = None,
        planes: bool,
    ) -> Iterator[tuple[Frame, FrameInfo]]: ...

    def frames(
        self,
        on_packet: OnPacket = None,
        clock: Clock = NO_CLOCK,
        start: int = 0,
        *,
        key: KeyFrame | None = None,
        known: KnownFrame | None = None,
        planes: bool = False,
    ) -> Iterator[tuple[Frame, FrameInfo]]:
        """Yield every frame with its ticket, in the order of presentation.

        Args:
            on_packet: Called with each packet of the other streams.
            clock: Measures "decode" and "color" (to RGB).
            start: Leave out so many frames. Without a key frame they are decoded all the same.
            key: A key frame at or before that frame, from :func:`restill.video.seeking.read_index`. If the file proves
                to be another than its packets say, decoding begins at its first frame.
            known: One of the frames, by which this is checked.
            planes: Give the planes that the file stores, not RGB; only if :attr:`has_planes`.

        Raises:
            RestillError: A part of the file cannot be decoded, or the file is over a limit.
        """
        count = 0
        if key is not None and 0 < key.number <= start:
            count = key.number if self._go_to(key.time) else 0
            if count and known is not None:
                found = self._frames(on_packet, clock, count, start, planes=planes)
                first = list(islice(found, known.number + 1 - start))
                if first and mark(first[-1][0], first[-1][1].pts) == known.mark:
                    yield from first
                    yield from found
                    return
                found.close()
                count = 0
            if not count:
                self._reopen()
        yield from self._frames(on_packet, clock, count, start, planes=planes)

    def _frames(
        self, on_packet: OnPacket, clock: Clock, count: int, start: int, *, planes: bool
    ) -> Generator[tuple[Frame, FrameInfo], None, None]:
        """The frames from ``start`` on, if the next one to decode is number ``count``."""
        info = self.info
        self._listen(on_packet)
        converter = Converter(info.color, info.coded_height, deep=info.bit_depth > 8)
        times = FrameTimes(max(1, round(1 / (info.fps * info.time_base))) if info.fps else 1)
        reordered = bool(self.stream.codec_context.has_b_frames)  # vectors then do not say to which frame they point
        for frame in clock.over("decode", chain([self._first], self._rest())):
            self.limits.check_size(info.path, frame.width, frame.height)
            if (frame.width, frame.height) != (info.coded_width, info.coded_height):
                raise RestillError(
                    f"'{info.path}' changes its size from {info.coded_width}x{info.coded_height} to "
                    f"{frame.width}x{frame.height} at frame {count + 1}; split it there first"
                )
            self.seen |= sides(frame).keys()
            pts, count = times.time(frame.pts, frame.dts, frame.duration or 0), count + 1
            self.limits.check_length(info.path, count, float((pts - self.start) * info.time_base))
            if count <= start:
                continue
            with clock("color"):
                if not planes:
                    picture = self.orientation.upright(converter.to_rgb(frame))
                elif self.orientation == Orientation():
                    picture = to_planes(frame, info.color, None if reordered else vectors_of(frame))
                else:
                    picture = to_planes(frame, info.color).each(self.orientation.upright)
            yield picture, FrameInfo(pts, frame.duration or 0, f"{count:06d}.png")

    def frames_from(self, time: int, *, planes: bool = False) -> Iterator[tuple[Frame, FrameInfo]]:
        """Yield the frames from a key frame at or before a time on, instead of :meth:`frames`. Tickets have no names.

        Args:
            time: In units of ``info.time_base``.
            planes: As for :meth:`frames`.
        """
        if time > self.start and not is_pipe(self.info.path):
            self._seek(time)
        return self.frames(planes=planes)

    def _seek(self, time: int) -> None:
        """Continue at a key frame at or before a time; at the start of the file if none is found."""
        late = self.start - (self.stream.start_time or 0)  # of the output's clock
        for back in _BACK:
            earlier = time - late - round(back / self.info.time_base)
            try:
                self.container.seek(earlier, stream=self.stream)
                self._packets = packets_at(self.container, self.stream, late)
                self._decoded = self._decode()
                self._first = first_frame(self.info.path, self._decoded)
            except (FFmpegError, OSError, RestillError):
                continue
            if time_of(self._first) <= time:
                return
        self._reopen()

    def _go_to(self, time: int) -> bool:
        """Continue at the key frame of exactly this time; False if there is none."""
        if is_pipe(self.info.path):
            return False
        self._seek(time)
        try:
            while time_of(self._first) < time:
                self._first = next(self._decoded)
        except (StopIteration, FFmpegError, OSError):
            return False
        return time_of(self._first) == time

    def _reopen(self) -> None:
        """Continue at the first frame."""
        self.container.close()
        self._open(self.info.path)

    def other_packets(self) -> Iterator[av.Packet]:
        """Yield the packets of the other streams in the order of the file, without decoding.

        Raises:
            RestillError: The file is damaged.
        """
        try:
            yield from self.early
            for packet in self._packets:
                if packet.stream is not self.stream and (packet.size or packet.dts is not None):
                    yield packet
        except (FFmpegError, OSError) as error:
            raise RestillError(f"'{self.info.path}' is damaged: {reason(error)}") from error

    def _listen(self, on_packet: Callable[[av.Packet], None] | None) -> None:
        """Call a function with the packets of the other streams from now on, or skip them.

        They are read in both cases, because their times show where the file's clock restarts.
        """
        self._on_packet = on_packet or _skip
        for packet in self.early:
            self._on_packet(packet)
        self.early = []

    def _decode(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets:
            if packet.stream is self.stream:
                yield from self.stream.decode(packet)
            elif packet.size or packet.dts is not None:
                self._on_packet(packet)

    def _rest(self) -> Iterator[av.VideoFrame]:
        try:
            yield from self._decoded
        except (FFmpegError, OSError) as error:
            raise RestillError(f"'{self.info.path}' is damaged: {reason(error)}") from error

    def close(self) -> None:
        """Close the file."""
        self.container.close()


def _skip(packet: av.Packet) -> None:
    """Ignore a packet."""


Source = VideoSource | PictureSource | MomentSource


def open_source(
    path: str | Path,
    fps: Fraction = DEFAULT_FPS,
    limits: Limits = USUAL,
    *,
    rotate: int = 0,
    moment: Moment | None = None,
) -> Source:
    """Open a video file, a folder of frames or a picture; the caller closes it.

    Args:
        path: What to open.
        fps: Frames per second of a folder.
        limits: The limits for the source.
        rotate: Turn its frames clockwise by 0, 90, 180 or 270 degrees, after its display matrix is applied. The source
            has no display matrix then.
        moment: Give only the frames of this moment.

    Raises:
        RestillError: The source is missing, cannot be read, has no picture, or is over a limit; or the moment is not
            in it.
    """
    path = Path(path)
    video = kind_of(path) == "video"
    source = VideoSource(path, limits) if video else PictureSource(path, fps, limits)
    if rotate:
        _turn(source, rotate)
    return source if moment is None else MomentSource(source, moment)


def _turn(source: VideoSource | PictureSource, degrees: int) -> None:
    """Rotate the frames of a source and update its description."""
    info = source.info
    source.orientation = info.orientation.clockwise(degrees)
    quarter = source.orientation.transpose
    source.info = replace(
        info,
        width=info.coded_height if quarter else info.coded_width,
        height=info.coded_width if quarter else info.coded_height,
        matrix=None,
        orientation=Orientation(),
        sample_aspect=1 / info.sample_aspect if info.sample_aspect and quarter else info.sample_aspect,
        sides={kind: data for kind, data in info.sides.items() if kind != "DISPLAYMATRIX"},
    )


def read_frames(path: str | Path, limits: Limits = USUAL) -> Iterator[np.ndarray]:
    """Read the frames of a video, a folder or a picture one at a time.

    Args:
        path: A video file, a folder of frames (natural order: frame2 before frame10) or one picture.
        limits: The limits for the source.

    Yields:
        (H, W, 3) RGB, upright; uint8, or uint16 at full scale (value / 65535) for more than 8 bits per channel.

    Raises:
        RestillError: The source is missing, cannot be read, or has no picture.
    """
    with closing(open_source(path, limits=limits)) as source:
        for frame, _ in source.frames():
            yield frame
