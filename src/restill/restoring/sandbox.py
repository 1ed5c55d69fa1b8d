"""A restoration in a process of its own, for files from strangers: a decoder that fails or hangs there is one sentence.

The child (``python -m restill.restoring.sandbox``) reads from its standard input what to do, limits its own memory
before it opens anything, and writes a byte for each frame and at the end a line of JSON to its standard output. The
parent waits for each byte, and ends the child when none comes.
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
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from restill.errors import RestillError, boundary
from restill.restoring.request import Request
from restill.video import Summary

MEMORY = 4 << 30  # bytes of address space; a student in ONNX Runtime takes one to two
PATIENCE = 60.0  # seconds without a frame, or at the start
GRACE = 10.0  # seconds to put things in order after Ctrl-C
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
FRAME, END = b".", b"\n"
Work = Callable[[Request, Callable[[], object]], Summary]


def run(
    work: Work,
    request: Request,
    on_frame: Callable[[], object] | None = None,
    *,
    memory: int = MEMORY,
    patience: float = PATIENCE,
) -> Summary:
    """Call ``work(request, on_frame)`` in a child process.

    Args:
        work: A function of a module.
        request: What it is to do; its model is a name or None.
        on_frame: Called after each frame.
        memory: Bytes of address space that the child may take (not on Windows).
        patience: Seconds after which the child is ended when no frame has come.

    Raises:
        RestillError: What the child says; or that it failed, took too much memory or too much time. What is done of the
            output stays in its journal.
    """
    src = request.src
    command = [sys.executable, "-m", "restill.restoring.sandbox"]
    group = 0 if os.name == "posix" else None  # of its own: Ctrl-C comes to it once, from here
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=group
    ) as child:
        assert child.stdin is not None  # noqa: S101
        assert child.stdout is not None  # noqa: S101
        try:
            with suppress(BrokenPipeError):  # it has ended; how, is seen below
                child.stdin.write(pickle.dumps((memory, work, request)))
                child.stdin.close()
            line = _listen(child.stdout.fileno(), patience, on_frame or _nothing)
            status = child.wait(patience)
        except (subprocess.TimeoutExpired, TimeoutError):
            raise RestillError(
                f"'{src}' was given up: no frame of it came in {patience:.0f} seconds; it is damaged, or too large for "
                "this machine"
            ) from None
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)  # it says what is kept
            raise
        finally:
            child.kill()
    if line is None:
        raise RestillError(_how_it_ended(src, status))
    answer = json.loads(line)
    if "error" in answer:
        error = RestillError(answer["error"])
        error.add_note(answer["trace"])
        raise error
    return Summary(Path(answer["output"]), answer["frames"], answer["seconds"])


def _how_it_ended(src: Path, status: int) -> str:
    """A sentence about a child that ended without an answer."""
    if status >= 0:
        return f"'{src}' was not restored: the process that read it ended early, with exit status {status}"
    name = signal.Signals(-status).name
    if name in CRASHES:
        return f"'{src}' made the process that read it fail ({name}); it is damaged, or made to do harm"
    return f"'{src}' was not restored: something ended the process that read it ({name}); is there enough memory?"


def _listen(pipe: int, patience: float, on_frame: Callable[[], object]) -> bytes | None:
    """The child's last line; None if it ended without one.

    Raises:
        TimeoutError: Nothing came for so long.
    """
    line = b""
    until = time.monotonic() + patience
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
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


def _nothing() -> None:
    """Nobody wants to know."""


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
    _limit_memory(memory)  # all is imported; nothing of the stranger's is read yet
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
    try:
        with boundary(f"'{src}'"):
            done = work(request, lambda: os.write(answers, FRAME))
        answer = {"output": str(done.output), "frames": done.frames, "seconds": done.seconds}
    except RestillError as error:
        said = f"'{src}' needs more than the {memory / 1e9:.1f} GB of memory it may take"
        answer = {"error": said if _ran_out(error) else str(error), "trace": "".join(traceback.format_exception(error))}
    except KeyboardInterrupt:
        os._exit(130)
    with suppress(BrokenPipeError):  # the parent is gone
        os.write(answers, json.dumps(answer).encode() + END)


def _ran_out(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that there is no memory."""
    while error is not None:
        unmapped = isinstance(error, ImportError) and "failed to map" in str(error)
        if isinstance(error, MemoryError) or unmapped or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        error = error.__cause__
    return False


if __name__ == "__main__":
    _child()
