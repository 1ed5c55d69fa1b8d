"""Which frames are taken if fewer are asked for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from restill.restoring.live.counters import Counters
from restill.restoring.live.frames import Ticket
from restill.restoring.live.schedule import Schedule


class Model:
    frames = 3


def taken(source: float, asked: float, lost: set[int] = frozenset(), frames: int = 300) -> np.ndarray:  # type: ignore[assignment]
    """The times of the frames that are taken, of a camera that sends ``source`` a second."""
    nothing: Any = None
    schedule = Schedule(nothing, Model, Counters(), 1e9, asked, lambda: False)  # type: ignore[arg-type]
    times = []
    for number in range(frames):
        if number not in lost:
            ticket = Ticket(time.monotonic(), 5 + number / source, number)
            schedule._waiting.append(ticket)
            if schedule.wanted(nothing):
                times.append(ticket.time)
    return np.array(times)


@pytest.mark.parametrize("source", [15, 24, 25, 30, 50, 59.94])
@pytest.mark.parametrize("asked", [1, 5, 10, 12.5, 24, 25])
def test_the_rate_is_what_was_asked(source, asked):
    times = taken(source, asked)
    assert len(times) == pytest.approx(300 * min(asked / source, 1), abs=2 + 0.02 * 300)
    assert np.diff(times).min() > 0.5 * min(1 / asked, 1 / source)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asked", [5, 10])
def test_frames_that_are_lost_bring_the_others_no_nearer_to_each_other(seed, asked):
    rng = np.random.default_rng(seed)
    times = taken(30, asked, set(rng.choice(300, 100, replace=False).tolist()))
    assert np.diff(times).min() > 0.95 / asked - 1 / 4 / asked
    assert np.diff(times).mean() < 1.5 / asked
