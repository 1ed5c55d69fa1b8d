"""The thread that encodes and writes. A slow target delays nothing: frames that come meanwhile are dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import av

from restill.errors import RestillError
from restill.planes import Frame
from restill.progress import say
from restill.restoring.live.camera import FIRST_WAIT, LONGEST_WAIT, Item
from restill.restoring.live.counters import Counters
from restill.restoring.live.frames import Ticket
from restill.restoring.live.newest import Newest
from restill.restoring.live.targets import Target

MOST_SOUND = 1000  # packets of sound that wait while the target is slow: about 20 seconds
FORGET = 0.9  # of the time that the slowest frame took, what counts at the next
FRAMES = 2  # restored frames that wait


class Writer(threading.Thread):
    """Writes restored frames until its queue is closed.

    Args:
        open_target: Opens the target.
        counters: Counts the frames that are written and dropped, and the reconnects.
        bound: The longest delay of a frame, seconds.
        again: Open the target again when it is gone; otherwise that is an error.

    Attributes:
        outbox: The frames to write.
        error: Why it stopped; None while it works.
    """

    def __init__(self, open_target: Callable[[], Target], counters: Counters, bound: float, *, again: bool) -> None:
        super().__init__(name="restill-writer", daemon=True)
        self._open, self._counters, self._bound, self._again = open_target, counters, bound, again
        self._sound: deque[tuple[av.Packet, float]] = deque(maxlen=MOST_SOUND)
        self._to: Target | None = None
        self._away, self._wait, self._next = False, FIRST_WAIT, 0.0
        self._takes = 0.0  # seconds to encode and write a frame, of late at most
        self.outbox: Newest[Item] = Newest(FRAMES, lambda: counters.add("dropped"))
        self.error: BaseException | None = None

    def sound(self, packet: av.Packet, shift: float) -> None:
        """Take a packet of sound, with the seconds to add to its times."""
        self._sound.append((packet, shift))

    def run(self) -> None:
        """Write until the queue is closed; the thread's own function."""
        try:
            while not self.outbox.ended:
                self._step()
            if self._to is not None:
                self._to.close()
        except BaseException as error:
            self.error = error

    def _step(self) -> None:
        """Write the next frame, and the sound that came."""
        item = self.outbox.get(time.monotonic() + 0.2)
        went_out = False
        try:
            if self._to is None and time.monotonic() >= self._next:
                self._to = self._open()
            while self._sound:
                packet = self._sound.popleft()
                if self._to is not None:
                    self._to.write_sound(*packet)
            went_out = item is not None and self._write(*item)
        except RestillError as error:
            if not self._again:
                raise
            self._lose(error)
        if item is not None and not went_out:
            self._counters.add("dropped")

    def _write(self, frame: Frame, ticket: Ticket) -> bool:
        """Write a frame if it is not too late; return whether it went out."""
        began = time.monotonic()
        if self._to is None or began - ticket.due + self._takes > self._bound:
            self._takes *= FORGET
            return False
        if not self._to.write(frame, ticket.time):
            return False
        now = time.monotonic()
        self._takes = max(now - began, FORGET * self._takes)
        self._counters.written(now - ticket.due)
        if self._away:
            self._away, self._wait = False, FIRST_WAIT
            self._counters.add("target_reconnects")
            say("the target is back")
        return True

    def _lose(self, error: RestillError) -> None:
        """Close a target that is gone, and choose when to open it again."""
        if not self._away:
            say(f"{error}; trying again")
        if self._to is not None:
            with suppress(RestillError):
                self._to.close()
        self._to, self._away = None, True
        self._next = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
