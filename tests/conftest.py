"""Fixtures and settings for all tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("any-machine", deadline=None)  # tests must not depend on speed
hypothesis.settings.load_profile("any-machine")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


NUMBERS = count()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the user's cache clean. Tests share this one, so shared files are decoded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTILL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def unknown_pictures(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test its own cache, so that no test knows the test pictures of another."""
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{next(NUMBERS)}"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the repository. Skips the test if there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not here ({SHARED.name}/ beside the repository); the test needs it")
    return SHARED


@pytest.fixture
def planes_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model that takes planes, of one convolution of random bytes; returns its path."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper

    def write(frames: int = 3, change: float = 0.2) -> Path:
        planes, rng = frames + 3, np.random.default_rng(1)
        kernel = rng.normal(0, change / planes, (6, planes, 6, 6)).astype(np.float32)
        numbers = {
            "kernel": kernel,
            "step": np.float32(1 / 255),
            "middle": np.uint8(128),
            "zero": np.uint8(200),
        }
        nodes = [
            helper.make_node("DequantizeLinear", ["window", "step", "middle"], ["x"]),
            helper.make_node("Conv", ["x", "kernel"], ["y"], strides=[2, 2]),
            helper.make_node("QuantizeLinear", ["y", "step", "zero"], ["clean"]),
        ]
        bytes_ = onnx.TensorProto.UINT8
        graph = helper.make_graph(
            nodes,
            "planes",
            [helper.make_tensor_value_info("window", bytes_, [1, planes, "height", "width"])],
            [helper.make_tensor_value_info("clean", bytes_, [1, 6, "rows", "columns"])],
            [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        about = {
            "name": "planes",
            "task": "derain",
            "network": "rill-s",
            "frames_before": frames // 2,
            "frames_after": frames // 2,
            "scale": 1,
            "size_multiple": 2,
            "align": "auto",
            "parameters": kernel.size,
            "macs_per_pixel": kernel.size / 4,
            "precision": "int8",
            "feed": "planes",
        }
        helper.set_model_props(model, {"restill": json.dumps(about)})
        path = tmp_path / f"planes{frames}.onnx"
        onnx.save(model, path)
        return path

    return write
