"""An exported student, ready to run: what it says about itself, and a backend that computes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill import zoo
from restill.errors import RestillError
from restill.runtime import backends

METADATA_KEY = "restill"
MOST_THREADS = 8  # the networks are small: beyond this many, threads wait for each other


class ModelInfo(BaseModel):
    """What the runtime must know of a model; it travels inside the ONNX file, under :data:`METADATA_KEY`, as JSON.

    Attributes:
        format: Version of this description.
        name: The student's own name.
        task: What it does: "derain".
        network: The network it is, one of ``restill networks``.
        frames_before: Frames of context before the centre.
        frames_after: Frames of context after the centre.
        scale: Output size over input size.
        size_multiple: Height and width of a window must be multiples of this.
        align: How neighbours are brought onto the centre before the network sees them.
        parameters: Number of weights.
        macs_per_pixel: Multiply-accumulates per pixel of an input frame, biases left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    task: str
    network: str
    frames_before: int = Field(ge=0)
    frames_after: int = Field(ge=0)
    scale: int = Field(ge=1)
    size_multiple: int = Field(ge=1)
    align: Literal["none", "dis"]
    parameters: int
    macs_per_pixel: float

    @property
    def frames(self) -> int:
        """Frames in a window."""
        return self.frames_before + 1 + self.frames_after


class Model:
    """A student on a backend; made by :func:`load_model`."""

    def __init__(self, info: ModelInfo, path: Path, backend: str, compute: Callable[[np.ndarray], np.ndarray]) -> None:
        self.info = info
        self.path = path
        self.backend = backend
        self._compute = compute

    def run(self, window: np.ndarray) -> np.ndarray:
        """The clean centre frame of one window.

        Args:
            window: (1, K, 3, H, W) float32 RGB in [0, 1], aligned as ``info.align`` says, H and W multiples of
                ``info.size_multiple``.

        Returns:
            (1, 3, scale*H, scale*W) float32, not clamped.
        """
        return self._compute(window)


def load_model(
    model: str | os.PathLike[str],
    *,
    backend: str = "onnxruntime",
    threads: int | None = None,
    precision: str = "f32",
) -> Model:
    """Load a student.

    Args:
        model: A name of the zoo (``restill models``), or the path of an ``.onnx`` file that ``restill export`` wrote.
        backend: "onnxruntime" or "openvino" (the extra ``restill[openvino]``).
        threads: Threads of the network; by default the cores this process may use, at most 8.
        precision: "f32", or "bf16" (OpenVINO only: faster where the CPU has it, and less exact).

    Raises:
        RestillError: No such model, not a model that Restill exported, no such backend, or its library is missing.
    """
    path = zoo.find(model)
    if backend not in backends.BACKENDS:
        raise RestillError(f"backend '{backend}' is not known; the backends are: {', '.join(backends.BACKENDS)}")
    if threads is not None and threads < 1:
        raise RestillError(f"threads must be 1 or more, not {threads}")
    info = read_info(path)
    compute = backends.BACKENDS[backend](path, threads or default_threads(), precision)
    return Model(info, path, backend, compute)


def read_info(path: Path) -> ModelInfo:
    """What an ONNX file says about itself.

    Raises:
        RestillError: It is not an ONNX file, or not one that ``restill export`` wrote.
    """
    written = backends.read_metadata(path).get(METADATA_KEY)
    if written is None:
        raise RestillError(f"'{path}' is an ONNX file without Restill's description; 'restill export' writes one")
    try:
        return ModelInfo.model_validate_json(written)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or METADATA_KEY
        raise RestillError(
            f"'{path}' holds a description that this version of Restill cannot read ('{field}': {first['msg']}); "
            "export it again"
        ) from error


def default_threads() -> int:
    """Cores that this process may use, at most :data:`MOST_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
