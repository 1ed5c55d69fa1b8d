"""What the tests of restill live share: a run in a thread, with a model that makes every frame darker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from cameras import Camera, footage, until
from doubles import model

from restill.restoring.live.counters import Counters, Summary
from restill.restoring.live.run import live
from restill.restoring.live.settings import Live


class Run:
    """A run of ``restill live`` in a thread."""

    def __init__(self, settings: Live) -> None:
        self.counters, self._halt = Counters(), threading.Event()
        self.summary: Summary | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()

    def _run(self, settings: Live) -> None:
        try:
            self.summary = live(settings, self._halt, self.counters)
        except BaseException as error:
            self.error = error

    def number(self, name: str) -> float:
        return self.counters.numbers()[name]

    def wait_for(self, name: str, least: int) -> None:
        """Wait until a number is that large."""
        until(lambda: self.error is not None or self.number(name) >= least)
        if self.error is not None:
            raise self.error

    def stop(self) -> Summary:
        """End it, as Ctrl-C does."""
        self._halt.set()
        self._thread.join(30)
        if self.error is not None:
            raise self.error
        assert self.summary is not None
        return self.summary


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """Start a run: ``start(address, target, **settings)``. It is ended with the test."""
    monkeypatch.setattr("restill.restoring.live.run.load_model", lambda *_, **__: model(darker=0.1))
    monkeypatch.setattr("restill.restoring.live.camera.FIRST_WAIT", 0.05)
    monkeypatch.setattr("restill.restoring.live.writer.FIRST_WAIT", 0.05)
    monkeypatch.setattr("restill.restoring.live.connection.SILENCE", 1.0)
    runs: list[Run] = []

    def begin(address: str, target: str, **settings: object) -> Run:
        # a delay that a busy machine keeps too
        runs.append(Run(Live(address, target, **({"delay": 20.0, "every": 0.0} | settings))))  # type: ignore[arg-type]
        return runs[-1]

    yield begin
    for run in runs:
        run._halt.set()
        run._thread.join(30)


@pytest.fixture
def camera() -> Iterator[Camera]:
    """A camera of 30 frames a second."""
    one = Camera(footage())
    yield one
    one.vanish()
