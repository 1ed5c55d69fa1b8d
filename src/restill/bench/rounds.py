"""Measure all cases in rounds, so that other load on the machine affects all of them alike.

In each round a case runs five measurements: the network alone; reading the file; the stream, from frames in memory to
frames in memory; writing the file; and file to file with all three at once, as ``restill derain`` does it. If asked, a
plain transcode of the same file follows. The times of the stages come from the clocks of reading, stream and writing,
each measured alone.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from restill.bench.cases import Case, Plan
from restill.bench.clip import rainy_clip, write_clip
from restill.bench.machine import machine
from restill.bench.peak import gmacs, load_convolutions
from restill.bench.report import BY_A_SIGNAL, Report
from restill.bench.row import Row, Times
from restill.bench.turns import Turns, measure_file, measure_stream, source_file
from restill.busy import Watch
from restill.errors import RestillError
from restill.progress import track
from restill.runtime import Model, load_model
from restill.runtime.backends import Compute


def measure(plan: Plan, *, quiet: bool = False) -> Report:
    """Carry out a plan, which takes minutes.

    Args:
        plan: From :func:`restill.bench.cases.plan`.
        quiet: Show no progress.

    Returns:
        Medians over the finished rounds: all rounds of the plan, or those before its time was over or Ctrl-C or
        SIGTERM stopped it.

    Raises:
        RestillError: No model can be loaded, or the reference cannot; or nothing was measured.
    """
    about = machine(case.backend for case in plan.cases)  # before our own work counts as load
    models, left_out = load_models(plan)
    cases = [case for case in plan.cases if _key(case) in models]
    against = plan.against or cases[0].model
    pairs = list(dict.fromkeys((case.backend, case.precision) for case in cases))
    peaks: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    turns = {case: Turns() for case in cases}
    with TemporaryDirectory(prefix="restill-bench-") as name:
        folder, clips = Path(name), {}
        for size in dict.fromkeys(case.size for case in cases):
            if not plan.file:
                clips[size] = list(rainy_clip(*size, plan.frames))
        for case in cases if plan.file else ():
            if not source_file(folder, case).exists():  # each turn reads it again
                write_clip(source_file(folder, case), rainy_clip(*case.size, plan.frames), case.source)
        convolutions = {pair: load_convolutions(folder, pair[0], plan.threads, pair[1]) for pair in pairs}
        stopped = ""
        ended = signal.signal(signal.SIGTERM, signal.default_int_handler) if _in_main_thread() else None
        try:
            _rounds(plan, cases, models, convolutions, peaks, turns, clips, folder, quiet=quiet)
        except _OutOfTime:
            stopped = f"{plan.seconds:g} seconds were over"
        except KeyboardInterrupt:
            stopped = BY_A_SIGNAL
        finally:
            if _in_main_thread():
                signal.signal(signal.SIGTERM, ended)
        if stopped and not any(turn.stream for turn in turns.values()):
            raise RestillError(f"nothing was measured: {stopped} before the first case was done")
    rows = []
    for case, turn in turns.items():
        if not turn.stream:
            continue
        # The reference has the same size and source, on the first backend and precision of its model.
        wanted = (against, case.size, case.source)
        reference = next(other for other in cases if (other.model, other.size, other.source) == wanted)
        rows.append(
            Row(
                case,
                Times(turn.network),
                Times(turn.stream),
                Times(turn.file) if plan.file else None,
                turn.stages,
                macs(models[_key(case)], case.size),
                peaks[case.backend, case.precision],
                _ratios(turns[reference].stream, turn.stream),
                _ratios(turns[reference].network, turn.network),
                turn.busy,
                Times(turn.plain) if plan.transcode else None,
            )
        )
    done = min(len(turn.stream) for turn in turns.values())
    return Report(about, plan, done, against, rows, peaks, left_out, stopped)


def _in_main_thread() -> bool:
    """Whether signals may be handled here."""
    return threading.current_thread() is threading.main_thread()


class _OutOfTime(Exception):
    """The seconds of a plan are over."""


def _rounds(
    plan: Plan,
    cases: Sequence[Case],
    models: Mapping[tuple[str, str, str], Model],
    convolutions: Mapping[tuple[str, str], Compute],
    peaks: Mapping[tuple[str, str], list[float]],
    turns: Mapping[Case, Turns],
    clips: Mapping[tuple[int, int], list[np.ndarray]],
    folder: Path,
    *,
    quiet: bool,
) -> None:
    """Measure every case in each round, and add each finished turn to ``peaks`` and ``turns``.

    Raises:
        _OutOfTime: The time is over, and at least one case has been measured.
    """
    began, total = time.monotonic(), plan.rounds * (len(peaks) + len(cases))
    with track("bench", total, "turns", quiet=quiet) as advance:
        for _ in range(plan.rounds):
            for pair, reached in peaks.items():
                reached.append(gmacs(convolutions[pair]))
                advance()
            for case in cases:
                if any(turn.stream for turn in turns.values()) and time.monotonic() - began > plan.seconds:
                    raise _OutOfTime
                model, turn, watch = models[_key(case)], Turns(), Watch()
                if plan.file:
                    measure_file(turn, case, plan, model, folder)
                else:
                    measure_stream(turn, plan, model, clips[case.size])
                turns[case].add(turn, busy=watch.busy())
                advance()


def load_models(plan: Plan) -> tuple[dict[tuple[str, str, str], Model], list[str]]:
    """All models of a plan by (model, backend, precision), and a sentence for each that cannot be loaded.

    Raises:
        RestillError: No model can be loaded, or the reference cannot.
    """
    models: dict[tuple[str, str, str], Model] = {}
    failed: dict[tuple[str, str, str], RestillError] = {}
    for key, case in {_key(case): case for case in plan.cases}.items():
        try:
            models[key] = load_model(case.file, backend=case.backend, precision=case.precision, threads=plan.threads)
        except RestillError as error:
            failed[key] = error
    for (name, _, _), error in failed.items():
        if not models or (name == plan.against and not any(name == loaded for loaded, _, _ in models)):
            raise error
    reasons: dict[str, list[str]] = {}  # one sentence for several backends
    for (name, backend, precision), error in failed.items():
        reasons.setdefault(f"{name} in {precision}: {error}", []).append(backend)
    return models, [f"on {' and '.join(names)}, {reason}" for reason, names in reasons.items()]


def macs(model: Model, size: tuple[int, int]) -> float:
    """Multiply-accumulates per frame of (height, width) pixels, padded to the network's multiple."""
    height, width = model.info.padded(*size)
    return model.info.macs_per_pixel * height * width


def _ratios(reference: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """The ratio of each round that both have."""
    return [theirs / ours for theirs, ours in zip(reference, seconds, strict=False)]


def _key(case: Case) -> tuple[str, str, str]:
    return case.model, case.backend, case.precision
