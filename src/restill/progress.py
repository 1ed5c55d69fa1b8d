"""Progress and notes on stderr: a live bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """A function to call after each unit of work; keyword values are shown beside the bar."""

    def __call__(self, steps: int = 1, **shown: float | str) -> None: ...


@contextmanager
def track(description: str, total: int | None, unit: str, *, start: int = 0, quiet: bool = False) -> Iterator[Advance]:
    """Show the progress, the speed and the remaining time of a job on stderr.

    Args:
        description: The name of the job, such as the file's name.
        total: The number of units; None if it is unknown (a live stream).
        unit: The unit: "frames", "steps".
        start: Units that an earlier run finished (a resumed job).
        quiet: Show nothing.

    Yields:
        A function to call after each unit.
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda steps=1, **shown: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.fields[of]} " + unit),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(description, total=total, completed=start, of=_count(total), rate="", shown="")
            began, done = time.monotonic(), 0

            def advance(steps: int = 1, **shown: float | str) -> None:
                nonlocal done
                done += steps
                rate = done / max(time.monotonic() - began, 1e-6)
                bar.update(task, advance=steps, rate=f"{rate:.1f} {unit}/s", shown=_format(shown))

            yield advance
    else:
        began = last = time.monotonic()
        done = start

        def advance(steps: int = 1, **shown: float | str) -> None:
            nonlocal last, done
            done += steps
            now = time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES:
                last = now
                rate = (done - start) / (now - began)
                eta = "" if total is None else f", eta {max(total - done, 0) / rate:.0f} s"
                console.print(
                    f"{description}: {done}/{_count(total)} {unit}, {rate:.1f} {unit}/s{eta} {_format(shown)}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        yield advance


def count(number: int, what: str) -> str:
    """A number with its noun in the singular or plural.

    >>> count(1, "frame"), count(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _count(total: int | None) -> str:
    return "?" if total is None else str(total)


def _format(shown: dict[str, float | str]) -> str:
    return " ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names and the number of the others: "a, b, c and 4 more"."""
    rest = len(names) - most
    return f"{', '.join(names[:most])} and {rest} more" if rest > 0 else ", ".join(names)


@cache
def say_once(line: str) -> None:
    """Print a line as :func:`say` does, but only once in this process."""
    say(line)


def say(line: str, *, quiet: bool = False) -> None:
    """Print a line on stderr."""
    if not quiet:
        Console(stderr=True).print(line, highlight=False, soft_wrap=True, markup=False)
