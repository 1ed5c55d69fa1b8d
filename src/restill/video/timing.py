"""Put all streams of a file on one clock.

The clock may restart in the middle of a file, for example in recordings that were joined by ``cat``. MPEG clocks wrap
around after 26.5 hours and start at any value. Players and the ``ffmpeg`` command continue without a break there.
:class:`Timeline` does the same: it sets the output time of each packet, of the picture and of the other streams.
:class:`FrameTimes` then sets the time of each decoded frame.

The rules are those of ``ts_discontinuity_detect`` in FFmpeg's ``fftools/ffmpeg_demux.c`` and of ``guess_correct_pts``
in its ``libavcodec/decode.c``, with these differences:

- A backward jump of the clock is corrected in every format.
- A pause in one stream is not a jump if another stream continues.
- A single time that is too early does not move later packets.
- Frames do not overlap where two parts meet. FFmpeg allows a tenth of a second and drops some frames.

All times depend only on earlier packets, so a second pass over the file gives the same times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition, Stream

JUMP = Fraction(10)  # seconds: the clock was reset if it jumps ahead by more than this (-dts_delta_threshold)
SLIP = Fraction(1, 10)  # seconds: the clock was not reset if it goes back by at most this
NEW = Fraction(1)  # seconds: the largest delay of a break between two streams of a file


@dataclass(eq=False)
class Span:
    """A part of a file in which the clock is not reset.

    Attributes:
        shift: Seconds to add to file times to get output times.
        since: Its start in the output, in seconds.
    """

    shift: Fraction
    since: Fraction = Fraction(0)


@dataclass
class Track:
    """The state of one stream.

    Attributes:
        base: The unit of its times, in seconds.
        kind: "video", "audio" or another FFmpeg type. The first two usually have no gaps.
        is_picture: Whether this stream is restored.
        step: Duration of packets that do not state one, in seconds.
        span: The span of its last packet.
        last: Decoding time of its last packet in the output, in seconds.
        next: End of that packet.
    """

    base: Fraction
    kind: str = "video"
    is_picture: bool = False
    step: Fraction = Fraction(0)
    span: Span | None = None
    last: Fraction = Fraction(0)
    next: Fraction | None = None

    @property
    def is_timed(self) -> bool:
        """Whether its times show when the clock of the file was reset."""
        return self.kind in ("video", "audio")


@dataclass
class Timeline:
    """Sets the output times of the packets of a file, one by one, in file order.

    Attributes:
        tracks: The streams, by index.
        start: The file time that becomes 0, in seconds.
        may_jump: Whether the clock may also jump ahead (FFmpeg's AVFMT_TS_DISCONT: MPEG-TS and MPEG-PS).
        has_pts: Whether the format stores presentation times. AVI does not; FFmpeg's libraries invent them.
        resets: How often the clock was reset so far.
    """

    tracks: dict[int, Track]
    start: Fraction = Fraction(0)
    may_jump: bool = False
    has_pts: bool = True
    resets: int = 0
    _span: Span = field(init=False)
    _before: Span = field(init=False)  # the span before the newest
    _last: Fraction = Fraction(0)  # decoding time in the output of the last packet of any timed stream

    def __post_init__(self) -> None:
        self._span = self._before = Span(-self.start)

    @classmethod
    def of(cls, container: InputContainer, picture: Stream) -> Timeline:
        """Create the timeline of an open file."""
        tracks = {}
        for stream in container.streams:
            if stream.time_base and not stream.disposition & Disposition.attached_pic:
                rate = getattr(stream, "average_rate", None) or getattr(stream, "guessed_rate", None)
                step = 1 / rate if rate else Fraction(0)
                tracks[stream.index] = Track(stream.time_base, stream.type, stream is picture, step)
        may_jump = bool(container.format.flags & Flags.ts_discont.value)
        return cls(tracks, _start(container, picture, may_jump), may_jump, container.format.name != "avi")

    def place(self, packet: av.Packet) -> None:
        """Set the output times of a packet."""
        track = self.tracks.get(packet.stream_index)
        if track is not None:
            packet.pts, packet.dts = self.times(track, packet.pts, packet.dts, packet.duration or 0)

    def times(self, track: Track, pts: int | None, dts: int | None, duration: int) -> tuple[int | None, int | None]:
        """Return the output presentation and decoding times of a track's next packet, in the track's unit.

        Args:
            track: A track of this timeline.
            pts: Presentation time of the packet in the file; None if unknown.
            dts: Decoding time in the file; None if unknown.
            duration: Duration; 0 if unknown.
        """
        if track.is_picture and not self.has_pts:
            pts = None
        if not track.is_timed:
            move = round(self._span.shift / track.base)
        else:
            if pts is None and dts is None and track.next is not None and track.span is not None:
                dts = round((track.next - track.span.shift) / track.base)  # no times: it follows the packet before
            known = pts if dts is None and track.kind == "audio" else dts
            shift = (track.span or self._span).shift if known is None else self._shift(track, known * track.base)
            move = round(shift / track.base)
            if known is not None:
                track.last = self._last = (known + move) * track.base
                track.next = track.last + (duration * track.base or track.step)
        return None if pts is None else pts + move, None if dts is None else dts + move

    def _shift(self, track: Track, dts: Fraction) -> Fraction:
        """Return the seconds to add to a packet's times; begin a new span if the clock was reset."""
        span, own = self._span, track.span
        if own is None or track.next is None:  # the stream's first packet
            late = dts + span.shift - self._last
            track.span = self._begin(span.shift - late) if self.may_jump and abs(late) > JUMP else span
            return track.span.shift
        is_new = self._last - span.since <= NEW
        if is_new and own is not span and abs(dts + own.shift - track.next) <= SLIP:
            span = own  # another stream is ahead; this packet still belongs to the part before
        time = dts + span.shift
        expected = self._last if self._last - track.next > JUMP else track.next  # after a pause: the time of the others
        overlap = track.next - time
        if span is not own and overlap > (0 if track.is_picture else SLIP):
            span.shift += overlap  # the part before is longer here than in the stream that began the new part
        elif time + SLIP < track.last or (self.may_jump and time - expected > JUMP):
            span = self._begin(self._shift_to(dts, expected))
        elif is_new and time - expected > SLIP and self._shift_to(dts, expected) == self._before.shift:
            span = self._begin(self._before.shift)  # only that packet was wrong
        track.span = span
        return span.shift

    def _shift_to(self, dts: Fraction, expected: Fraction) -> Fraction:
        """Return the shift to the expected time, or the shift before if only one time was wrong."""
        before = self._before.shift
        return before if abs(dts + before - expected) <= SLIP else expected - dts

    def _begin(self, shift: Fraction) -> Span:
        self.resets += 1
        self._before, self._span = self._span, Span(shift, self._last)
        return self._span


def _start(container: InputContainer, picture: Stream, may_jump: bool) -> Fraction:
    """Return the file time that becomes 0: the start of the file if its clock may jump, or a picture start below 0."""
    if may_jump:
        return Fraction(container.start_time or 0, av.time_base)
    return min(Fraction(0), Fraction(picture.start_time or 0) * (picture.time_base or 0))


class FrameTimes:
    """Sets the times of decoded frames, in presentation order.

    Presentation times are used until they have gone back more often than decoding times. Some files store them in
    decoding order, or not at all.

    Args:
        step: The usual number of ticks between frames.
    """

    def __init__(self, step: int) -> None:
        self._step = self._shown = step  # duration of the last frame
        self._faults = [0, 0]  # of pts and of dts
        self._latest: list[int | None] = [None, None]
        self._last: int | None = None

    def time(self, pts: int | None, dts: int | None, duration: int) -> int:
        """Return the time of the next frame in ticks, later than the one before.

        Args:
            pts: Presentation time of the frame.
            dts: Decoding time of the packet that produced the frame.
            duration: Duration; 0 if unknown.
        """
        for which, time in enumerate((pts, dts)):
            latest = self._latest[which]
            if time is not None:
                self._faults[which] += latest is not None and time <= latest
                self._latest[which] = time
        trusted = self._faults[0] <= self._faults[1] or self._latest[1] is None
        time = pts if trusted and pts is not None else dts
        if time is None:
            time = 0 if self._last is None else self._last + self._shown
        if self._last is not None and time <= self._last:  # players show one frame at a time
            time = self._last + max(1, min(self._shown, self._step) // 2)
        self._last, self._shown = time, duration or self._step
        return time
