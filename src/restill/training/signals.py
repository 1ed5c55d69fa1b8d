"""Ctrl-C, SIGTERM, and worker processes that end before their time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from restill.errors import RestillError
from restill.progress import say


class Stop:
    """Whether the run was asked to stop, and by which signal."""

    signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM finish the step, then the loop saves; a second one stops at once."""
    stop = Stop()

    def ask(number: int, frame: Any) -> None:
        if stop():
            raise KeyboardInterrupt
        stop.signal = number

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: set by other than Python


def ignore_signals() -> None:
    """In a process that makes samples: Ctrl-C and SIGTERM are the main process's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def lost_worker(stop: Stop, folder: Path | None) -> Iterator[None]:
    """One sentence where a process that makes samples has ended: it was stopped, or the system killed it."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        go_on = "resume goes on from the last checkpoint" if folder else "nothing was saved, since no 'output' is given"
        if stop() or "Terminated" in str(error):
            raise RestillError(f"the run and the processes that make its samples were told to end; {go_on}") from error
        raise RestillError(
            "a process that makes samples was killed, most likely because memory ran out: lower data.distinct, "
            f"data.workers or data.crop, or the num_workers of your DataLoader; {go_on}"
        ) from error


def raise_stopped(number: int | None, steps: int, folder: Path | None) -> NoReturn:
    """An interrupted run is never given back as if it were done.

    Args:
        number: The signal.
        steps: Steps that were done.
        folder: Where the state is saved; None if nowhere.

    Raises:
        RestillError: After SIGTERM.
        KeyboardInterrupt: Else.
    """
    saved = (
        f"the state is saved in {folder}, and resume=True goes on from there"
        if folder
        else "nothing is saved, since 'output' is not given"
    )
    text = f"restill.distill was stopped after {steps} steps; {saved}"
    if number == signal.SIGTERM:
        raise RestillError(f"{text} (SIGTERM)")
    say(text)
    raise KeyboardInterrupt(text)
