"""What load_model accepts, refuses and says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from restill.errors import RestillError
from restill.runtime import load_model
from restill.runtime.info import fingerprint, quantized_file


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
    with pytest.raises(RestillError, match="pip install openvino"):
        load_model(tiny_model(), backend="openvino")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"backend": "tensorrt"}, "the backends are: onnxruntime, openvino; auto"),
        ({"threads": 0}, "1 or more"),
        ({"precision": "int8"}, r"there is no '.*\.int8\.onnx'.*'restill quantize MODEL' writes one"),
        ({"precision": "bf16"}, "openvino has bf16"),
        ({"precision": "int3", "backend": "openvino"}, "f32, bf16 and int8"),
    ],
)
def test_wrong_options(tiny_model, options, says):
    with pytest.raises(RestillError, match=says):
        load_model(tiny_model(), **options)


def test_int8_lies_beside_and_must_be_its_own(tiny_model):
    path = tiny_model()
    quantized = quantized_file(path)
    tiny_model(precision="int8", quantized_from=fingerprint(path)).rename(quantized)
    model = load_model(path, precision="int8", threads=1)
    assert (model.path, model.precision, model.info.precision) == (quantized, "int8", "int8")
    assert load_model(quantized, threads=1).precision == "int8"  # by its own path nothing need be said
    assert load_model(path, threads=1).precision == "f32"
    with pytest.raises(RestillError, match="is quantized: its precision is int8, not bf16"):
        load_model(quantized, precision="bf16", backend="openvino")
    tiny_model(name="another").rename(path)
    with pytest.raises(RestillError, match=r"was made from another version of"):
        load_model(path, precision="int8")


def test_unknown_model():
    with pytest.raises(RestillError, match="model 'nobody' is not known; the models are"):
        load_model("nobody")
    with pytest.raises(RestillError, match=r"'some/where\.onnx' does not exist"):
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
