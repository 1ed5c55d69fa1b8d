"""The end of a command: its last lines, its error message and its exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import typer

from restill.errors import OutputClosed, RestillError

INPUT_FAULT, MACHINE_FAULT = 1, 75  # 75: EX_TEMPFAIL of sysexits.h
CLOSED_PIPE = 128 + getattr(signal, "SIGPIPE", 13)  # as other tools do when the reader is gone
debug = False  # --debug was given
_lost: list[OSError] = []  # the errors of lines that could not be printed


def report(error: RestillError) -> None:
    """Print an error as one sentence on stderr, after the traceback if --debug was given."""
    with suppress(OSError):  # stderr is closed
        if debug:
            traceback.print_exception(error)
        typer.echo(f"error: {error}", err=True)


def tell(line: str, *, err: bool = False) -> None:
    """Print a line about a result. If that fails, the work continues, and :func:`finish` raises the error."""
    try:
        typer.echo(line, err=err)
    except OSError as error:
        _lost.append(error)


def finish() -> None:
    """Flush stdout.

    Raises:
        RestillError: This failed, or an earlier :func:`tell` did.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _lost.append(error)
    if _lost:
        kind = OutputClosed if isinstance(_lost[0], BrokenPipeError) else RestillError
        raise kind(f"standard output cannot be written: {_lost[0].strerror}") from _lost[0]


def leave(status: int | str | None) -> NoReturn:
    """Exit without a second message about lines that could not be printed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # otherwise Python flushes again, and prints an error
    gc.freeze()  # otherwise Python looks for garbage among everything that was imported, for 0.1 s and more
    sys.exit(status)
