"""Measure the peak speed of convolutions on this machine: 3x3, 256 channels, on the same backend and threads.

This module writes the ONNX file (a protobuf) of the measured network byte by byte, so that it needs no other library
than those that restore a clip. The field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from restill.runtime.backends import BACKENDS, Compute

CHANNELS, LAYERS, SIDE = 256, 4, 56
MACS = LAYERS * CHANNELS * CHANNELS * 3 * 3 * SIDE * SIDE  # multiply-accumulates of one run: 7.4 G
OPSET, IR_VERSION = 17, 8
FLOAT, UINT8, INT8 = 1, 2, 3  # TensorProto.DataType
INTS = 7  # AttributeProto.AttributeType


def load_convolutions(folder: Path, backend: str, threads: int, precision: str) -> Compute:
    """Load the convolutions on a backend, in the same way as a model.

    Args:
        folder: The folder for the file.
        backend: A name of :data:`restill.runtime.backends.BACKENDS`.
        threads: Threads.
        precision: A precision of the backend.
    """
    quantized = precision == "int8"
    path = folder / f"convolutions-{'int8' if quantized else 'float'}.onnx"
    if not path.exists():
        path.write_bytes(convolutions(quantized))
    return BACKENDS[backend](path, threads, precision)


def gmacs(compute: Compute, seconds: float = 0.3) -> float:
    """Measure the convolutions for about ``seconds``, after one run that does not count.

    Returns:
        Multiply-accumulates per second, in 10^9.
    """
    x = np.random.default_rng(0).random((1, CHANNELS, SIDE, SIDE), np.float32)
    compute(x)
    began, runs = time.perf_counter(), 0
    while not runs or time.perf_counter() - began < seconds:
        compute(x)
        runs += 1
    return runs * MACS / (time.perf_counter() - began) / 1e9


def convolutions(quantized: bool = False) -> bytes:
    """An ONNX file: ``window`` (1, 256, 56, 56) float32, four 3x3 convolutions with one set of weights, ``clean``.

    Args:
        quantized: Weights and activations of 8 bits, in the form that backends compute in int8.
    """
    rng = np.random.default_rng(0)
    deviation = (CHANNELS * 9) ** -0.5  # keeps the size of the values from layer to layer
    weights = rng.standard_normal((CHANNELS, CHANNELS, 3, 3)) * deviation
    if quantized:
        nodes, tensors = _quantized(weights)
    else:
        names = ["window", *(f"x{n}" for n in range(1, LAYERS)), "clean"]
        nodes = [_node("Conv", [names[n], "weights"], names[n + 1]) for n in range(LAYERS)]
        tensors = [_tensor("weights", weights.astype("<f4"), FLOAT)]
    graph = b"".join(_data(1, node) for node in nodes) + _data(2, b"convolutions")
    graph += b"".join(_data(5, tensor) for tensor in tensors)
    graph += _data(11, _picture("window")) + _data(12, _picture("clean"))
    return _number(1, IR_VERSION) + _data(7, graph) + _data(8, _data(1, b"") + _number(2, OPSET))


def _quantized(weights: np.ndarray) -> tuple[list[bytes], list[bytes]]:
    """Nodes and tensors: each activation is quantized and dequantized, which a backend fuses into one step."""
    step = float(np.abs(weights).max() / 127)
    tensors = [
        _tensor("weights8", np.rint(weights / step).astype(np.int8), INT8),
        _tensor("weights_step", np.array(step, "<f4"), FLOAT),
        _tensor("weights_zero", np.array(0, np.int8), INT8),
        _tensor("step", np.array(4 / 127, "<f4"), FLOAT),  # values of deviation 1 lie within 4 of 0
        _tensor("zero", np.array(128, np.uint8), UINT8),
    ]
    nodes = [_node("DequantizeLinear", ["weights8", "weights_step", "weights_zero"], "weights")]
    for n in range(LAYERS + 1):
        target = f"x{n}" if n < LAYERS else "clean"
        nodes.append(_node("QuantizeLinear", ["window" if n == 0 else f"y{n}", "step", "zero"], f"q{n}"))
        nodes.append(_node("DequantizeLinear", [f"q{n}", "step", "zero"], target))
        if n < LAYERS:
            nodes.append(_node("Conv", [f"x{n}", "weights"], f"y{n + 1}"))
    return nodes, tensors


def _node(kind: str, sources: list[str], target: str) -> bytes:
    """A NodeProto; a convolution's edges are padded by one."""
    node = b"".join(_data(1, source.encode()) for source in sources)
    node += _data(2, target.encode()) + _data(4, kind.encode())
    if kind == "Conv":
        node += _data(5, _data(1, b"pads") + _number(8, 1) * 4 + _number(20, INTS))
    return node


def _tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    """A TensorProto."""
    shape = b"".join(_number(1, side) for side in values.shape)
    return shape + _number(2, kind) + _data(8, name.encode()) + _data(9, values.tobytes())


def _picture(name: str) -> bytes:
    """A ValueInfoProto of (1, 256, 56, 56) float32."""
    shape = b"".join(_data(1, _number(1, side)) for side in (1, CHANNELS, SIDE, SIDE))
    return _data(1, name.encode()) + _data(2, _data(1, _number(1, FLOAT) + _data(2, shape)))


def _varint(number: int) -> bytes:
    """A varint: seven bits per byte, the lowest first; the highest bit is set if more bytes follow."""
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _data(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data
