"""Merging of pixel-unshuffle and the convolution after it into one strided convolution, which computes the same.

Unshuffling by r turns (C, r*H, r*W) into (C*r*r, H, W). A k x k convolution on the result reads a
block of k*r x k*r original pixels for every output. So it equals a convolution with kernel k*r, stride r and padding
p*r on the original, with the same weights in another order. It needs as many multiplications but no transposed copy of
the window, which takes ONNX Runtime longer than all other layers of a small student together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxscript import opset18 as op


def pixel_unshuffle(x: Any, downscale_factor: int) -> Any:
    """Translate unshuffle, for torch's exporter, to a grouped one-hot convolution, which is exact and easy to find."""
    r, channels = downscale_factor, x.shape[1]
    kernel = numpy_helper.from_array(_one_hot(channels, r))
    weight: Any = op.Constant(value=kernel)
    return op.Conv(x, weight, strides=[r, r], group=channels)


TRANSLATIONS: dict[Any, Any] = {torch.ops.aten.pixel_unshuffle.default: pixel_unshuffle}


def fold_unshuffle(model: onnx.ModelProto) -> None:
    """Merge every one-hot convolution with the single convolution that reads it, in place.

    Args:
        model: Exported with :data:`TRANSLATIONS`. A pair that cannot be merged (stride or groups in the second) does
            not change; it is correct but slower.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for first in [node for node in graph.node if node.op_type == "Conv"]:
        second = readers.get(first.output[0], [])
        if len(second) != 1 or second[0].op_type != "Conv":
            continue
        merged = _merge(first, second[0], weights)
        if merged is not None:
            second[0].CopyFrom(merged)
            graph.node.remove(first)
            if len(readers[first.input[1]]) == 1:
                graph.initializer.remove(weights[first.input[1]])
    del graph.value_info[:]  # the stored shapes are no longer valid


def _merge(first: onnx.NodeProto, second: onnx.NodeProto, weights: dict[str, Any]) -> onnx.NodeProto | None:
    """Return one node for both, and replace the second's weights; None if they cannot be merged."""
    if not {first.input[1], second.input[1]} <= weights.keys():
        return None
    picks = numpy_helper.to_array(weights[first.input[1]])  # (C*r*r, 1, r, r)
    kernel = numpy_helper.to_array(weights[second.input[1]])  # (O, C*r*r, k, k)
    settings = {a.name: helper.get_attribute_value(a) for a in second.attribute}
    out, taps, r = kernel.shape[0], kernel.shape[2:], picks.shape[-1]
    channels = picks.shape[0] // r**2
    steps = {*settings.get("strides", ()), *settings.get("dilations", ()), settings.get("group", 1)}
    if len(taps) != 2 or steps != {1} or not np.array_equal(picks, _one_hot(channels, r)):
        return None
    parts = kernel.reshape(out, channels, r, r, *taps).transpose(0, 1, 4, 2, 5, 3)  # (O, C, k, r, k, r)
    merged = np.ascontiguousarray(parts.reshape(out, channels, taps[0] * r, taps[1] * r))  # (O, C, k*r, k*r)
    weights[second.input[1]].CopyFrom(numpy_helper.from_array(merged, second.input[1]))
    return helper.make_node(
        "Conv",
        [first.input[0], *second.input[1:]],
        second.output,
        name=second.name,
        strides=[r, r],
        pads=[pad * r for pad in settings.get("pads", (0, 0, 0, 0))],
    )


def unfold(kernel: np.ndarray, r: int) -> np.ndarray:
    """The kernel of the convolution after an unshuffle by r, from that of the merged one.

    Args:
        kernel: (O, C, k*r, k*r).

    Returns:
        (O, C*r*r, k, k).
    """
    out, channels, high, wide = kernel.shape
    parts = kernel.reshape(out, channels, high // r, r, wide // r, r).transpose(0, 1, 3, 5, 2, 4)  # (O, C, r, r, k, k)
    return np.ascontiguousarray(parts.reshape(out, channels * r * r, high // r, wide // r))


def _one_hot(channels: int, r: int) -> np.ndarray:
    """(C*r*r, 1, r, r): channel c*r*r + i*r + j of the result is pixel (i, j) of each block of channel c."""
    return np.tile(np.eye(r * r, dtype=np.float32).reshape(r * r, 1, r, r), (channels, 1, 1, 1))
