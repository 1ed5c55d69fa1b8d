"""Which frames are restored: the newest, in contexts of frames that belong together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from restill.planes import Frame
from restill.restoring.live.camera import Item
from restill.restoring.live.counters import Counters
from restill.restoring.live.frames import Ticket, without_vectors
from restill.restoring.live.newest import Newest
from restill.runtime import ModelInfo

AHEAD = 2  # frames beside those of a window that may wait; with more, the machine is too slow


class Schedule:
    """Feeds a model from a queue, and keeps the ticket of each frame.

    Frames that are not restored are still neighbors of others, so neighbors are as near in time as the camera sends
    them. If frames pile up, all but those of the newest window are dropped, and its center is restored next.

    Args:
        inbox: The queue.
        model: The model.
        counters: Counts the frames that are left out and dropped.
        bound: The longest delay of a frame, seconds.
        fps: The most frames a second; None for all.
        stopped: Whether to end.
    """

    def __init__(
        self,
        inbox: Newest[Item],
        model: ModelInfo,
        counters: Counters,
        bound: float,
        fps: float | None,
        stopped: Callable[[], bool],
    ) -> None:
        self._inbox, self._counters, self._bound, self._stopped = inbox, counters, bound, stopped
        self._neighbors = model.frames - 1
        self._passed = 0  # frames to pass over, because their windows have a gap
        self._step, self._next = 1 / fps if fps else 0.0, 0.0
        self._last, self._missed = (
            -1,
            False,
        )  # the number of the frame before; whether one was dropped since the last taken
        self._waiting: deque[Ticket] = deque()  # of frames that are not decided
        self._taken: deque[Ticket] = deque()  # of frames that are being restored

    @property
    def ended(self) -> bool:
        """Whether no frames will come."""
        return self._inbox.ended or self._stopped()

    def context(self) -> Iterator[Any]:
        """The frames that belong together, all of one kind; None where the next one is not there yet.

        It ends with a pause, so that the last frames before it do not wait for their neighbors.
        """
        before: Ticket | None = None
        self._passed, until = 0, 0.0
        while not self._stopped():
            if not self._passed and len(self._inbox) > self._neighbors + AHEAD:
                self._counters.add("dropped", self._inbox.keep(self._neighbors + 1))
                self._passed = self._neighbors
            item = self._inbox.get()
            if item is None:
                yield None
                item = self._inbox.get(until or time.monotonic() + 0.2)
            if item is None:
                if before is None and not self._inbox.ended:
                    continue
                return
            frame, ticket = item
            if before is not None and ticket.begins:
                self._inbox.put_back(item)
                return
            if before is not None and ticket.number != before.number + 1:
                frame = without_vectors(frame)
            before, until = ticket, time.monotonic() + self._bound / 2
            self._waiting.append(ticket)
            yield frame

    def wanted(self, frame: Frame) -> bool:
        """Whether to restore the next frame; its neighbors are there."""
        ticket = self._waiting.popleft()
        self._missed |= ticket.number != self._last + 1
        self._last = ticket.number
        passed, self._passed = self._passed > 0, max(0, self._passed - 1)
        if ticket.time < self._next - self._step / 4:
            self._counters.add("left_out")
            return False
        if passed or time.monotonic() - ticket.due > self._bound:
            self._counters.add("dropped")
            self._missed = True
            return False
        late = self._missed or ticket.time > self._next + self._step  # else the frames keep their average rate
        self._next = (ticket.time if late else self._next) + self._step if self._step else 0.0
        self._missed = False
        self._taken.append(ticket)
        return True

    def ticket(self) -> Ticket:
        """The ticket of the frame that was restored next."""
        return self._taken.popleft()

    def abandon(self) -> None:
        """Count what is not done at the end."""
        self._counters.add("dropped", len(self._waiting) + len(self._taken) + len(self._inbox))
