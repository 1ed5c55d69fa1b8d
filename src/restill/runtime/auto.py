"""Which backend and which precision: the fastest on this machine, by a short trial whose result is stored.

A result is one small file in the cache folder for each machine, model, size and set of versions. It is used for
:data:`DAYS`; then the trial is repeated. A trial during which other programs kept the machine busy is used once and not
stored. A file that cannot be read, or does not hold what was written, is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from restill.busy import Watch
from restill.datasets.files import cache_folder
from restill.errors import RestillError
from restill.runtime import backends
from restill.version import __version__

SECONDS = 2.0  # of a trial, loading included
LEAST_ROUNDS = 3
DAYS = 30  # that a stored result is used
MAX_PIXELS = 1920 * 1080  # larger frames are tried at this size: the order hardly changes, and a trial stays short
AS_FAST = 1.1  # what takes at most so many times the shortest time is as fast, and then the most exact is taken
EXACTNESS = ("f32", "bf16", "int8")


class Candidate(NamedTuple):
    """One way to run a model.

    Attributes:
        backend: "onnxruntime" or "openvino".
        precision: "f32", "bf16" or "int8".
        path: The file that has that precision.
    """

    backend: str
    precision: str
    path: Path

    def __str__(self) -> str:
        return f"{self.backend} in {self.precision}"


class Choice(NamedTuple):
    """What was chosen, and why in a few words."""

    candidate: Candidate
    why: str


class Tried(NamedTuple):
    """What a trial found.

    Attributes:
        seconds: What each candidate takes for a frame; None for one that does not run.
        when: When the trial was made.
        busy: Whether other programs kept the machine busy meanwhile.
    """

    seconds: list[float | None]
    when: datetime
    busy: bool = False


def installed() -> list[str]:
    """The backends whose libraries are there."""
    return [name for name in backends.BACKENDS if backends.version(name) is not None]


Example = Callable[[Path, int, int], np.ndarray]  # of a model's file, height and width: an input for its network


def choose(candidates: Sequence[Candidate], size: tuple[int, int], threads: int, example: Example) -> Choice:
    """The fastest of some ways to run a model, by a trial now or an earlier one.

    Args:
        candidates: At least one; all may be taken as far as quality goes.
        size: (height, width) of a frame, pixels.
        threads: Threads of the network.
        example: Makes an input.

    Raises:
        RestillError: None of them runs.
    """
    if len(candidates) == 1:
        return Choice(candidates[0], "all that is installed and safe for this model")
    size = _limited(size)
    file = _kept_file(candidates, size, threads)
    tried = _kept(file, candidates)
    when = "" if tried is None else f" of {tried.when:%Y-%m-%d}"
    if tried is None:
        watch, now = Watch(), datetime.now(UTC)
        tried = Tried(trial(candidates, size, threads, example), now, watch.busy())
        if not tried.busy:
            _keep(file, candidates, tried)
    best = fastest(candidates, tried.seconds)
    times = [(c, s) for c, s in zip(candidates, tried.seconds, strict=True) if s is not None]
    best_ms = next(1000 * s for c, s in times if c is best)
    others = ", ".join(f"{c} {1000 * s:.1f}" for c, s in times if c is not best)
    again = "; the machine was busy, so the next job repeats the trial" if tried.busy else ""
    place = f"{size[1]}x{size[0]}"
    return Choice(best, f"fastest in a trial{when} at {place}: {best_ms:.1f} ms a frame ({others}){again}")


def fastest(candidates: Sequence[Candidate], seconds: Sequence[float | None]) -> Candidate:
    """The most exact of those that take hardly longer than the fastest.

    Args:
        candidates: Ways to run a model.
        seconds: What each takes; None for one that does not run.

    Raises:
        RestillError: None of them runs.

    Example:
        >>> slow, quick = (Candidate("onnxruntime", p, Path("x.onnx")) for p in ("f32", "int8"))
        >>> fastest([slow, quick], [0.020, 0.019]).precision, fastest([slow, quick], [0.020, 0.010]).precision
        ('f32', 'int8')
    """
    ran = [(candidate, taken) for candidate, taken in zip(candidates, seconds, strict=True) if taken is not None]
    if not ran:
        raise RestillError(f"none of these runs here: {', '.join(map(str, candidates))}")
    limit = AS_FAST * min(taken for _, taken in ran)
    return min(((c, s) for c, s in ran if s <= limit), key=lambda pair: (EXACTNESS.index(pair[0].precision), pair[1]))[
        0
    ]


def trial(candidates: Sequence[Candidate], size: tuple[int, int], threads: int, example: Example) -> list[float | None]:
    """Median seconds that each takes for a window, their turns interleaved; None for one that does not run.

    Args:
        candidates: Ways to run a model.
        size: (height, width) of a frame, pixels.
        threads: Threads of the network.
        example: Makes an input.
    """
    start = perf_counter()
    runs: list[Callable[[], object] | None] = []
    for candidate in candidates:
        run = None
        with suppress(Exception):  # a library that fails here, of whatever class its error is, is not chosen
            compute = backends.BACKENDS[candidate.backend](candidate.path, threads, candidate.precision)
            run = partial(compute, example(candidate.path, *size))
            run()  # the first time is longer
        runs.append(run)
    times: list[list[float]] = [[] for _ in candidates]
    rounds = 0
    while rounds < LEAST_ROUNDS or perf_counter() - start < SECONDS:
        for run, taken in zip(runs, times, strict=True):
            if run is not None:
                begin = perf_counter()
                run()
                taken.append(perf_counter() - begin)
        rounds += 1
    return [float(np.median(taken)) if taken else None for taken in times]


def _limited(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a trial: at most :data:`MAX_PIXELS`, with sides that suit every network (multiples of 16)."""
    height, width = size
    factor = (MAX_PIXELS / (height * width)) ** 0.5
    if factor >= 1:
        return size
    return max(16, int(height * factor) // 16 * 16), max(16, int(width * factor) // 16 * 16)


def _kept_file(candidates: Sequence[Candidate], size: tuple[int, int], threads: int) -> Path:
    """Where the trial of these on this machine is kept."""
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in {c.path for c in candidates}}
    facts = [
        [(c.backend, c.precision, digests[c.path]) for c in candidates],
        *(size, threads, _processor(), os.cpu_count()),
        [__version__, *(backends.version(name) for name in backends.BACKENDS)],
    ]
    return cache_folder() / "trials" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.json"


def _processor() -> str:
    """The processor's name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return f"{platform.machine()} {platform.processor()} {platform.node()}"


def _kept(file: Path, candidates: Sequence[Candidate]) -> Tried | None:
    """An earlier trial; None if there is none that makes sense and is not too old."""
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        seconds = [written["seconds"][str(candidate)] for candidate in candidates]
        when = datetime.fromtimestamp(written["when"], UTC)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    sensible = all(s is None or (type(s) is float and 0 < s < 1e4) for s in seconds)
    fresh = timedelta(0) <= datetime.now(UTC) - when <= timedelta(DAYS)
    return Tried(seconds, when) if fresh and sensible and any(s is not None for s in seconds) else None


def _keep(file: Path, candidates: Sequence[Candidate], tried: Tried) -> None:
    """Write a trial down; where that cannot be, the next job makes another one."""
    partial = file.with_suffix(f".{os.getpid()}.partial")
    seconds = {str(candidate): taken for candidate, taken in zip(candidates, tried.seconds, strict=True)}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({"when": tried.when.timestamp(), "seconds": seconds}), encoding="utf-8")
        partial.replace(file)
