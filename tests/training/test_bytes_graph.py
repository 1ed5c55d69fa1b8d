"""A Rill student that is fed bytes gives what its float self gives, up to what 8 bits cost."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
import torch

from restill.networks import create
from restill.networks.receptive_field import receptive_field
from restill.runtime import load_model, stream
from restill.training import calibration
from restill.training.export import describe, to_onnx
from restill.training.quantize import psnr, quantize

pytestmark = pytest.mark.slow
module = sys.modules["restill.training.quantize"]
methods = module._methods()
FEW = {"samples": 6, "quiet": True}


@pytest.fixture(scope="module", params=["rill-s", "rill-p"])
def pair(request, tmp_path_factory):
    """A student whose residual is plain to see, and its quantized file."""
    torch.manual_seed(3)
    small = {"channels": 8, "pairs": 1}
    network = create(request.param, **small).eval()
    with torch.no_grad():
        network.head[0].weight.normal_(0, 0.008)  # residuals of more than 55 levels upward are cut off
        network.head[0].bias.normal_(-0.05, 0.05)
    path = tmp_path_factory.mktemp("student") / "mine.onnx"
    info = describe(network, "mine", request.param, "none").model_copy(update={"reach": receptive_field(network)})
    onnx.save(to_onnx(network, info), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_methods", lambda: methods[:1])  # one way to calibrate will do
        patch.setattr(calibration, "HELD_OUT", 4)
        patch.setattr(calibration, "SIZE", (96, 128))
        quantize(path, **FEW)
    return path


def frames(size=(50, 70), count: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    base = rng.integers(60, 180, (size[0] // 10 + 1, size[1] // 10 + 1, 3)).repeat(10, 0).repeat(10, 1)
    base = base[: size[0], : size[1]]
    return [np.clip(base + rng.integers(-9, 10, (*size, 3)), 0, 255).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_same_pictures(pair, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    quantized = load_model(pair, precision="int8", backend=backend, threads=1)
    assert quantized.info.feed == ("planes" if quantized.info.network == "rill-s" else "bytes")
    given = frames()
    plain = [x / 255 for x in stream(load_model(pair, threads=1), given)]
    fed = [x / 255 for x in stream(quantized, given)]
    moved = np.mean([np.abs(p - x / 255).mean() for p, x in zip(plain, given, strict=True)])
    assert moved > 0.02  # or agreeing would be easy
    assert psnr(fed, plain) > 38  # weights of 7 bits, and random ones need all of them
    edge = [p[:4] for p in plain], [f[:4] for f in fed]  # black is seen beyond the edge, as in the float network
    assert psnr(*edge) > 37


def test_a_window_of_floats_and_tiles(pair):
    quantized = load_model(pair, precision="int8", threads=1)
    given = frames((140, 180))
    whole = list(stream(quantized, given))
    for tiled, clean in zip(stream(load_model(pair, precision="int8", threads=1, tile=64), given), whole, strict=True):
        np.testing.assert_array_equal(tiled, clean)
    window = np.stack([given[0]] * quantized.info.frames).transpose(0, 3, 1, 2)[None, ..., :40, :60]
    clean = quantized.run(window.astype(np.float32) / 255)
    assert clean.shape == (1, 3, 40, 60)
    assert clean.dtype == np.float32
    assert psnr([clean], [load_model(pair, threads=1).run(window.astype(np.float32) / 255)]) > 38


def test_no_floats_are_left_at_full_size(pair):
    model = onnx.load(pair.with_name("mine.int8.onnx"))
    assert [node.op_type for node in model.graph.node if "window" in node.input] == ["DequantizeLinear"]
    assert not {"Sub", "Concat", "Slice", "Min", "Max", "DepthToSpace"} & {n.op_type for n in model.graph.node}
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
