"""Tiny ONNX models, written without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def tiny_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model of one convolution over all frames of the window, plus its centre; returns its path."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper

    def write(before: int = 0, after: int = 0, scale: int = 1, description: dict | None = {}, **change) -> Path:  # noqa: B006
        frames = before + 1 + after
        rng = np.random.default_rng(1)
        kernel = rng.normal(0, 0.1, (3 * scale**2, 3 * frames, 3, 3)).astype(np.float32)
        shape = [1, frames, 3, "height", "width"]
        nodes = [
            helper.make_node("Shape", ["window"], ["size"], start=3),
            helper.make_node("Concat", ["channels", "size"], ["flat"], axis=0),
            helper.make_node("Reshape", ["window", "flat"], ["x"]),
            helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1]),
            helper.make_node("DepthToSpace", ["y"], ["clean"], blocksize=scale, mode="CRD"),
        ]
        numbers = [
            onnx.numpy_helper.from_array(np.array([1, 3 * frames]), "channels"),
            onnx.numpy_helper.from_array(kernel, "kernel"),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("window", onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("clean", onnx.TensorProto.FLOAT, None)],
            numbers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        if description is not None:
            about = {
                "format": 1,
                "name": "tiny",
                "task": "derain",
                "network": "none",
                "frames_before": before,
                "frames_after": after,
                "scale": scale,
                "size_multiple": 4,
                "align": "none",
                "parameters": kernel.size,
                "macs_per_pixel": float(kernel.size),
            }
            helper.set_model_props(model, {"restill": json.dumps(about | description | change)})
        path = tmp_path / f"tiny{before}{after}{scale}{len(list(tmp_path.iterdir()))}.onnx"
        onnx.save(model, path)
        return path

    return write
