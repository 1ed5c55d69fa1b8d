"""A restoration in a separate process, for files that you do not trust. If a decoder crashes or hangs, it is an error.

The child (``python -m restill.restoring.sandbox``) reads the request from standard input and limits its memory before
it opens a file. It writes one byte per frame to standard output, and a line of JSON at the end. The parent waits for
each byte, and kills the child if none comes in time.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from restill.errors import RestillError, TryAgain, boundary, is_machine_fault
from restill.video import Summary

MEMORY = 4 << 30  # bytes of address space; a student in ONNX Runtime takes one to two
PATIENCE = 60.0  # seconds to wait for the next frame, or for the first
GRACE = 10.0  # seconds to clean up after Ctrl-C
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
GLANCE = 0.2  # seconds between two looks at whether to stop
FRAME, END = b".", b"\n"


class Asked(Protocol):
    """What a child is asked: any object that can be pickled and names its source."""

    @property
    def src(self) -> Path:
        """The file or folder that is not trusted."""
        ...


Work = Callable[[Any, Callable[[], object]], Summary]


class Stopped(RestillError):
    """The work was stopped on demand."""


def run(
    work: Work,
    request: Asked,
    on_frame: Callable[[], object] | None = None,
    *,
    memory: int = MEMORY,
    patience: float = PATIENCE,
    stop: threading.Event | None = None,
    notes: list[str] | None = None,
) -> Summary:
    """Call ``work(request, on_frame)`` in a child process.

    Args:
        work: A function at the top level of a module.
        request: The request, such as a :class:`restill.restoring.request.Request` whose model is a name or None.
        on_frame: Called after each frame.
        memory: Bytes of address space that the child may use (not on Windows).
        patience: Seconds without a frame after which the child is killed.
        stop: Ends the work when it is set.
        notes: Gets the notes of the child, which prints nothing then; by default it prints them.

    Raises:
        Stopped: ``stop`` was set. The finished part of the output stays in the journal.
        RestillError: The error of the child; or it crashed, or used too much memory or time. The finished part of the
            output stays in the journal.
    """
    src = request.src
    command = [sys.executable, "-m", "restill.restoring.sandbox"]
    group = 0 if os.name == "posix" else None  # a group of its own, so that it gets Ctrl-C only once, from here
    printed = None if notes is None else subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=printed, process_group=group
    ) as child:
        assert child.stdin is not None  # noqa: S101
        assert child.stdout is not None  # noqa: S101
        try:
            with suppress(BrokenPipeError):  # it has ended; the reason is found below
                child.stdin.write(pickle.dumps((memory, work, request)))
                child.stdin.close()
            line = _read_answer(child.stdout.fileno(), patience, on_frame or _ignore, stop)
            status = child.wait(patience)
        except (subprocess.TimeoutExpired, TimeoutError):
            raise RestillError(
                f"'{src}' was stopped, because no frame was decoded in {patience:.0f} seconds; it is damaged, or too "
                "large for this machine"
            ) from None
        except (KeyboardInterrupt, Stopped):
            child.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)  # it prints how much is kept
            raise
        finally:
            child.kill()
    if line is None:
        raise _exit_error(src, status)
    answer = json.loads(line)
    if notes is not None:
        notes += answer["notes"]
    if "error" in answer:
        error = (TryAgain if answer["again"] else RestillError)(answer["error"])
        error.add_note(answer["trace"])
        raise error
    return Summary(Path(answer["output"]), answer["frames"], answer["seconds"], answer["model"])


def _exit_error(src: Path, status: int) -> RestillError:
    """The error for a child that ended without an answer."""
    if status >= 0:
        return RestillError(f"'{src}' was not restored: the process that read it ended early, exit status {status}")
    name = signal.Signals(-status).name
    if name in CRASHES:
        return RestillError(f"'{src}' crashed the process that read it ({name}); it is damaged or malicious")
    return TryAgain(f"'{src}' was not restored: the process that read it was killed ({name}); is there enough memory?")


def _read_answer(
    pipe: int, patience: float, on_frame: Callable[[], object], stop: threading.Event | None
) -> bytes | None:
    """The last line of the child; None if it ended without one.

    Raises:
        TimeoutError: Nothing came within ``patience`` seconds.
        Stopped: ``stop`` was set.
    """
    line = b""
    until = time.monotonic() + patience
    while True:
        left = until - time.monotonic()
        ready, _, _ = select.select([pipe], [], [], max(0.0, min(left, GLANCE)))
        if stop is not None and stop.is_set():
            raise Stopped("stopped")
        if not ready and left <= 0:
            raise TimeoutError
        if not ready:
            continue
        until = time.monotonic() + patience
        data = os.read(pipe, 65536)
        if not data:
            return None
        frames = len(data) - len(data.lstrip(FRAME)) if not line else 0
        line += data[frames:]
        for _ in range(frames):
            on_frame()
        if line.endswith(END):
            return line


def _ignore() -> None:
    """The default ``on_frame``."""


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _child() -> None:
    memory, work, request = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent wrote it
    src = request.src
    _limit_memory(memory)  # after all imports, and before the file is opened
    answers = os.dup(1)
    os.dup2(2, 1)  # keep the output of libraries out of the answer
    notes: list[str] = []

    def note(message: object, *_: object, **__: object) -> None:
        notes.append(str(message))
        print(f"note: {message}", file=sys.stderr)

    warnings.showwarning = note
    try:
        with boundary(f"'{src}'"):
            done = work(request, lambda: os.write(answers, FRAME))
        answer = {**asdict(done), "output": str(done.output)}
    except RestillError as error:
        said = f"'{src}' needs more than the {memory / 1e9:.1f} GB of memory that it may use"
        answer = {
            "error": said if _out_of_memory(error) else str(error),
            "again": is_machine_fault(error),
            "trace": "".join(traceback.format_exception(error)),
        }
    except KeyboardInterrupt:
        os._exit(130)
    with suppress(BrokenPipeError):  # the parent has ended
        os.write(answers, json.dumps({**answer, "notes": notes}).encode() + END)


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether an error or one of its causes is a lack of memory."""
    while error is not None:
        unmapped = isinstance(error, ImportError) and "failed to map" in str(error)
        if isinstance(error, MemoryError) or unmapped or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        error = error.__cause__
    return False


if __name__ == "__main__":
    _child()
