"""The clock: it adds up seconds by stage and does not change results; without a clock, nothing is measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from restill.clock import NO_CLOCK, Clock
from restill.runtime import Model, ModelInfo, stream


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that advances the fake time by some seconds. The time stands still otherwise."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return pass_time


def test_adds_up(pass_time):
    clock = Clock()
    for _ in range(2):
        with clock("a"):
            pass_time(0.25)
    with pytest.raises(ValueError, match="inside"), clock("b"):
        raise ValueError("inside")
    assert clock.seconds == {"a": 0.5, "b": 0}


def test_over_counts_the_getting_alone(pass_time):
    def slow():
        for number in range(3):
            pass_time(0.25)
            yield number

    clock = Clock()
    got = []
    for number in clock.over("get", slow()):
        with clock("use"):
            pass_time(1)
        got.append(number)
    assert got == [0, 1, 2]
    assert clock.seconds == {"get": 0.75, "use": 3}


def test_no_clock_keeps_nothing():
    with NO_CLOCK("a"):
        pass
    assert list(NO_CLOCK.over("a", [1, 2])) == [1, 2]
    assert NO_CLOCK.seconds == {}


def test_a_stream_is_the_same_under_a_clock(tmp_path):
    about = {"name": "x", "task": "derain", "network": "x", "frames_before": 1, "frames_after": 1, "scale": 1}
    info = ModelInfo(**about, size_multiple=4, align="dis", parameters=0, macs_per_pixel=0)
    model = Model(info, tmp_path / "x.onnx", "test", lambda window: window.mean(1))
    frames = list(np.random.default_rng(0).integers(0, 255, (4, 38, 50, 3), np.uint8))
    clock = Clock()
    timed = list(stream(model, frames, clock=clock))
    np.testing.assert_array_equal(timed, list(stream(model, frames)))
    assert set(clock.seconds) == {"align", "pack", "network", "unpack"}
