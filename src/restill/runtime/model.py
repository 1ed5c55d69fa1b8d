"""A loaded model: its description, and the backend that runs it."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from restill import zoo
from restill.alignment import luma_of
from restill.errors import RestillError
from restill.planes import planes_of
from restill.runtime import auto, backends
from restill.runtime.info import ModelInfo, in_precision, quantized_file, read_info
from restill.runtime.packing import BytePacking, FloatPacking, PlanePacking
from restill.runtime.tiles import tiled

MAX_THREADS = 8  # the networks are small: more threads would wait for each other
USUAL_SIZE = (480, 640)
MAX_PIXELS = 2560 * 1440  # larger frames are cut into tiles by default
TILE = 1024


Packing = FloatPacking | BytePacking | PlanePacking
_PACKINGS: dict[str, type[Packing]] = {"floats": FloatPacking, "bytes": BytePacking, "planes": PlanePacking}


class Model:
    """A model on a backend, made by :func:`load_model`.

    Attributes:
        info: The description in the file.
        path: The file.
        backend: The backend that runs it.
        precision: "f32", "bf16" or "int8".
        why: The reason why "auto" chose this backend and precision; empty if there was nothing to choose.
        workers: The number of frames it works on at a time.
    """

    def __init__(
        self,
        info: ModelInfo,
        path: Path,
        backend: str,
        compute: Callable[[np.ndarray], np.ndarray],
        *,
        precision: str | None = None,
        why: str = "",
        tile: int | None = 0,
        workers: int = 1,
    ) -> None:
        self.info = info
        self.path = path
        self.backend = backend
        self.precision = precision or info.precision
        self.why = why
        self.workers = workers
        self._compute = compute
        self._whole = compute if info.feed == "floats" else partial(_run_bytes, info, compute)
        self._max_pixels, side = _tiling(info, path, tile)
        self._tiled = tiled(self._whole, side, info.reach or 0, info.size_multiple, info.scale)

    def at(self, height: int, width: int) -> tuple[Packing, Callable[[np.ndarray], np.ndarray]]:
        """The packing of frames of a size into the network's input, and the network."""
        if self.info.feed != "floats" and height * width <= self._max_pixels:
            return _PACKINGS[self.info.feed](self.info, height, width), self._compute
        return FloatPacking(self.info, height, width), self.run

    def takes_planes(self, height: int, width: int) -> bool:
        """Whether frames of a size may be :class:`restill.planes.Planes`."""
        return self.info.feed == "planes" and height * width <= self._max_pixels

    def run(self, window: np.ndarray) -> np.ndarray:
        """The restored center frame of one window.

        Args:
            window: (1, K, 3, H, W) float32 RGB in [0, 1], aligned by ``info.align``, H and W multiples of
                ``info.size_multiple``.

        Returns:
            (1, 3, scale*H, scale*W) float32, not clamped.
        """
        rows, columns = window.shape[-2:]
        return (self._whole if rows * columns <= self._max_pixels else self._tiled)(window)


def load_model(
    model: str | os.PathLike[str],
    *,
    backend: str = "onnxruntime",
    threads: int | None = None,
    precision: str | None = None,
    size: tuple[int, int] | None = None,
    trial: bool = True,
    tile: int | None = None,
    workers: int = 1,
    lanes: int | None = None,
) -> Model:
    """Load a model.

    Args:
        model: A name of ``restill models``, or the path of an ``.onnx`` file that ``restill export`` or
            ``restill quantize`` wrote.
        backend: "onnxruntime", "openvino", or "auto": the fastest on this machine, by a trial of about two seconds
            whose result is stored in the cache folder (:mod:`restill.runtime.auto`).
        threads: Threads of the network; by default the cores that this process may use, at most 8.
        precision: "f32"; "bf16" (OpenVINO only: faster if the CPU supports it, and less exact); "int8", which needs
            the quantized file beside the model's own (``NAME.int8.onnx``); or "auto": the fastest that the model's
            card calls safe. By default that of the file, or "auto" with the backend "auto".
        size: (height, width) of the frames, pixels, for the trial of "auto"; by default (480, 640).
        trial: Whether "auto" may make a trial. If not, it takes what is usually the fastest: OpenVINO, in the lowest
            precision that the model's card calls safe.
        tile: Cut frames into squares with sides of so many pixels, and restore each with its surroundings
            (:mod:`restill.runtime.tiles`); 0 never cuts. By default frames of more than :data:`MAX_PIXELS` are cut
            into tiles of :data:`TILE`, if the receptive field of the model is smaller than that.
        workers: The number of frames of a stream to work on at a time, each with its share of the threads. More
            workers give more frames per second, but each frame comes later, because more frames are read ahead.
        lanes: Deprecated name of ``workers``.

    Raises:
        RestillError: The model or the backend is unknown, the file is not a model that Restill exported, a library is
            not installed, or the backend does not have the precision.
    """
    if lanes is not None:
        warnings.warn("load_model: 'lanes' is now 'workers'", DeprecationWarning, stacklevel=2)
        workers = lanes
    path = zoo.find(model)
    if backend not in (*backends.BACKENDS, "auto"):
        raise RestillError(f"backend '{backend}' is not known; the backends are: {', '.join(backends.BACKENDS)}; auto")
    if threads is not None and threads < 1:
        raise RestillError(f"threads must be 1 or more, not {threads}")
    if workers < 1:
        raise RestillError(f"workers must be 1 or more, not {workers}")
    threads = threads or default_threads()
    info, why = read_info(path), ""
    precision = precision or ("auto" if backend == "auto" else info.precision)
    if "auto" in (backend, precision):
        candidates = _candidates(path, info, backend, precision, zoo.safe_precisions(model))
        place = info.padded(*(size or info.size or USUAL_SIZE))
        chosen = auto.choose(candidates, place, threads, example) if trial else auto.usual(candidates)
        (backend, precision, path), why = chosen.candidate, chosen.why
    else:
        path = in_precision(path, info, precision)
    info = read_info(path)
    compute = backends.BACKENDS[backend](path, threads, precision, workers)
    return Model(info, path, backend, compute, precision=precision, why=why, tile=tile, workers=workers)


def _tiling(info: ModelInfo, path: Path, tile: int | None) -> tuple[float, int]:
    """The most pixels of a frame that is not cut, and the side of the tiles that larger ones are cut into.

    Raises:
        RestillError: Tiles are requested, but the receptive field of the model may be the whole frame.
    """
    if tile == 0 or (tile is None and (info.reach is None or info.reach > TILE)):
        return math.inf, TILE
    if info.reach is None:
        raise RestillError(
            f"frames for '{path}' cannot be cut into tiles: its receptive field may be the whole frame, or it was "
            "exported by an old version that did not store it; leave --tile out, or export it again"
        )
    return (MAX_PIXELS, TILE) if tile is None else (0, tile)


def _run_bytes(info: ModelInfo, compute: backends.Compute, window: np.ndarray) -> np.ndarray:
    """Run a network with byte input on a window of floats, whose frames are rounded to 8 bits."""
    frames = [cv2.merge(list(planes)) for planes in window[0]]  # K x (H, W, 3)
    packing = _PACKINGS[info.feed](info, *window.shape[-2:])
    center = frames[info.frames_before]
    clean = packing.unpack(compute(_packed(packing, info, frames)), center, np.dtype(np.float32))
    return np.ascontiguousarray(clean.transpose(2, 0, 1)[None])


def _packed(packing: Packing, info: ModelInfo, frames: Sequence[np.ndarray]) -> np.ndarray:
    """Aligned frames (H, W, 3) float32, H and W multiples of the network's, as its input."""
    if info.feed != "planes":
        return packing.pack(frames)
    whole = [cv2.convertScaleAbs(frame, alpha=255) for frame in frames]
    return packing.pack([luma_of(frame) for frame in whole], planes_of(whole[info.frames_before]))


def example(path: Path, height: int, width: int) -> np.ndarray:
    """An input of noise for the network of a file; the sides must be multiples of its size multiple."""
    info, rng = read_info(path), np.random.default_rng(0)
    frames = [rng.random((height, width, 3), np.float32) for _ in range(info.frames)]
    return _packed(_PACKINGS[info.feed](info, height, width), info, frames)


def _candidates(path: Path, info: ModelInfo, backend: str, precision: str, safe: Sequence[str]) -> list[auto.Candidate]:
    """All ways to run a model among which "auto" may choose, the most exact first."""
    names = auto.installed() if backend == "auto" else [backend]
    wanted = [precision]
    if precision == "auto":
        wanted = [info.precision] if info.precision == "int8" else ["f32", *(p for p in safe if p != "f32")]
        if not quantized_file(path).is_file():
            wanted = [p for p in wanted if p != "int8" or info.precision == "int8"]
    files = {p: in_precision(path, info, p) for p in wanted}
    found = [auto.Candidate(name, p, files[p]) for p in wanted for name in names if p in backends.PRECISIONS[name]]
    if not found:
        raise RestillError(
            f"precision '{precision}' is not available in {' and '.join(names)}; openvino has f32, bf16, int8"
        )
    return found


def default_threads() -> int:
    """Cores that this process may use, at most :data:`MAX_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_THREADS)
