"""The backends that run a network: OpenVINO where it has wheels, and ONNX Runtime. A backend is one function.

It returns a function that as many threads may call at a time as it has workers. They share the threads of the backend.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of_package
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, local
from typing import Any, Protocol

import numpy as np

from restill.errors import RestillError, need_library
from restill.runtime.onnx_file import not_a_model

Compute = Callable[[np.ndarray], np.ndarray]  # (1, K, 3, H, W) float32 -> (1, 3, sH, sW) float32


class Backend(Protocol):
    """Make a function from a model's file, threads, precision and workers."""

    def __call__(self, path: Path, threads: int, precision: str, workers: int = 1) -> Compute: ...


def with_onnxruntime(path: Path, threads: int, precision: str, workers: int = 1) -> Compute:
    """ONNX Runtime on the CPU, f32 or int8."""
    if precision not in PRECISIONS["onnxruntime"]:
        raise RestillError(
            f"precision '{precision}' is not available in onnxruntime, which has f32 and int8; openvino has bf16"
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise need_library("onnxruntime", "the backend onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = max(1, threads // workers)
    # Waiting threads must sleep. Spinning gains nothing here, and takes the cores from the decoder and the encoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own that share no base but Exception
        raise not_a_model(path) from error

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
        raise need_library("openvino", "the backend openvino") from error
    core = _openvino_core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",  # of the layers that are not quantized
        **({"PERFORMANCE_HINT": "LATENCY"} if workers == 1 else {"NUM_STREAMS": workers}),
    }
    try:
        compiled = core.compile_model(core.read_model(path), "CPU", settings)
    except RuntimeError as error:
        raise not_a_model(path) from error
    own = local()

    def infer(window: np.ndarray) -> np.ndarray:
        own.request.infer({"window": window}, share_inputs=True)
        return own.request.get_tensor("clean").data.copy()  # the next call overwrites the memory of the request

    def compute(window: np.ndarray) -> np.ndarray:
        if hasattr(own, "request"):
            return infer(window)
        with _FIRST_CALL:
            own.request = compiled.create_infer_request()
            return infer(window)

    return compute


# The first call of OpenVINO in a process prepares tables, and may release the GIL meanwhile. Two threads that make
# their first calls at once can then wait for each other forever.
_FIRST_CALL = Lock()


@cache
def _openvino_core() -> Any:
    """The one core of this process, which is never freed.

    On CPUs with AMX each core moves the thread's signal stack into its own memory. If two of them are freed, the older
    first, the next signal ends the process.
    """
    import openvino

    return openvino.Core()


BACKENDS: dict[str, Backend] = {
    "onnxruntime": with_onnxruntime,
    "openvino": with_openvino,
}
# The precisions of each backend, the default first; "int8" is that of a quantized file.
PRECISIONS = {"onnxruntime": ("f32", "int8"), "openvino": ("f32", "bf16", "int8")}


def version(backend: str) -> str | None:
    """The version of a backend's library, which has the same name; None if it is not installed. It is not loaded."""
    try:
        return version_of_package(backend) if find_spec(backend) else None
    except PackageNotFoundError:  # another package holds the library, such as onnxruntime-gpu
        return import_module(backend).__version__
    except ImportError:
        return None
