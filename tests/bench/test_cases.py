"""Which cases ``restill bench`` measures, and how it names what is wrong with them."""

from __future__ import annotations

import re
import sys

import pytest

from restill import zoo
from restill.bench import measure, plan
from restill.bench.cases import choose_backends, parse_size
from restill.errors import RestillError
from restill.runtime import backends

WITH_WEIGHTS = [card.name for card in zoo.cards() if card.parameters]
pytestmark = pytest.mark.skipif(not WITH_WEIGHTS, reason="the zoo is empty")


def test_defaults():
    chosen = plan()
    names = list(dict.fromkeys(case.model for case in chosen.cases))
    networks = [zoo.card(name).network for name in names]
    assert set(names) <= set(WITH_WEIGHTS)
    assert sorted(networks) == sorted({zoo.card(name).network for name in WITH_WEIGHTS})  # one of each
    assert list(dict.fromkeys(case.size_text for case in chosen.cases)) == ["640x480", "1280x720"]
    assert {case.backend for case in chosen.cases} == {name for name in backends.BACKENDS if backends.version(name)}
    assert chosen.against is None


@pytest.mark.parametrize(
    ("change", "naming"),
    [
        ({"models": ["no-such-model"]}, "no-such-model"),
        ({"models": ["absent.onnx"]}, "absent.onnx"),
        ({"against": "no-such-model"}, "no-such-model"),
        ({"sizes": ["640"]}, "640"),
        ({"sizes": ["0x480"]}, "16 to 8192"),
        ({"sizes": ["99999x480"]}, "99999x480"),
        ({"on": ["abacus"]}, "abacus"),
        ({"precisions": ["f1"]}, "onnxruntime has f32"),
        ({"sources": ["phone"]}, "source 'phone' is not known; the sources are: camera, x264"),
        ({"transcode": True, "file": False}, "leave out --no-file"),
        ({"frames": 1}, "frames must be 2 or more, not 1"),
        ({"rounds": 0}, "rounds"),
        ({"threads": 0}, "threads"),
        ({"seconds": 0}, "seconds"),
        ({"aligner": "magic"}, "aligner 'magic' is not known; the aligners are: auto, source, search, dis"),
    ],
)
def test_what_is_wrong_is_said(change, naming):
    with pytest.raises(RestillError, match=re.escape(naming)):
        plan(**change)


def test_a_file_that_is_no_student(tmp_path):
    (tmp_path / "a.onnx").write_text("nothing")
    with pytest.raises(RestillError, match=r"a\.onnx"):
        plan([str(tmp_path / "a.onnx")])


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(backends, "version", lambda backend: "1" if backend == "onnxruntime" else None)
    assert {backend for backend, _ in choose_backends([], [])} == {"onnxruntime"}
    with pytest.raises(RestillError, match="pip install openvino"):
        choose_backends(["openvino"], [])


def test_a_backend_without_the_precision_is_left_out(monkeypatch):
    monkeypatch.setattr(backends, "version", lambda backend: "1")
    assert choose_backends([], ["bf16"]) == [("openvino", "bf16")]


def test_sizes_are_width_by_height():
    assert parse_size("1280X720") == (720, 1280)


@pytest.mark.slow
def test_a_network_without_weights(tmp_path, monkeypatch):
    """Its speed can be held against a student's; the file is made once."""
    pytest.importorskip("torch")
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path))
    wanted = plan(
        ["rill-s", "prednet-student3"], ["64x48"], ["onnxruntime"], ["f32"], frames=2, rounds=1, threads=1, file=False
    )
    found = measure(wanted, quiet=True)
    assert [row.case.model for row in found.rows] == ["rill-s", "prednet-student3"]
    assert found.rows[1].macs > 10_000 * 64 * 48
    assert "Random weights, used only to measure speed: prednet-student3." in found.notes()
    (file,) = (tmp_path / "untrained").iterdir()
    written = file.stat().st_mtime_ns
    assert plan(["prednet-student3"], on=["onnxruntime"]).cases[0].untrained == file
    assert file.stat().st_mtime_ns == written
    with pytest.raises(RestillError, match="network 'rbpn' is not exported to ONNX: "):
        plan(["rbpn"])


def test_a_network_without_weights_needs_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "restill.training.export", None)
    with pytest.raises(RestillError, match=r"the network 's2vd', which has no weights here, needs 'torch'"):
        plan(["s2vd"])
