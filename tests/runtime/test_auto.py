"""What "auto" chooses, that it remembers, and that it never takes what the card does not call safe."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from restill import zoo
from restill.datasets.files import cache_folder
from restill.errors import RestillError
from restill.runtime import auto, backends, load_model
from restill.runtime.info import fingerprint, quantized_file
from restill.runtime.model import example

TAKES = {("onnxruntime", "f32"): 0.03, ("openvino", "bf16"): 0.02, ("openvino", "int8"): 0.01}  # the others: longer


@pytest.fixture
def trials(monkeypatch) -> list[list[tuple[str, str]]]:
    """Times as in TAKES instead of a trial; what was tried, trial by trial."""
    tried = []

    def trial(candidates, size, threads, example):
        tried.append([(c.backend, c.precision) for c in candidates])
        return [TAKES.get(pair, 0.05) for pair in tried[-1]]

    monkeypatch.setattr(auto, "trial", trial)
    monkeypatch.setattr(auto.Watch, "busy", lambda watch: False)
    monkeypatch.setattr(auto, "installed", lambda: list(backends.BACKENDS))
    return tried


@pytest.fixture
def pair(tiny_model) -> Path:
    """A model with a quantized file beside it."""
    path = tiny_model()
    tiny_model(precision="int8", quantized_from=fingerprint(path)).rename(quantized_file(path))
    return path


def chosen(model, **options):
    loaded = load_model(model, threads=1, **options)
    return loaded.backend, loaded.precision


def test_without_a_card_only_float_is_safe(pair, trials):
    assert chosen(pair, backend="auto") == ("onnxruntime", "f32")
    assert trials == [[("onnxruntime", "f32"), ("openvino", "f32")]]


def test_what_the_card_allows(pair, trials, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(zoo, "safe_precisions", lambda model: ("f32", "bf16", "int8"))
    loaded = load_model(pair, backend="auto", threads=1, size=(49, 64))
    assert (loaded.backend, loaded.precision, loaded.path) == ("openvino", "int8", quantized_file(pair))
    assert loaded.why.startswith("fastest in a trial at 64x52: 10.0 ms a frame (onnxruntime in f32 30.0, ")
    assert "\n" not in loaded.why
    assert chosen(pair, backend="onnxruntime", precision="auto") == ("onnxruntime", "f32")
    assert chosen(pair, backend="openvino", precision="auto") == ("openvino", "int8")
    assert chosen(pair, backend="auto", precision="f32") == ("onnxruntime", "f32")
    assert chosen(pair, backend="auto", precision="bf16") == ("openvino", "bf16")  # the only one: without a trial
    assert len(trials) == 4
    quantized_file(pair).unlink()
    assert chosen(pair, backend="auto") == ("openvino", "bf16")


def test_without_a_trial_the_usual_way(pair, trials, monkeypatch):
    pytest.importorskip("openvino")
    assert chosen(pair, backend="auto", trial=False) == ("openvino", "f32")  # without a card only float is safe
    monkeypatch.setattr(zoo, "safe_precisions", lambda model: ("f32", "bf16", "int8"))
    assert chosen(pair, backend="auto", trial=False) == ("openvino", "int8")
    assert chosen(pair, backend="auto", precision="f32", trial=False) == ("openvino", "f32")
    assert chosen(pair, backend="onnxruntime", precision="auto", trial=False) == ("onnxruntime", "int8")
    monkeypatch.setattr(auto, "installed", lambda: ["onnxruntime"])
    assert chosen(pair, backend="auto", trial=False) == ("onnxruntime", "int8")
    assert trials == []


def test_a_quantized_file_stays_what_it_is(pair, trials):
    assert chosen(quantized_file(pair), backend="auto")[1] == "int8"
    assert {precision for _, precision in trials[0]} == {"int8"}


def test_one_backend_needs_no_trial(pair, trials, monkeypatch):
    monkeypatch.setattr(auto, "installed", lambda: ["onnxruntime"])
    assert "the only one that is installed and safe" in load_model(pair, backend="auto", threads=1).why
    assert trials == []
    with pytest.raises(RestillError, match="'bf16' is not available in onnxruntime; openvino has"):
        load_model(pair, backend="auto", precision="bf16")


def test_kept_and_used_again(pair, trials):
    first = load_model(pair, backend="auto", threads=1).why
    assert "in a trial at" in first
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert load_model(pair, backend="auto", threads=1).why == first.replace("a trial", f"a trial of {today}")
    assert len(trials) == 1
    load_model(pair, backend="auto", threads=2)
    load_model(pair, backend="auto", threads=1, size=(240, 320))
    assert len(trials) == 3


@pytest.mark.parametrize(("days", "again"), [(0, 1), (29, 1), (31, 2), (-1, 2)])
def test_an_old_trial_is_repeated(pair, trials, days, again):
    load_model(pair, backend="auto", threads=1)
    (kept,) = (cache_folder() / "trials").iterdir()
    written = json.loads(kept.read_text())
    written["when"] -= days * 24 * 3600
    kept.write_text(json.dumps(written))
    load_model(pair, backend="auto", threads=1)
    assert len(trials) == again


def test_a_trial_on_a_busy_machine_is_used_once(pair, trials, monkeypatch):
    monkeypatch.setattr(auto.Watch, "busy", lambda watch: True)
    assert "the machine was busy, so the next job repeats the trial" in load_model(pair, backend="auto", threads=1).why
    assert not (cache_folder() / "trials").exists()
    monkeypatch.setattr(auto.Watch, "busy", lambda watch: False)
    assert "busy" not in load_model(pair, backend="auto", threads=1).why
    assert len(trials) == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"{}", b'{"onnxruntime in f32": "x", "openvino in f32": -1}']
)
def test_a_broken_cache_is_ignored(pair, trials, content):
    load_model(pair, backend="auto", threads=1)
    (kept,) = (cache_folder() / "trials").iterdir()
    kept.write_bytes(content)
    assert "in a trial at" in load_model(pair, backend="auto", threads=1).why
    assert len(trials) == 2


def test_a_cache_that_cannot_be_written(pair, trials, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "file"))
    assert chosen(pair, backend="auto") == ("onnxruntime", "f32")


def test_a_real_trial(pair, monkeypatch):
    monkeypatch.setattr(auto, "SECONDS", 0.1)
    good = auto.Candidate("onnxruntime", "f32", pair)
    bad = auto.Candidate("onnxruntime", "f32", pair.with_name("gone.onnx"))
    seconds = auto.trial([bad, good], (32, 32), 1, example)
    assert seconds[0] is None
    assert seconds[1] is not None
    assert seconds[1] > 0
    assert auto.fastest([bad, good], seconds) == good
    with pytest.raises(RestillError, match="none of these runs here"):
        auto.fastest([bad], [None])


def test_large_frames_are_tried_smaller():
    assert auto._trial_size((480, 640)) == (480, 640)
    height, width = auto._trial_size((2160, 3840))
    assert height * width <= auto.MAX_PIXELS
    assert np.isclose(width / height, 16 / 9, rtol=0.02)
