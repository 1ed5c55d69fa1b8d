"""Which student and which backend restore a source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from doubles import model, moving

from restill import zoo
from restill.errors import RestillError
from restill.restoring.api import restore
from restill.restoring.choose import choose
from restill.restoring.request import Request
from restill.runtime import Model, auto


@pytest.mark.parametrize(
    ("frames", "asked", "taken"),
    [
        (7, {}, ("auto", None, False)),  # too short for a trial
        (7, {"backend": "auto", "precision": "auto"}, ("auto", "auto", False)),
        (7, {"backend": "auto", "precision": "int8"}, ("auto", "int8", False)),
        (7, {"backend": "openvino", "precision": "bf16"}, ("openvino", "bf16", False)),
        (3, {}, ("auto", None, True)),  # long
    ],
)
def test_backend_by_length(tmp_path, monkeypatch, capsys, frames, asked, taken):
    called = {}

    def load(name, **options):
        called.update(options, name=name)
        network = model()
        network.why = "by a trial" if options["backend"] == "auto" else ""
        return network

    monkeypatch.setattr("restill.restoring.choose.load_model", load)
    monkeypatch.setattr("restill.restoring.choose.TRIAL_PIXELS", (3 if frames == 3 else 100) * 50 * 38)
    restore(moving(tmp_path / "in", frames), tmp_path / "out", **asked)
    assert (called["backend"], called["precision"], called["trial"], called["size"]) == (*taken, (38, 50))
    assert ("by a trial\n" in capsys.readouterr().err) == (taken[0] == "auto")
    restore(tmp_path / "in", tmp_path / "out", **asked, overwrite=True, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
@pytest.mark.parametrize(
    ("frames", "asked", "taken", "says"),
    [
        (1, {}, "derain-picture", "the default for pictures"),
        (1, {"fast": True}, "derain-picture", "the default for pictures"),
        (9000, {}, "derain", "the default for clips"),
        (None, {}, "derain", "the default for clips"),
        (9000, {"fast": True}, "derain-fast", "the faster one, because of --fast"),
        (9000, {"model": "other"}, "other", "the one you named"),
    ],
)
def test_the_student_depends_on_what_is_asked_and_never_on_speed(
    monkeypatch, capsys, frames, asked, taken, says, backend
):
    def load(name: str, **options) -> Model:
        loaded = model()
        loaded.info = loaded.info.model_copy(update={"name": name})
        loaded.why = "fastest in a trial: 99999.0 ms a frame" if options["backend"] == "auto" else ""
        return loaded

    monkeypatch.setattr(zoo, "default", lambda task: task)
    monkeypatch.setattr("restill.restoring.choose.load_model", load)
    info = SimpleNamespace(expected_frames=frames, fps=Fraction(1000), width=640, height=480, alone=False)
    request = Request(Path("in"), Path("out"), backend=backend, threads=2, **asked)
    assert choose(request, info).info.name == taken  # type: ignore[arg-type]
    line = capsys.readouterr().err
    assert line.startswith(f"{taken} ({says}) on test in f32, 2 threads: ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("asked", [{}, {"fast": True}, {"model": "permissive"}])
@pytest.mark.parametrize(("frames", "size"), [(60, (640, 360)), (1, (800, 600))])
def test_short_inputs_run_in_int8_without_a_trial(monkeypatch, asked, frames, size):
    """With all that a plain install brings, and where OpenVINO has no wheels."""

    def never(*arguments):
        raise AssertionError("a trial")

    monkeypatch.setattr(auto, "trial", never)
    info = SimpleNamespace(expected_frames=frames, width=size[0], height=size[1], alone=False)
    request = Request(Path("in"), Path("out"), threads=1, quiet=True, **asked)
    for installed in (["onnxruntime", "openvino"], ["onnxruntime"]):
        if "openvino" in installed:
            pytest.importorskip("openvino")
        monkeypatch.setattr(auto, "installed", lambda: installed)  # noqa: B023
        chosen = choose(request, info)  # type: ignore[arg-type]
        assert (chosen.backend, chosen.precision) == (installed[-1], "int8")


def test_fast_and_a_model_are_too_much(tmp_path):
    with pytest.raises(RestillError, match="fast and model both choose the student; leave out one"):
        restore(tmp_path, tmp_path / "out", "rill-m", fast=True)
