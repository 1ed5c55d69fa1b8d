"""Decode, process and encode the frames of a source on three threads.

    decode (thread) --frames--> process (the caller's thread) --frames--> encode (thread)

The queues between them are short, so memory does not grow with the length of the clip. An error in one thread stops the
other two and is raised in the caller's thread; so does Ctrl-C.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from restill.errors import RestillError
from restill.planes import Planes
from restill.video.decode import FrameInfo, Source
from restill.video.journal import ResumableJob
from restill.video.losses import Losses
from restill.video.moment import MomentSource
from restill.video.mux import is_of_the_disk
from restill.video.opening import reason
from restill.video.picture_source import PictureSource
from restill.video.seeking import KnownFrame, mark
from restill.video.segmented import SegmentSink
from restill.video.segments import ends_segment
from restill.video.sinks import Sink

Process = Callable[[Iterator[Any]], Iterator[Any]]  # of frames (H, W, 3), or of planes
FRAMES_BETWEEN = 4  # frames in a queue: enough to cover a slow keyframe; each holds a whole picture


@contextmanager
def output_errors(dst: Path, job: ResumableJob | None) -> Iterator[None]:
    """Turn errors of FFmpeg and the system inside into an error that names the output."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        goes_on = job is not None and job.folder.segments and is_of_the_disk(error)
        kept = "; the finished part is kept: run the same command again to continue" if goes_on else ""
        raise RestillError(f"'{dst}' cannot be written: {reason(error)}{kept}") from error


class _Stopped(Exception):
    """Another thread of the pipeline has failed or was stopped."""


class _Pipe:
    """A short queue between two threads. Waiting threads get :class:`_Stopped` when the pipeline stops."""

    def __init__(self, stop: threading.Event) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(FRAMES_BETWEEN)
        self._stop = stop
        self._ended = False

    def put(self, item: Any) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise _Stopped

    def __iter__(self) -> Iterator[Any]:
        while not self._ended:
            if self._stop.is_set():
                raise _Stopped
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            self._ended = item is None
            if item is not None:
                yield item


def _is_rgb(frame: Any) -> bool:
    return isinstance(frame, np.ndarray) and frame.shape[2:] == (3,) and frame.dtype in (np.uint8, np.uint16)


def _read(
    source: Source,
    sink: Sink,
    job: ResumableJob | None,
    start: int,
    on_packet: Callable[[av.Packet], None] | None,
    *,
    planes: bool,
) -> Iterator[tuple[Any, FrameInfo]]:
    """The frames that a job needs. The marks of those that end a segment are in their tickets, and in the sink."""
    if job is None or not isinstance(sink, SegmentSink) or isinstance(source, MomentSource):
        read = source.frames if isinstance(source, PictureSource) else partial(source.frames, planes=planes)
        yield from read(on_packet, start=start)
        return
    first = min(start, max(0, job.frames_done - 1))  # the last frame that is done is needed for its mark
    if isinstance(source, PictureSource):
        found = source.frames(on_packet, start=first)
    else:
        known = None if job.last is None else KnownFrame(job.frames_done - 1, job.last)
        key = None if on_packet else job.key
        found = source.frames(on_packet, start=first, key=key, known=known, planes=planes)
    last = None if job.end is None else job.end + job.after
    info = source.info
    for count, (frame, ticket) in enumerate(found, first + 1):
        if ends_segment(info.height, info.width, count):
            ticket = replace(ticket, mark=mark(frame, ticket.pts))
        if count == job.frames_done:
            sink.before = ticket.mark
        if count > start:
            yield frame, ticket
        if count == last:
            return


def run_pipeline(
    source: Source,
    sink: Sink,
    process: Process,
    on_frame: Callable[[], object] | None,
    job: ResumableJob | None,
    losses: Losses,
    *,
    planes: bool = False,
) -> int:
    done, end = (job.frames_done, job.end) if job else (0, None)
    again = min(done, job.context) if job else 0  # frames that are restored again as context, not written
    stop = threading.Event()
    decoded, cleaned = _Pipe(stop), _Pipe(stop)
    tickets: deque[FrameInfo] = deque()
    packets: deque[av.Packet] = deque()  # packets of the other streams, if the source can be read only once
    errors: list[BaseException] = []

    def decode() -> None:
        on_packet = packets.append if isinstance(sink, SegmentSink) and sink.one_pass else None
        for frame, ticket in _read(source, sink, job, done - again, on_packet, planes=planes):
            tickets.append(ticket)
            decoded.put(frame)
        decoded.put(None)

    def copy() -> None:
        while packets and isinstance(sink, SegmentSink):
            sink.write_packet(packets.popleft())

    def encode() -> None:
        for frame, ticket in cleaned:
            with output_errors(sink.final, job):
                losses.add(ticket, sink.write(frame, ticket))
                copy()
        with output_errors(sink.final, job):
            copy()

    def run_thread(work: Callable[[], None]) -> None:
        try:
            work()
        except _Stopped:
            pass
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=run_thread, args=(work,), name=f"restill-{work.__name__}") for work in (decode, encode)
    ]
    for thread in threads:
        thread.start()
    frames = done - again
    try:
        shape = None
        for frame in process(iter(decoded)):
            if not tickets:
                raise RestillError(
                    f"the process gave more than the {frames} frames that it got from '{source.info.path}'"
                )
            shape = frame.shape if source.info.alone else shape or frame.shape
            if frame.shape != shape or not (_is_rgb(frame) or (planes and isinstance(frame, Planes))):
                kind = getattr(frame, "dtype", "planes")
                raise RestillError(
                    f"the process gave {kind} {frame.shape} for frame {frames + 1}; it must give uint8 or uint16 RGB "
                    "(H, W, 3) of one size"
                )
            ticket, frames = tickets.popleft(), frames + 1
            if frames <= done or (end is not None and frames > end):
                continue
            cleaned.put((frame, ticket))
            if on_frame is not None:
                on_frame()
        for _ in decoded:
            pass  # a process that stopped reading early: the remaining tickets are the frames that it left
        if tickets:
            raise RestillError(
                f"the process gave {frames} frames for the {frames + len(tickets)} of '{source.info.path}'"
            )
        cleaned.put(None)
        threads[1].join()
    except _Stopped:
        pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return frames
