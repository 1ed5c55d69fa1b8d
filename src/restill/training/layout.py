"""The layout of an exported student's input: frames on an axis of their own, or all planes on one, for VapourSynth."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from restill import zoo
from restill.errors import RestillError
from restill.runtime.info import METADATA_KEY, ModelInfo, read_info

Layout = Literal["window", "stacked"]


def exported(student: str) -> tuple[onnx.ModelProto, ModelInfo] | None:
    """An exported file, by its path or a name of ``restill models``; None if it is neither.

    Raises:
        RestillError: Its input is not a window of floats.
    """
    path = Path(student)
    if path.suffix != ".onnx" and (path.exists() or student not in (*zoo.EASY_NAMES, *(c.name for c in zoo.cards()))):
        return None
    path = zoo.find(student)
    info = read_info(path)
    if info.feed != "floats":
        raise RestillError(
            f"'{path}' takes {info.feed}, which only Restill does; export the file that it was quantized from, or "
            "quantize that with --plain"
        )
    return onnx.load(path), info


def stack(model: onnx.ModelProto, info: ModelInfo) -> None:
    """Change the input of a student from ``window`` (1, K, 3, H, W) to ``planes`` (1, 3*K, H, W), in place.

    Args:
        model: A student that takes windows of floats.
        info: Its description; the model gets it with the new feed.
    """
    graph = model.graph
    window = graph.input[0]
    height, width = (side.dim_param or side.dim_value for side in window.type.tensor_type.shape.dim[3:])
    planes = helper.make_tensor_value_info("planes", onnx.TensorProto.FLOAT, [1, 3 * info.frames, height, width])
    # Reshape copies a side where its shape has 0. So the shape is the same for all sizes.
    sides = numpy_helper.from_array(np.array([info.frames, 3, 0, 0]), "stacked_shape")
    axis = numpy_helper.from_array(np.array([0]), "stacked_axis")
    nodes = [
        helper.make_node("Reshape", ["planes", sides.name], ["stacked_frames"]),
        helper.make_node("Unsqueeze", ["stacked_frames", axis.name], [window.name]),
        *graph.node,
    ]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(planes)
    graph.initializer.extend([sides, axis])
    described = info.model_copy(update={"feed": "stacked"}).model_dump_json()
    helper.set_model_props(model, {METADATA_KEY: described})
    onnx.checker.check_model(model, full_check=True)
