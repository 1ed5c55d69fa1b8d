"""Rewriting of a quantized Rill student to take and give bytes (:mod:`restill.runtime.packing`).

An exported student spends most of its time before the first convolution and after the last. There it subtracts,
compares, concatenates and rounds float planes. The graph does not need these operations: the
difference of two 8-bit frames is an integer.

    before   window -> differences, darker median -> Concat -> Q -> DQ -> Conv ... Conv -> Q -> DQ -> shuffle -> Add
    after                                            planes -------> DQ -> Conv ... Conv -> Q

One gray level is one step of the input and of the output. Each kind of plane has its own byte for zero; the first
convolution's bias accounts for it exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from restill.runtime.info import METADATA_KEY, ModelInfo
from restill.runtime.packing import DARKEST, MIDDLE, RESIDUAL

STEP = np.float32(1 / 255)


def feed_bytes(model: onnx.ModelProto, info: ModelInfo) -> onnx.ModelProto | None:
    """Rewrite a student to take and give bytes.

    Args:
        model: A QDQ model from ``restill quantize``, with 8-bit weights and one scale for each output channel.
        info: Its description.

    Returns:
        A new model; None if this one is not built like Rill.
    """
    graph = _Graph(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if not info.network.startswith("rill-") or len(convolutions) < 2:
        return None
    first, last = convolutions[0], convolutions[-1]
    fold = info.size_multiple
    planes = info.frames + 3 if info.frames > 1 else 3
    kernel = graph.constants.get(graph.makers[first.input[1]].input[0]) if first.input[1] in graph.makers else None
    end = graph.readers(last.output[0])
    if kernel is None or len(end) != 1 or kernel.shape[1:] != (planes, 3 * fold, 3 * fold):
        return None
    feed = "planes" if info.frames > 1 else "bytes"
    if end[0].op_type != "QuantizeLinear" or "DepthToSpace" not in graph.followers(end[0]):
        return None
    between = graph.between(first, last)
    settings = [helper.make_attribute("strides", [fold] * 2), helper.make_attribute("kernel_shape", [3 * fold] * 2)]
    del first.attribute[:]  # no padding: the planes have a border
    first.attribute.extend(settings)
    if feed == "planes":
        graph.shift_bias(first, kernel, slice(1), slice(-3, -2))
    else:
        graph.shift_bias(first, kernel, slice(3), slice(0))
        graph.shuffle_rows(last, fold)
    about = info.model_copy(update={"feed": feed})
    nodes = [
        helper.make_node("DequantizeLinear", ["window", "step", "middle"], [first.input[0]]),
        *between,
        helper.make_node("QuantizeLinear", [last.output[0], "step", "residual_zero"], ["clean"]),
    ]
    graph.constants |= {"step": np.array(STEP), "middle": np.uint8(MIDDLE), "residual_zero": np.uint8(RESIDUAL)}
    used = {name for node in nodes for name in node.input}
    outputs = fold**2 + 2 if feed == "planes" else 3 * fold**2
    rewritten = helper.make_graph(
        nodes,
        model.graph.name,
        [helper.make_tensor_value_info("window", onnx.TensorProto.UINT8, [1, planes, "height", "width"])],
        [helper.make_tensor_value_info("clean", onnx.TensorProto.UINT8, [1, outputs, "rows", "columns"])],
        [numpy_helper.from_array(np.array(v, order="C"), k) for k, v in graph.constants.items() if k in used],
    )
    new = onnx.ModelProto()
    new.CopyFrom(model)
    new.graph.CopyFrom(rewritten)
    helper.set_model_props(new, {METADATA_KEY: about.model_dump_json()})
    return new


class _Graph:
    """A model's nodes by their outputs, and its constants as arrays."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.constants: dict[str, Any] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    def readers(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if name in node.input]

    def followers(self, node: onnx.NodeProto) -> set[str]:
        """Operators of all nodes after one."""
        found, todo = set(), [node]
        while todo:
            for reader in (r for name in todo.pop().output for r in self.readers(name)):
                found.add(reader.op_type)
                todo.append(reader)
        return found

    def between(self, first: onnx.NodeProto, last: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes needed to compute the last node from the first node's input, in order, including weights."""
        wanted, needed = {last.output[0]}, []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                needed.append(node)
                wanted.update(node.input[1:] if node is first else node.input)
        return needed[::-1]

    def quantized(self, name: str) -> tuple[str, np.ndarray, np.ndarray]:
        """For a dequantized tensor: the name of its integers, the integers, and their scale."""
        whole, scale = self.makers[name].input[:2]
        return whole, self.constants[whole], self.constants[scale]

    def shift_bias(self, first: onnx.NodeProto, kernel: np.ndarray, center: slice, darker: slice) -> None:
        """Adapt the bias to an input in gray levels around :data:`MIDDLE`, at the scale of that input.

        Args:
            first: The convolution.
            kernel: Its weights as integers, (O, planes, rows, columns).
            center: The planes of the center frame whose zero is black.
            darker: The planes of the darker median.
        """
        _, _, scale = self.quantized(first.input[1])  # (O,)
        weight = kernel.astype(np.float64) * scale.astype(np.float64).reshape(-1, 1, 1, 1)
        whole, bias, bias_scale = self.quantized(first.input[2])
        # the graph reads a byte b as (b - MIDDLE) / 255; the center is b / 255, the darker median (b - DARKEST) / 255
        value = bias.astype(np.float64) * bias_scale + weight[:, center].sum((1, 2, 3)) * MIDDLE / 255
        value += weight[:, darker].sum((1, 2, 3)) * (MIDDLE - DARKEST) / 255
        new_scale = (STEP * scale).astype(np.float32)
        self.constants[whole] = np.rint(value / new_scale.astype(np.float64)).astype(np.int32)
        self.constants[self.makers[first.input[2]].input[1]] = new_scale

    def shuffle_rows(self, last: onnx.NodeProto, fold: int) -> None:
        """Reorder the last convolution's channels to row, pixel, color, as pixels are stored."""
        order = np.arange(3 * fold**2).reshape(3, fold, fold).transpose(1, 2, 0).ravel()  # was color, row, pixel
        for name in last.input[1:]:
            for part in self.makers[name].input:  # integers, scale, zero point
                if self.constants[part].ndim:
                    self.constants[part] = self.constants[part][order]
