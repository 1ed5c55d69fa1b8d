"""Handling of Ctrl-C, SIGTERM and worker processes that die."""

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
    """On Ctrl-C or SIGTERM, finish the step and save; on a second one, stop at once."""
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
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python


def ignore_signals() -> None:
    """Ignore Ctrl-C and SIGTERM in a process that makes samples; the main process handles them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def lost_worker(stop: Stop, folder: Path | None) -> Iterator[None]:
    """Turn the error of a stopped or killed data process into one clear sentence."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        go_on = (
            "resume continues from the last checkpoint" if folder else "nothing was saved, since no 'output' is given"
        )
        if stop() or "Terminated" in str(error):
            raise RestillError(f"the run and its data processes were told to stop; {go_on}") from error
        raise RestillError(
            "a process that makes samples was killed, probably because memory ran out: lower data.distinct, "
            f"data.workers or data.crop, or the num_workers of your DataLoader; {go_on}"
        ) from error


def raise_stopped(number: int | None, steps: int, folder: Path | None) -> NoReturn:
    """Raise for an interrupted run, so that it is never returned as if it were complete.

    Args:
        number: The signal.
        steps: Steps done.
        folder: Folder with the saved state; None if nothing was saved.

    Raises:
        RestillError: After SIGTERM.
        KeyboardInterrupt: After Ctrl-C.
    """
    saved = (
        f"the state is saved in {folder}, and resume=True continues from there"
        if folder
        else "nothing is saved, since 'output' is not given"
    )
    text = f"restill.distill was stopped after {steps} steps; {saved}"
    if number == signal.SIGTERM:
        raise RestillError(f"{text} (SIGTERM)")
    say(text)
    raise KeyboardInterrupt(text)
