"""The thread that reads a camera: it decodes, keeps the newest frames, and connects again when the camera is gone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing

import av
from av.error import FFmpegError

from restill.errors import RestillError
from restill.planes import Frame
from restill.progress import say
from restill.restoring.live.addresses import shown
from restill.restoring.live.connection import Connection, Template, reason_of
from restill.restoring.live.counters import Counters
from restill.restoring.live.frames import Maker, Picture, Ticket
from restill.restoring.live.newest import Newest
from restill.restoring.live.times import Times
from restill.video.packets import read_packets
from restill.video.timing import Timeline

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0  # seconds before connecting again; doubled each time
GAP = 1.0  # seconds without frames after which neighbors have nothing in common
LATE = 2.0  # seconds of late frames after which packets are left out up to a key frame
RESET = 5.0  # seconds of late packets, without decoding, after which the camera's clock is taken anew
Item = tuple[Frame, Ticket]


class _Gone(Exception):
    """The camera has ended the stream."""


class Camera(threading.Thread):
    """Reads a camera until it is stopped.

    Args:
        address: Its address.
        counters: Counts the frames that come in, those that are dropped, and the reconnects.
        real_time: It is a recording, which is played at its own speed and ends.
        patient: Wait for it at the start too.
        on_sound: Called with each packet of sound and the seconds to add to its times.

    Attributes:
        picture: What it sends; None before the first frame.
        sound: Its sound; None if it has none.
        error: Why the camera cannot be read, for the thread that started it; or None.
    """

    def __init__(
        self,
        address: str,
        counters: Counters,
        *,
        real_time: bool = False,
        patient: bool = False,
        on_sound: Callable[[av.Packet, float], object] = lambda packet, shift: None,
    ) -> None:
        super().__init__(name="restill-camera", daemon=True)
        self._address, self._counters, self._bound = address, counters, math.inf
        self._real_time, self._patient, self._on_sound = real_time, patient, on_sound
        self._halt, self._told = threading.Event(), threading.Event()
        self._next_feed: tuple[Maker, Newest[Item]] | None = None  # from the main thread
        self._feed: tuple[Maker, Newest[Item]] | None = None
        self._times = Times(time.monotonic())
        self._timeline: Timeline | None = None  # of the connection
        self._number, self._seconds, self._latest, self._late_since = 0, 0.0, 0.0, 0.0
        self._begins, self._skipping = True, False
        self.picture: Picture | None = None
        self.sound: Template | None = None
        self.error: BaseException | None = None

    def first(self, stop: threading.Event) -> Picture | None:
        """Wait for the first frame; None if it is stopped before.

        Raises:
            RestillError: The camera cannot be read.
        """
        while not self._told.wait(0.2) and not stop.is_set():
            pass
        if self.error is not None:
            raise self.error
        if self.picture is None and not stop.is_set():
            raise RestillError(f"'{shown(self._address)}' sent no picture")
        return self.picture

    def begin(self, maker: Maker, inbox: Newest[Item], bound: float) -> None:
        """Put frames into a queue from now on. Their times in the output begin at 0.

        Args:
            maker: Makes them ready.
            inbox: The queue.
            bound: The longest delay of a frame, seconds.
        """
        self._next_feed, self._bound = (maker, inbox), bound

    def stop(self) -> None:
        """End soon."""
        self._halt.set()

    def run(self) -> None:
        """Read until it is stopped; the thread's own function."""
        try:
            self._run()
        except BaseException as error:
            self.error = error
        finally:
            self._told.set()
            if self._next_feed:
                self._next_feed[1].close()

    def _run(self) -> None:
        wait, away = FIRST_WAIT, False
        while not self._halt.is_set():
            seen = self._number
            try:
                with closing(Connection(self._address, real_time=self._real_time)) as connection:
                    self._play(connection, came_back=away and self.picture is not None)
            except (RestillError, FFmpegError, OSError, _Gone) as error:
                why = str(error) if isinstance(error, RestillError) else reason_of(error)
                if isinstance(error, _Gone) and self._real_time:
                    return
                if self._real_time or not (self.picture or self._patient):
                    if isinstance(error, RestillError):
                        raise
                    raise RestillError(f"'{shown(self._address)}' cannot be read: {why}") from error
            else:
                return  # stopped
            if self._number > seen or not away:
                say(f"the camera is away ({why}); waiting for it")
                wait = FIRST_WAIT
            away = True
            self._halt.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _play(self, connection: Connection, *, came_back: bool) -> None:
        """Read a connection to its end.

        Raises:
            _Gone: The camera ended the stream.
        """
        self._times.restart()
        self._times.paced = connection.paced
        self._begins, self._skipping, self._late_since = True, False, 0.0
        if self.picture is None:
            self.sound = None if connection.sound is None else Template(connection.sound)
        keep_sound = self.sound is not None and self.sound.fits(connection.sound)
        self._timeline = Timeline.of(connection.container, connection.stream)
        for packet in read_packets(connection.container, connection.stream, self._timeline):
            if self._halt.is_set():
                return
            if packet.stream is connection.stream:
                for frame in self._decode(connection, packet):
                    if came_back:
                        came_back = False
                        self._counters.add("reconnects")
                        say("the camera is back")
                    self._take(connection, frame)
            elif keep_sound and packet.stream is connection.sound and packet.size:
                shift = self._times.shift if self._feed else None
                if shift is not None:
                    self._on_sound(packet, shift)
        raise _Gone("it ended the stream")

    def _decode(self, connection: Connection, packet: av.Packet) -> list[av.VideoFrame]:
        """The frames of a packet; none while the packets come too late."""
        if self._feed is None:
            self._may_begin(connection)
        now = time.monotonic()
        stamp = packet.dts if packet.dts is not None else packet.pts
        if packet.size and not (connection.timed and stamp is None):
            self._seconds = float(stamp * packet.time_base) if connection.timed and stamp is not None else now
            self._begins |= self._times.arrive(self._seconds, now, self._timeline.resets if self._timeline else 0)
            late = now - self._times.due(self._seconds)
            if connection.paced and late < 0:
                self._halt.wait(-late)
            if self._is_skipped(packet, late, now):
                return []
        try:
            return connection.stream.decode(packet)
        except FFmpegError:
            return []  # a damaged packet; the next key frame mends the picture

    def _may_begin(self, connection: Connection) -> None:
        """Begin to pass frames on, if the main thread is ready; a recording waits for it."""
        while self._real_time and self.picture and not (self._next_feed or self._halt.is_set()):
            self._halt.wait(0.01)
        if self._next_feed:
            self._feed, self._times = self._next_feed, Times(time.monotonic())
            self._times.paced = connection.paced

    def _is_skipped(self, packet: av.Packet, late: float, now: float) -> bool:
        """Whether to leave out a packet, because frames come faster than they can be decoded."""
        if late <= self._bound:
            self._late_since = 0.0
            if self._skipping and packet.is_keyframe:
                packet.stream.codec_context.flush_buffers()
                self._begins, self._skipping = True, False
        else:
            self._late_since = self._late_since or now
            self._skipping |= now - self._late_since > LATE
            if now - self._late_since > LATE + RESET:  # reading alone did not help: it is the clock that changed
                self._times.restart()
        if self._skipping and self._feed:
            self._counters.add("frames_in")
            self._counters.add("dropped")
        return self._skipping

    def _take(self, connection: Connection, frame: av.VideoFrame) -> None:
        """Pass a frame on, with its times."""
        if self.picture is None:
            self.picture = connection.picture(frame)
            self._told.set()
        self._number += 1
        if self._feed is None:
            return
        maker, inbox = self._feed
        seconds = self._seconds
        if connection.timed and frame.pts is not None and frame.time_base is not None:
            seconds = float(frame.pts * frame.time_base)
        begins = self._begins or abs(seconds - self._latest) > GAP
        self._begins, self._latest = False, seconds
        ready = maker(frame, vectors=not (begins or connection.stream.codec_context.has_b_frames))
        self._counters.add("frames_in")
        inbox.put((ready, Ticket(self._times.due(seconds), self._times.out(seconds), self._number, begins)))
