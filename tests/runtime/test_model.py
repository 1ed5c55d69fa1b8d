"""What load_model accepts, refuses and says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from restill.errors import RestillError
from restill.runtime import load_model


def test_info_and_run(tiny_model):
    model = load_model(tiny_model(before=1, after=1), threads=1)
    assert (model.info.frames, model.info.align, model.info.name) == (3, "none", "tiny")
    window = np.random.default_rng(0).random((1, 3, 3, 8, 12), dtype=np.float32)
    assert model.run(window).shape == (1, 3, 8, 12)


def test_openvino_agrees(tiny_model):
    pytest.importorskip("openvino")
    path = tiny_model(before=1, after=1)
    window = np.random.default_rng(0).random((1, 3, 3, 8, 12), dtype=np.float32)
    first = load_model(path, backend="openvino", threads=1).run(window)
    assert np.allclose(first, load_model(path, threads=1).run(window), atol=1e-5)
    kept = first.copy()
    model = load_model(path, backend="openvino", threads=1)
    again = model.run(window)
    model.run(np.zeros_like(window))
    assert np.array_equal(again, kept)  # a result is not written over by the next run


def test_openvino_missing(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RestillError, match=r"restill\[openvino\]"):
        load_model(tiny_model(), backend="openvino")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"backend": "tensorrt"}, "the backends are: onnxruntime, openvino"),
        ({"threads": 0}, "1 or more"),
        ({"precision": "bf16"}, "openvino has bf16"),
        ({"precision": "int3", "backend": "openvino"}, "f32 and bf16"),
    ],
)
def test_wrong_options(tiny_model, options, says):
    with pytest.raises(RestillError, match=says):
        load_model(tiny_model(), **options)


def test_unknown_model():
    with pytest.raises(RestillError, match="model 'nobody' is not known; the models are"):
        load_model("nobody")
    with pytest.raises(RestillError, match=r"'some/where\.onnx' is not there"):
        load_model("some/where.onnx")


def test_not_onnx(tmp_path: Path):
    text = tmp_path / "text.onnx"
    text.write_text("a poem")
    with pytest.raises(RestillError, match="is not an ONNX file that can be run"):
        load_model(text)


def test_foreign_onnx(tiny_model):
    with pytest.raises(RestillError, match="without Restill's description"):
        load_model(tiny_model(description=None))


@pytest.mark.parametrize(("change", "field"), [({"format": 2}, "format"), ({"align": "magic"}, "align")])
def test_description_of_another_version(tiny_model, change, field):
    with pytest.raises(RestillError, match=f"'{field}'.*export it again"):
        load_model(tiny_model(**change))
