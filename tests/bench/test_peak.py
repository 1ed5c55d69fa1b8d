"""The convolutions that are the measure: valid ONNX, though written by hand, and counted right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from restill.bench.peak import CHANNELS, LAYERS, MACS, SIDE, convolutions, gmacs, load_convolutions


@pytest.mark.parametrize("quantized", [False, True])
def test_onnx_finds_nothing_wrong(quantized):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(convolutions(quantized))
    onnx.checker.check_model(model, full_check=True)
    assert sum(node.op_type == "Conv" for node in model.graph.node) == LAYERS
    assert MACS == LAYERS * CHANNELS**2 * 9 * SIDE**2


def test_it_computes_convolutions(tmp_path, monkeypatch):
    monkeypatch.setattr("restill.bench.peak.CHANNELS", 2)
    compute = load_convolutions(tmp_path, "onnxruntime", 1, "f32")
    onnx = pytest.importorskip("onnx")
    (tensor,) = onnx.load(tmp_path / "convolutions-float.onnx").graph.initializer
    kernel = onnx.numpy_helper.to_array(tensor)
    x = np.random.default_rng(1).random((2, SIDE, SIDE), np.float32)
    expected = x
    for _ in range(LAYERS):
        expected = np.stack(
            [
                sum(cv2.filter2D(expected[i], -1, kernel[o, i], borderType=cv2.BORDER_CONSTANT) for i in range(2))
                for o in range(2)
            ]
        )
    np.testing.assert_allclose(compute(x[None])[0], expected, atol=1e-5)


def test_int8_computes_about_the_same(tmp_path):
    exact = load_convolutions(tmp_path, "onnxruntime", 1, "f32")
    (tmp_path / "convolutions-float.onnx").write_bytes(convolutions(quantized=True))
    rounded = load_convolutions(tmp_path, "onnxruntime", 1, "f32")
    x = np.random.default_rng(1).random((1, CHANNELS, SIDE, SIDE), np.float32)
    y = exact(x)
    assert np.abs(rounded(x) - y).mean() < 0.1 * y.std()


def test_speed_is_positive(tmp_path):
    assert gmacs(load_convolutions(tmp_path, "onnxruntime", 1, "f32"), seconds=0.0) > 0
