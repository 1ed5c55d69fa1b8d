"""Whether the machine is busy, tested with fake clocks."""

from __future__ import annotations

import pytest

from restill.busy import Watch


@pytest.mark.parametrize(
    ("worked", "idle", "own", "busy"),
    [
        (4.0, 0.0, 4.0, False),  # only our process works
        (4.0, 0.0, 2.0, True),  # other processes take half of the machine
        (3.9, 0.1, 3.6, False),  # some background load is normal
        (2.0, 2.0, 1.0, False),  # other processes work, but a processor is free
        (0.0, 4.0, 0.0, False),
    ],
)
def test_by_what_others_take(monkeypatch, worked, idle, own, busy):
    times = iter([(10.0, 100.0, 50.0, 3.0), (12.0, 100.0 + worked, 50.0 + idle, 3.0 + own)])
    monkeypatch.setattr(Watch, "_now", staticmethod(lambda: next(times)))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert Watch().busy() == busy


@pytest.mark.parametrize(("load", "busy"), [(0.1, False), (3.0, True)])
def test_by_the_load_where_that_is_all(monkeypatch, tmp_path, load, busy):
    monkeypatch.setattr("restill.busy.TIMES", tmp_path / "none")
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert Watch().busy() == busy


def test_here():
    assert Watch().busy() in (True, False)
