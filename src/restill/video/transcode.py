"""One file to another with every frame sent through a function; decoding, the function and encoding overlap.

    decode (thread) --frames--> process (the caller's thread) --frames--> encode (thread)

The queues between are short, so memory does not grow with the length of the clip. An error in any of the three
stops the others and is raised to the caller; Ctrl-C too.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from restill.errors import RestillError
from restill.video.decode import FrameInfo, Source, open_source
from restill.video.journal import Journal
from restill.video.limits import USUAL, Limits
from restill.video.losses import Losses
from restill.video.mux import is_of_the_disk
from restill.video.picture_names import is_picture
from restill.video.pipe_names import STDOUT, is_pipe
from restill.video.probe import reason
from restill.video.segmented import SegmentSink, Sink, open_sink
from restill.video.settings import SUFFIXES, EncodeSettings

Process = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]
FRAMES_BETWEEN = 4  # enough to ride out a keyframe; each holds a whole picture


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        output: The file or folder that was written.
        frames: How many frames it holds.
        seconds: How long it took.
    """

    output: Path
    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames done in a second."""
        return self.frames / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class Job:
    """A job that can be cut off and gone on with.

    Attributes:
        journal: Of the output.
        done: How many frames its parts hold, by :func:`restill.video.segments.frames_done`.
        context: How many frames before a frame its restoration depends on.
    """

    journal: Journal
    done: int
    context: int


class _Stopped(Exception):
    """Another part of the pipeline has failed or been stopped."""


class _Pipe:
    """A short queue that lets go of whoever waits on it when everything stops."""

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


def transcode(
    src: str | Path | Source,
    dst: str | Path,
    process: Process,
    settings: EncodeSettings | None = None,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], object] | None = None,
    job: Job | None = None,
    limits: Limits = USUAL,
) -> Summary:
    """Send every frame of a source through a function and write the result with everything else of the source.

    Times, sound, subtitles, chapters, metadata, rotation, pixel aspect, color tags and bit depth are kept. The
    output appears under its name only when it is whole.

    Args:
        src: A video file, a folder of frames or a picture; or one that :func:`open_source` opened, which stays open.
        dst: A video file, a picture, or a folder (a name without extension) for PNG frames.
        process: Takes an iterator of frames (H, W, 3) RGB, uint8, or uint16 for sources over 8 bits, upright, and
            gives exactly one frame for each, in order. It may read ahead. The size may change, once for all frames.
        settings: How to encode.
        overwrite: Whether an output that exists may be replaced.
        on_frame: Called after each frame.
        job: Work in segments, of which those that are done stay when this is cut off, and go on after them. Then
            ``process`` may depend on no more than ``job.context`` frames before each; the first so many of what it
            gives are thrown away, and ``on_frame`` is not called for what was done before.
        limits: What the source may have at most, where it is not open yet.

    Returns:
        What was done.

    Raises:
        RestillError: The input cannot be read, the output not be written, or ``process`` loses or adds a frame.
    """
    began = time.monotonic()
    settings = settings or EncodeSettings()
    dst = Path(dst)
    with ExitStack() as opened:
        if isinstance(src, str | Path):
            src = opened.enter_context(closing(open_source(src, settings.frame_rate, limits)))
        path = src.info.path
        check_output(path, dst, overwrite)
        sink = open_sink(dst, src, settings, job.journal if job else None)
        losses = Losses()
        try:
            frames = _run(src, sink, process, on_frame, job, losses)
            if not dst.is_dir():
                check_output(path, dst, overwrite)  # something may have come there meanwhile
            with _writing(dst, job):
                sink.close()
            losses.say()
        except BaseException:
            sink.abandon()
            raise
    return Summary(sink.final, frames, time.monotonic() - began)


@contextmanager
def _writing(dst: Path, job: Job | None) -> Iterator[None]:
    """Say of what goes wrong inside that the output cannot be written."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        goes_on = job is not None and job.journal.parts and is_of_the_disk(error)
        kept = "; what is done is kept, the same command goes on" if goes_on else ""
        raise RestillError(f"'{dst}' cannot be written: {reason(error)}{kept}") from error


def check_output(src: Path, dst: Path, overwrite: bool) -> None:
    """Refuse an output that Restill does not write, that would harm a file or that cannot be made.

    Raises:
        RestillError: Its ending is unknown, it is the input or a device, it exists already, or its folder is missing or
            cannot be written to.
    """
    if dst == STDOUT:
        return
    if dst.exists() and dst.samefile(src):  # by another name or a link, too
        raise RestillError(f"'{dst}' is the input itself, which is never changed; name another output")
    if is_pipe(dst):
        raise RestillError(f"'{dst}' is no file but a pipe or a device; '-o -' writes to standard output")
    if dst.suffix and not dst.is_dir() and dst.suffix.lower() not in SUFFIXES and not is_picture(dst):
        raise RestillError(
            f"'{dst}' ends in {dst.suffix}, which Restill does not write; end it in {', '.join(SUFFIXES)} or a "
            f"picture's ending, or put a slash at its end for a folder"
        )
    if dst.is_file() and not dst.suffix:
        raise RestillError(f"'{dst}' is a file without an ending, where a folder of frames would go; name another")
    taken = any(dst.iterdir()) if dst.is_dir() else dst.exists()
    if taken and not overwrite:
        into = f", or write '{dst}/' to put the result into it" if dst.is_dir() else ""
        raise RestillError(f"'{dst}' exists already; add --overwrite to replace it, or name another output{into}")
    folder = dst.absolute().parent
    if not folder.is_dir():
        raise RestillError(f"the folder '{folder}' does not exist; make it first, or name another output")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RestillError(
            f"the folder '{folder}' cannot be written to ({error.strerror}); name an output elsewhere"
        ) from error


def _run(
    source: Source,
    sink: Sink,
    process: Process,
    on_frame: Callable[[], object] | None,
    job: Job | None,
    losses: Losses,
) -> int:
    done = job.done if job else 0
    again = min(done, job.context) if job else 0  # frames that are restored once more, to begin like the others
    stop = threading.Event()
    decoded, cleaned = _Pipe(stop), _Pipe(stop)
    tickets: deque[FrameInfo] = deque()
    packets: deque[av.Packet] = deque()  # of the other streams, where they come only once
    errors: list[BaseException] = []

    def decode() -> None:
        on_packet = packets.append if isinstance(sink, SegmentSink) and sink.one_pass else None
        for frame, ticket in source.frames(on_packet, start=done - again):
            tickets.append(ticket)
            decoded.put(frame)
        decoded.put(None)

    def copy() -> None:
        while packets and isinstance(sink, SegmentSink):
            sink.write_packet(packets.popleft())

    def encode() -> None:
        for frame, ticket in cleaned:
            with _writing(sink.final, job):
                losses.add(ticket, sink.write(frame, ticket))
                copy()
        with _writing(sink.final, job):
            copy()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except _Stopped:
            pass
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=(work,), name=f"restill-{work.__name__}") for work in (decode, encode)
    ]
    for thread in threads:
        thread.start()
    frames = done - again
    try:
        shape = None
        for frame in process(iter(decoded)):
            if not tickets:
                raise RestillError(f"more frames came out than the {frames} of '{source.info.path}' that went in")
            shape = frame.shape if source.info.alone else shape or frame.shape
            if (
                frame.shape != shape
                or frame.ndim != 3
                or frame.shape[2] != 3
                or frame.dtype not in (np.uint8, np.uint16)
            ):
                raise RestillError(
                    f"frame {frames + 1} came out as {frame.dtype} {frame.shape}; frames are uint8 or uint16 RGB "
                    "(H, W, 3) of one size"
                )
            ticket, frames = tickets.popleft(), frames + 1
            if frames <= done:
                continue
            cleaned.put((frame, ticket))
            if on_frame is not None:
                on_frame()
        for _ in decoded:
            pass  # a process that stopped reading early: the tickets count what it left
        if tickets:
            raise RestillError(f"{frames} frames came out of the {frames + len(tickets)} of '{source.info.path}'")
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
