"""How a command ends: its last lines, its sentence about what went wrong, its exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import typer

from restill.errors import OutputClosed, RestillError

CLOSED_PIPE = 128 + getattr(signal, "SIGPIPE", 13)  # the exit status with which other tools end then
debug = False  # --debug was given
_lost: list[OSError] = []  # what kept lines from being printed


def report(error: RestillError) -> None:
    """One sentence on stderr; with --debug after the traceback."""
    with suppress(OSError):  # nowhere to say it
        if debug:
            traceback.print_exception(error)
        typer.echo(f"error: {error}", err=True)


def tell(line: str, *, err: bool = False) -> None:
    """A line about a result; if it cannot be printed, the work goes on and the end of the command says so."""
    try:
        typer.echo(line, err=err)
    except OSError as error:
        _lost.append(error)


def finish() -> None:
    """Bring everything onto stdout.

    Raises:
        RestillError: It cannot be, or :func:`tell` could not.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _lost.append(error)
    if _lost:
        kind = OutputClosed if isinstance(_lost[0], BrokenPipeError) else RestillError
        raise kind(f"standard output cannot be written: {_lost[0].strerror}") from _lost[0]


def leave(status: int | str | None) -> NoReturn:
    """Exit, without another word about lines that stdout did not take."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again, and complains
    sys.exit(status)
