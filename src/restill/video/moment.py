"""A moment of a source: some seconds of it, with the frames around them as context."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.planes import Frame
from restill.video.info import VideoInfo
from restill.video.limits import Limits
from restill.video.orientation import Orientation
from restill.video.ticket import FrameInfo

_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)s@(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?")


@dataclass(frozen=True)
class Moment:
    """A moment.

    Attributes:
        start: Seconds from the first frame.
        seconds: Its length.

    Raises:
        RestillError: It starts before the first frame, or has no length.
    """

    start: float
    seconds: float

    def __post_init__(self) -> None:
        if self.start < 0 or self.seconds <= 0:
            raise RestillError(f"the moment {self} needs a start from 0 on and a length above 0")

    def __str__(self) -> str:
        minutes, seconds = divmod(self.start, 60)
        return f"{self.seconds:g}s@{minutes:.0f}:{seconds:04.1f}"


def parse_moment(text: str) -> Moment:
    """Read a moment as the command line writes it.

    >>> parse_moment("3s@1:23"), parse_moment("0.5s@1:00:02.5")
    (Moment(start=83.0, seconds=3.0), Moment(start=3602.5, seconds=0.5))

    Raises:
        RestillError: The text is not a moment.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise RestillError(f"'{text}' is not a moment; 3s@1:23 is 3 seconds from 1 minute 23 seconds on")
    seconds, hours, minutes, rest = found.groups()
    return Moment(int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest), float(seconds))


class Whole(Protocol):
    """The source that a moment is part of."""

    info: VideoInfo
    limits: Limits

    def frames_from(self, time: int, *, planes: bool = False) -> Iterator[tuple[Any, FrameInfo]]:
        """Yield the frames from one at or before a time on."""
        ...

    def close(self) -> None:
        """Close the source."""


class MomentSource:
    """Gives the frames of a moment, upright, with times that start at 0. It has no other streams.

    Args:
        source: The whole source.
        moment: The moment.

    Attributes:
        info: The description of the moment. Its frames are stored as they are displayed.
        limits: The limits for the source.
        orientation: Upright.
        context: The number of frames before and after the moment that a process needs, for :meth:`within`.

    Raises:
        RestillError: The source is one picture, or ends before the moment.
    """

    def __init__(self, source: Whole, moment: Moment) -> None:
        info = source.info
        if info.kind == "picture":
            raise RestillError(f"'{info.path}' is one picture; only clips have moments")
        if info.duration is not None and moment.start >= info.duration:
            raise RestillError(f"the moment {moment} is not in '{info.path}', which has {info.duration:.1f} seconds")
        self._source, self._moment = source, moment
        self.limits, self.orientation = source.limits, Orientation()
        self.info = _upright(info, moment)
        self.context: tuple[int, int] = (0, 0)
        self._before: list[Frame] = []
        self._after: list[Frame] = []

    @property
    def has_planes(self) -> bool:
        """Whether :meth:`frames` can give planes."""
        return getattr(self._source, "has_planes", False)

    def frames(
        self, on_packet: object = None, clock: Clock = NO_CLOCK, start: int = 0, *, planes: bool = False
    ) -> Iterator[tuple[Any, FrameInfo]]:
        """Yield every frame of the moment with its ticket. It can be called once.

        Args:
            on_packet: Never called.
            clock: Not used.
            start: 0: a moment is never resumed.
            planes: Give planes, not RGB.

        Raises:
            RestillError: The source is damaged, or has no frame in the moment.
        """
        before, after = self.context
        unit, first = self.info.time_base, getattr(self._source, "start", 0)
        begin = first + round(self._moment.start / unit)
        end = first + round((self._moment.start + self._moment.seconds) / unit)
        lead = (before + 2) / (self.info.fps or 25)
        ring: deque[Frame] = deque(maxlen=before)
        shown = None
        for frame, ticket in self._source.frames_from(begin - round(lead / unit), planes=planes):
            if ticket.pts < begin:
                ring.append(frame)
            elif ticket.pts < end:
                if shown is None:
                    shown, self._before = ticket.pts, list(ring)
                yield frame, replace(ticket, pts=ticket.pts - shown)
            elif len(self._after) < after:
                self._after.append(frame)
            else:
                break
        if shown is None:
            raise RestillError(f"'{self.info.path}' has no frame in the moment {self._moment}")

    def within(self, process: Callable[[Iterator[Any]], Iterator[Any]]) -> Callable[[Iterator[Any]], Iterator[Any]]:
        """A process for the frames of the moment that gives another one the context before and after, too."""

        def narrowed(frames: Iterator[Any]) -> Iterator[Any]:
            count = 0

            def counted() -> Iterator[Any]:
                nonlocal count
                for count, frame in enumerate(frames, 1):
                    if count == 1:
                        yield from self._before
                    yield frame

            def late() -> Iterator[Any]:
                yield from self._after  # known when the frames have ended

            for index, frame in enumerate(process(chain(counted(), late()))):
                if len(self._before) <= index < len(self._before) + count:
                    yield frame

        return narrowed

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _upright(info: VideoInfo, moment: Moment) -> VideoInfo:
    """The description of a moment."""
    left = moment.seconds if info.duration is None else min(moment.seconds, info.duration - moment.start)
    aspect = info.sample_aspect
    return replace(
        info,
        coded_width=info.width,
        coded_height=info.height,
        frames=max(1, round(left * info.fps)) if info.fps else None,
        duration=left,
        matrix=None,
        orientation=Orientation(),
        sample_aspect=1 / aspect if aspect and info.orientation.transpose else aspect,
        sides={kind: data for kind, data in info.sides.items() if kind != "DISPLAYMATRIX"},
        streams={},
        chapters=[],
    )
