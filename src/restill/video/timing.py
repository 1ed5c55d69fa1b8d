"""One clock for all streams of a file.

A recorder may start its clock again in the middle of a file, as in recordings that were joined by ``cat``. Clocks of
MPEG run over after 26.5 hours and begin anywhere. A player, and the ``ffmpeg`` command, go on without a break there.
:class:`Timeline` does the same: it gives every packet, of the picture and of the other streams, its time in the output.
:class:`FrameTimes` then gives each decoded frame its time.

The rules are those of ``ts_discontinuity_detect`` in FFmpeg's ``fftools/ffmpeg_demux.c`` and of ``guess_correct_pts``
in its ``libavcodec/decode.c``, with these differences. A clock that goes back is closed in every format. A stream that
only pauses is no jump as long as another stream goes on. A single time that is too early moves nothing that comes after
it. Frames do not overlap where two parts meet; FFmpeg lets them by a tenth of a second and drops some.

All times depend only on the packets before, so a second reading of the file gives the same times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition, Stream

JUMP = Fraction(10)  # seconds: a clock that goes on further than this was set anew (-dts_delta_threshold)
SLIP = Fraction(1, 10)  # seconds: a clock that goes back by no more than this was not
NEW = Fraction(1)  # seconds: how far a break may come later in one stream of a file than in another


@dataclass(eq=False)
class Span:
    """A part of a file whose clock runs through.

    Attributes:
        shift: Seconds from the file's times to the output's.
        since: When it begins, seconds in the output.
    """

    shift: Fraction
    since: Fraction = Fraction(0)


@dataclass
class Track:
    """What is known of one stream.

    Attributes:
        base: The unit of its times, in seconds.
        kind: "video", "audio" or another of FFmpeg's types. The first two run without gaps as a rule.
        is_picture: It is the stream that is restored.
        step: Seconds that a packet lasts that does not say so.
        span: The span of its last packet.
        last: When its last packet is decoded, seconds in the output.
        next: When that packet ends.
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
        """Whether its times tell when the file's clock was set anew."""
        return self.kind in ("video", "audio")


@dataclass
class Timeline:
    """Gives the packets of a file their times in the output, one by one, in the order of the file.

    Attributes:
        tracks: The streams, by their index.
        start: The time in the file that becomes 0, in seconds.
        may_jump: The format's clock may be set forward too (FFmpeg's AVFMT_TS_DISCONT: MPEG-TS and MPEG-PS).
        has_pts: The format stores when frames are presented. AVI does not; FFmpeg's libraries make them up.
    """

    tracks: dict[int, Track]
    start: Fraction = Fraction(0)
    may_jump: bool = False
    has_pts: bool = True
    _span: Span = field(init=False)
    _before: Span = field(init=False)  # the one before the newest
    _last: Fraction = Fraction(0)  # when the last packet of any timed stream is decoded, in the output

    def __post_init__(self) -> None:
        self._span = self._before = Span(-self.start)

    @classmethod
    def of(cls, container: InputContainer, picture: Stream) -> Timeline:
        """The timeline of an open file."""
        tracks = {}
        for stream in container.streams:
            if stream.time_base and not stream.disposition & Disposition.attached_pic:
                rate = getattr(stream, "average_rate", None) or getattr(stream, "guessed_rate", None)
                step = 1 / rate if rate else Fraction(0)
                tracks[stream.index] = Track(stream.time_base, stream.type, stream is picture, step)
        may_jump = bool(container.format.flags & Flags.ts_discont.value)
        return cls(tracks, _start(container, picture, may_jump), may_jump, container.format.name != "avi")

    def place(self, packet: av.Packet) -> None:
        """Give a packet its times in the output."""
        track = self.tracks.get(packet.stream_index)
        if track is not None:
            packet.pts, packet.dts = self.times(track, packet.pts, packet.dts, packet.duration or 0)

    def times(self, track: Track, pts: int | None, dts: int | None, duration: int) -> tuple[int | None, int | None]:
        """The times of presentation and decoding of a track's next packet in the output, in the track's unit.

        Args:
            track: One of the timeline's.
            pts: When the packet is presented, in the file; None where it does not say.
            dts: When it is decoded.
            duration: How long it lasts; 0 where it does not say.
        """
        if track.is_picture and not self.has_pts:
            pts = None
        if not track.is_timed:
            move = round(self._span.shift / track.base)
        else:
            if pts is None and dts is None and track.next is not None and track.span is not None:
                dts = round((track.next - track.span.shift) / track.base)  # it says nothing: it follows the one before
            known = pts if dts is None and track.kind == "audio" else dts
            shift = (track.span or self._span).shift if known is None else self._shift(track, known * track.base)
            move = round(shift / track.base)
            if known is not None:
                track.last = self._last = (known + move) * track.base
                track.next = track.last + (duration * track.base or track.step)
        return None if pts is None else pts + move, None if dts is None else dts + move

    def _shift(self, track: Track, dts: Fraction) -> Fraction:
        """The seconds to add to a packet's times; a new span begins where the file's clock was set anew."""
        span, own = self._span, track.span
        if own is None or track.next is None:  # the stream's first packet
            late = dts + span.shift - self._last
            track.span = self._begin(span.shift - late) if self.may_jump and abs(late) > JUMP else span
            return track.span.shift
        is_new = self._last - span.since <= NEW
        if is_new and own is not span and abs(dts + own.shift - track.next) <= SLIP:
            span = own  # another stream is further in the file; this packet still belongs to the part before
        time = dts + span.shift
        expected = self._last if self._last - track.next > JUMP else track.next  # where others are, after a pause
        overlap = track.next - time
        if span is not own and overlap > (0 if track.is_picture else SLIP):
            span.shift += overlap  # the part before is longer in this stream than in the one that began the new part
        elif time + SLIP < track.last or (self.may_jump and time - expected > JUMP):
            span = self._begin(self._shift_to(dts, expected))
        elif is_new and time - expected > SLIP and self._shift_to(dts, expected) == self._before.shift:
            span = self._begin(self._before.shift)  # the one packet was wrong
        track.span = span
        return span.shift

    def _shift_to(self, dts: Fraction, expected: Fraction) -> Fraction:
        """What brings a packet to where it is expected; if only one time was wrong, what was right before it."""
        before = self._before.shift
        return before if abs(dts + before - expected) <= SLIP else expected - dts

    def _begin(self, shift: Fraction) -> Span:
        self._before, self._span = self._span, Span(shift, self._last)
        return self._span


def _start(container: InputContainer, picture: Stream, may_jump: bool) -> Fraction:
    """The time that becomes 0: where a clock begins that begins anywhere, or a picture that begins before 0."""
    if may_jump:
        return Fraction(container.start_time or 0, av.time_base)
    return min(Fraction(0), Fraction(picture.start_time or 0) * (picture.time_base or 0))


class FrameTimes:
    """Gives decoded frames their times, in the order of presentation.

    Times of presentation are believed until they have gone back more often than times of decoding. Some files store
    them in the order of decoding, or not at all.

    Args:
        step: Ticks from one frame to the next, as a rule.
    """

    def __init__(self, step: int) -> None:
        self._step = self._shown = step  # how long the last frame is shown
        self._faults = [0, 0]  # of pts and of dts
        self._latest: list[int | None] = [None, None]
        self._last: int | None = None

    def time(self, pts: int | None, dts: int | None, duration: int) -> int:
        """When the next frame is shown, in ticks; later than the one before.

        Args:
            pts: What the frame says.
            dts: When the packet was decoded that the frame came out after.
            duration: How long it is shown; 0 where it does not say.
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
        if self._last is not None and time <= self._last:  # no player shows two frames at once
            time = self._last + max(1, min(self._shown, self._step) // 2)
        self._last, self._shown = time, duration or self._step
        return time
