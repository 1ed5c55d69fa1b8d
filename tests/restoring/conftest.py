"""What the tests of restoring share: the real command, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from doubles import model

from restill import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def restill(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call ``restill`` in this process, as its script does, with a model that does nothing."""
    monkeypatch.setattr("restill.restoring.choose.load_model", lambda name, **_: model())

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["restill", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return Ended(end.value.code or 0, said.out, said.err)  # type: ignore[arg-type]

    return call
