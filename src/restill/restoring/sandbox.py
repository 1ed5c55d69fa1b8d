"""A restoration in a process of its own, for files from strangers: a decoder that fails or hangs there is one sentence.

The child (``python -m restill.restoring.sandbox``) reads from its standard input what to do, limits its own memory
before it opens anything, and writes a byte for each frame and at the end a line of JSON to its standard output. The
parent waits for each byte, and ends the child when none comes.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from restill.errors import RestillError
from restill.restoring.request import Request
from restill.video import Summary

MEMORY = 4 << 30  # bytes of address space; a student in ONNX Runtime takes one to two
PATIENCE = 60.0  # seconds without a frame, or at the start
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
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdin is not None  # noqa: S101
        assert child.stdout is not None  # noqa: S101
        try:
            child.stdin.write(pickle.dumps(memory) + pickle.dumps((work, request)))
            child.stdin.close()
            line = _listen(child.stdout.fileno(), patience, on_frame or _nothing)
            status = child.wait(patience)
        except (subprocess.TimeoutExpired, TimeoutError):
            raise RestillError(
                f"'{src}' was given up: no frame of it came in {patience:.0f} seconds; it is damaged, or too large for "
                "this machine"
            ) from None
        finally:
            child.kill()
    if line is None:
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise RestillError(f"'{src}' made the process that read it fail ({name}); it is damaged, or made to do harm")
    answer = json.loads(line)
    if "error" in answer:
        raise RestillError(answer["error"])
    return Summary(Path(answer["output"]), answer["frames"], answer["seconds"])


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
    memory = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent wrote it
    _limit_memory(memory)
    work, request = pickle.load(sys.stdin.buffer)  # noqa: S301
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
    try:
        done = work(request, lambda: os.write(answers, FRAME))
        answer = {"output": str(done.output), "frames": done.frames, "seconds": done.seconds}
    except RestillError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"'{request.src}' needs more than the {memory / 1e9:.1f} GB of memory it may take"}
    os.write(answers, json.dumps(answer).encode() + END)


if __name__ == "__main__":
    _child()
