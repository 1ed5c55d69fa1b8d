"""Choose the fastest backend and precision on this machine: by a rule for short jobs, by a short trial for long ones.

A trial's result is a small file in the cache folder, one for each machine, model, size and set of versions. It is used
for :data:`DAYS` days; then the trial is repeated. A result measured while other programs kept the machine busy is used
once and not stored. Unreadable and invalid files are ignored.
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

SECONDS = 2.0  # length of a trial, including loading
MIN_ROUNDS = 3
DAYS = 30  # age up to which a stored result is used
MAX_PIXELS = 1920 * 1080  # larger frames are tried at this size: the order hardly changes, and a trial stays short
TOLERANCE = 1.1  # candidates within this factor of the shortest time count as equal; the most exact of them is taken
EXACTNESS = ("f32", "bf16", "int8")
USUAL = ("openvino", "onnxruntime")  # the backend that is usually faster first; of the precisions it is the last


class Candidate(NamedTuple):
    """One way to run a model.

    Attributes:
        backend: "onnxruntime" or "openvino".
        precision: "f32", "bf16" or "int8".
        path: The file of that precision.
    """

    backend: str
    precision: str
    path: Path

    def __str__(self) -> str:
        return f"{self.backend} in {self.precision}"


class Choice(NamedTuple):
    """The chosen candidate, and the reason in a few words."""

    candidate: Candidate
    why: str


class TrialResult(NamedTuple):
    """The result of a trial.

    Attributes:
        seconds: Seconds per frame of each candidate; None for one that does not run.
        when: Time of the trial.
        busy: Whether other programs kept the machine busy during the trial.
    """

    seconds: list[float | None]
    when: datetime
    busy: bool = False


def installed() -> list[str]:
    """The backends whose libraries are installed."""
    return [name for name in backends.BACKENDS if backends.version(name) is not None]


Example = Callable[[Path, int, int], np.ndarray]  # (model file, height, width) -> an input of its network


def choose(candidates: Sequence[Candidate], size: tuple[int, int], threads: int, example: Example) -> Choice:
    """The fastest way to run a model, by a new trial or a stored one.

    Args:
        candidates: At least one; all must have acceptable quality.
        size: (height, width) of a frame, pixels.
        threads: Threads of the network.
        example: Makes an input.

    Raises:
        RestillError: No candidate runs.
    """
    if len(candidates) == 1:
        return Choice(candidates[0], "the only one that is installed and safe for this model")
    size = _trial_size(size)
    file = _stored_file(candidates, size, threads)
    result = _read(file, candidates)
    when = "" if result is None else f" of {result.when:%Y-%m-%d}"
    if result is None:
        watch, now = Watch(), datetime.now(UTC)
        result = TrialResult(trial(candidates, size, threads, example), now, watch.busy())
        if not result.busy:
            _store(file, candidates, result)
    best = fastest(candidates, result.seconds)
    times = [(c, s) for c, s in zip(candidates, result.seconds, strict=True) if s is not None]
    best_ms = next(1000 * s for c, s in times if c is best)
    others = ", ".join(f"{c} {1000 * s:.1f}" for c, s in times if c is not best)
    again = "; the machine was busy, so the next job repeats the trial" if result.busy else ""
    place = f"{size[1]}x{size[0]}"
    return Choice(best, f"fastest in a trial{when} at {place}: {best_ms:.1f} ms a frame ({others}){again}")


def usual(candidates: Sequence[Candidate]) -> Choice:
    """The way to run a model that is usually the fastest, without a trial: OpenVINO, and the lowest precision.

    Args:
        candidates: At least one; all must have acceptable quality.

    Example:
        >>> pairs = [(backend, p) for backend in ("onnxruntime", "openvino") for p in ("f32", "int8")]
        >>> usual([Candidate(*pair, Path("x.onnx")) for pair in pairs]).candidate[:2]
        ('openvino', 'int8')
    """
    best = min(candidates, key=lambda c: (USUAL.index(c.backend), -EXACTNESS.index(c.precision)))
    return Choice(best, "usually the fastest; no trial, because the input is short")


def fastest(candidates: Sequence[Candidate], seconds: Sequence[float | None]) -> Candidate:
    """The most exact candidate among those within :data:`TOLERANCE` of the fastest.

    Args:
        candidates: Ways to run a model.
        seconds: The time of each; None for one that does not run.

    Raises:
        RestillError: No candidate runs.

    Example:
        >>> slow, quick = (Candidate("onnxruntime", p, Path("x.onnx")) for p in ("f32", "int8"))
        >>> fastest([slow, quick], [0.020, 0.019]).precision, fastest([slow, quick], [0.020, 0.010]).precision
        ('f32', 'int8')
    """
    ran = [(candidate, taken) for candidate, taken in zip(candidates, seconds, strict=True) if taken is not None]
    if not ran:
        raise RestillError(f"none of these runs here: {', '.join(map(str, candidates))}")
    limit = TOLERANCE * min(taken for _, taken in ran)
    return min(((c, s) for c, s in ran if s <= limit), key=lambda pair: (EXACTNESS.index(pair[0].precision), pair[1]))[
        0
    ]


def trial(candidates: Sequence[Candidate], size: tuple[int, int], threads: int, example: Example) -> list[float | None]:
    """Median seconds per window of each candidate, measured in turn; None for one that does not run.

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
        with suppress(Exception):  # libraries raise errors of any class; a candidate that fails is not chosen
            compute = backends.BACKENDS[candidate.backend](candidate.path, threads, candidate.precision)
            run = partial(compute, example(candidate.path, *size))
            run()  # the first run takes longer
        runs.append(run)
    times: list[list[float]] = [[] for _ in candidates]
    rounds = 0
    while rounds < MIN_ROUNDS or perf_counter() - start < SECONDS:
        for run, taken in zip(runs, times, strict=True):
            if run is not None:
                begin = perf_counter()
                run()
                taken.append(perf_counter() - begin)
        rounds += 1
    return [float(np.median(taken)) if taken else None for taken in times]


def _trial_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a trial: at most :data:`MAX_PIXELS`, with sides that suit every network (multiples of 16)."""
    height, width = size
    factor = (MAX_PIXELS / (height * width)) ** 0.5
    if factor >= 1:
        return size
    return max(16, int(height * factor) // 16 * 16), max(16, int(width * factor) // 16 * 16)


def _stored_file(candidates: Sequence[Candidate], size: tuple[int, int], threads: int) -> Path:
    """The file that stores the trial of these candidates on this machine."""
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


def _read(file: Path, candidates: Sequence[Candidate]) -> TrialResult | None:
    """The stored result; None if there is none, or it is invalid or too old."""
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        seconds = [written["seconds"][str(candidate)] for candidate in candidates]
        when = datetime.fromtimestamp(written["when"], UTC)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    sensible = all(s is None or (type(s) is float and 0 < s < 1e4) for s in seconds)
    fresh = timedelta(0) <= datetime.now(UTC) - when <= timedelta(DAYS)
    return TrialResult(seconds, when) if fresh and sensible and any(s is not None for s in seconds) else None


def _store(file: Path, candidates: Sequence[Candidate], result: TrialResult) -> None:
    """Store a result; if it cannot be written, the next job repeats the trial."""
    partial = file.with_suffix(f".{os.getpid()}.partial")
    seconds = {str(candidate): taken for candidate, taken in zip(candidates, result.seconds, strict=True)}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({"when": result.when.timestamp(), "seconds": seconds}), encoding="utf-8")
        partial.replace(file)
