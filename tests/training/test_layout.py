"""The stacked layout: what VapourSynth's ONNX filters take, with the values of the window layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from restill import zoo
from restill.errors import RestillError
from restill.runtime import load_model
from restill.training.export import export
from restill.training.quantize import quantize


def open_as_vs_mlrt(path: Path, height: int, width: int) -> onnxruntime.InferenceSession:
    """Open a model as vs-mlrt does: with the sides of the clip written into the graph, and its checks."""
    model = onnx.load(path)
    (given,), (taken,) = model.graph.input, model.graph.output
    sides = given.type.tensor_type.shape.dim
    assert len(sides) == len(taken.type.tensor_type.shape.dim) == 4
    sides[0].dim_value, sides[2].dim_value, sides[3].dim_value = 1, height, width
    for side in list(taken.type.tensor_type.shape.dim)[2:]:
        side.ClearField("dim_value")
    del model.graph.value_info[:]
    model = onnx.shape_inference.infer_shapes(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for place in (*session.get_inputs(), *session.get_outputs()):
        assert place.type == "tensor(float)"
        assert all(isinstance(side, int) for side in place.shape)  # it allocates its buffers by them
    assert session.get_outputs()[0].shape[1] == 3
    return session


@pytest.mark.parametrize("name", [card.name for card in zoo.cards()])
def test_every_student_has_the_values_of_its_window_layout(name, tmp_path):
    path = export(name, tmp_path / "stacked.onnx", layout="stacked")
    model = load_model(name, threads=1)
    session = open_as_vs_mlrt(path, 36, 50)
    window = np.random.default_rng(0).random((1, model.info.frames, 3, 36, 50), np.float32)
    planes = window.reshape(1, -1, 36, 50)  # R, G and B of the first frame, then of the next
    assert session.get_inputs()[0].shape == list(planes.shape)
    (clean,) = session.run(None, {session.get_inputs()[0].name: planes})
    np.testing.assert_allclose(clean, model.run(window), atol=1e-6)


@pytest.mark.slow
def test_a_plain_quantized_file_can_be_stacked(tmp_path):
    plain = tmp_path / "plain.onnx"
    quantize("rill-s", plain, samples=1, plain=True, quiet=True)
    session = open_as_vs_mlrt(export(plain, tmp_path / "stacked.onnx", layout="stacked"), 32, 48)
    window = np.random.default_rng(0).random((1, 3, 3, 32, 48), np.float32)
    (clean,) = session.run(None, {"planes": window.reshape(1, 9, 32, 48)})
    np.testing.assert_allclose(clean, load_model(plain, threads=1).run(window), atol=1e-6)


def test_a_file_of_bytes_cannot_be_stacked(tmp_path):
    with pytest.raises(RestillError, match=r"takes (planes|bytes), which only Restill does.*--plain"):
        export(zoo.find("rill-s").with_name("model.int8.onnx"), tmp_path / "no.onnx", layout="stacked")


def test_restill_refuses_a_stacked_file(tmp_path):
    path = export("min-median", tmp_path / "stacked.onnx", layout="stacked")
    with pytest.raises(RestillError, match=r"stacked\.onnx' was exported with the layout 'stacked'.*without --layout"):
        load_model(path)
    with pytest.raises(RestillError, match="layout 'nchw' is not known; the layouts are: window, stacked"):
        export("min-median", tmp_path / "no.onnx", layout="nchw")  # type: ignore[arg-type]


def test_a_student_is_exported_under_another_name(tmp_path):
    model = load_model(export("fast", tmp_path / "mine.onnx", name="mine"), threads=1)
    shipped = load_model("rill-s", threads=1)
    assert model.info == shipped.info.model_copy(update={"name": "mine"})
    window = np.random.default_rng(0).random((1, 3, 3, 32, 48), np.float32)
    np.testing.assert_array_equal(model.run(window), shipped.run(window))
