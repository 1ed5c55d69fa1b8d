"""What computes a network: ONNX Runtime, in every install, and OpenVINO, an extra. A backend is one function.

What it returns may be called by as many threads at a time as it has workers; its own threads are shared between them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import local
from typing import Any, NamedTuple, Protocol

import numpy as np
import onnxruntime

from restill.errors import RestillError, need_extra

Compute = Callable[[np.ndarray], np.ndarray]  # (1, K, 3, H, W) float32 -> (1, 3, sH, sW) float32


class Backend(Protocol):
    """A model's file, threads, precision, and workers to a function."""

    def __call__(self, path: Path, threads: int, precision: str, workers: int = 1) -> Compute: ...


MOST_BYTES = 1 << 30  # of a model's file


def with_onnxruntime(path: Path, threads: int, precision: str, workers: int = 1) -> Compute:
    """ONNX Runtime on the CPU, f32 or int8."""
    if precision not in PRECISIONS["onnxruntime"]:
        raise RestillError(f"precision '{precision}' is not one of onnxruntime: it has f32 and int8; openvino has bf16")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads // workers)
    # Threads that wait must sleep: spinning gains nothing here and takes the cores from the decoder and the encoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = _session(path, options)

    def compute(window: np.ndarray) -> np.ndarray:
        try:
            return session.run(["clean"], {"window": window})[0]  # type: ignore[return-value]
        except Exception as error:  # ONNX Runtime raises classes of its own that share no base but Exception
            raise RestillError(f"'{path}' fails on an input {window.shape}: {str(error).splitlines()[0]}") from error

    return compute


def with_openvino(path: Path, threads: int, precision: str, workers: int = 1) -> Compute:
    """OpenVINO on the CPU, f32, bf16 or int8."""
    if precision not in PRECISIONS["openvino"]:
        raise RestillError(f"precision '{precision}' is not known; openvino has f32, bf16 and int8")
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise need_extra("openvino", "openvino", "the backend openvino") from error
    core = _openvino_core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",  # of what is not quantized
        **({"PERFORMANCE_HINT": "LATENCY"} if workers == 1 else {"NUM_STREAMS": workers}),
    }
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    own = local()

    def compute(window: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        own.request.infer({"window": window}, share_inputs=True)
        return own.request.get_tensor("clean").data.copy()  # the request's memory is written over by the next call

    return compute


@cache
def _openvino_core() -> Any:
    """One for the process and never freed: on CPUs with AMX each core puts the thread's signal stack into memory of its
    own, and once two of them are freed, the older first, the next signal ends the process.
    """
    import openvino

    return openvino.Core()


BACKENDS: dict[str, Backend] = {
    "onnxruntime": with_onnxruntime,
    "openvino": with_openvino,
}
# the names that a backend takes, first its default; "int8" is that of a quantized file
PRECISIONS = {"onnxruntime": ("f32", "int8"), "openvino": ("f32", "bf16", "int8")}


def version(backend: str) -> str | None:
    """The version of a backend's library, which has the backend's name; None where it is not installed."""
    try:
        return import_module(backend).__version__
    except ImportError:
        return None


class Described(NamedTuple):
    """What an ONNX file says of itself.

    Attributes:
        texts: Its key-value texts.
        inputs: By name, its inputs' types and shapes; a length that is free is a word or None.
        outputs: The same.
    """

    texts: dict[str, str]
    inputs: dict[str, tuple[str, tuple[int | str | None, ...]]]
    outputs: dict[str, tuple[str, tuple[int | str | None, ...]]]


def describe(path: Path) -> Described:
    """What an ONNX file says of itself.

    Raises:
        RestillError: It is not an ONNX file, or one of more than :data:`MOST_BYTES`.
    """
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise RestillError(f"'{path}' has {path.stat().st_size:,} bytes; a model has at most {MOST_BYTES:,}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = _session(path, options)
    inputs, outputs = (
        {place.name: (place.type, tuple(place.shape)) for place in places}
        for places in (session.get_inputs(), session.get_outputs())
    )
    return Described(dict(session.get_modelmeta().custom_metadata_map), inputs, outputs)


def _session(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own that share no base but Exception
        raise RestillError(f"'{path}' is not an ONNX file that can be run; 'restill export' writes one") from error
