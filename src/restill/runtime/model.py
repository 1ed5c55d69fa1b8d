"""An exported student, ready to run: what it says about itself, and a backend that computes it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill import zoo
from restill.errors import RestillError
from restill.runtime import auto, backends
from restill.runtime.feeds import Bytes, Floats, padded
from restill.runtime.tiles import tiled

METADATA_KEY = "restill"
MOST_THREADS = 8  # the networks are small: beyond this many, threads wait for each other
USUAL_SIZE = (480, 640)
MOST_PIXELS = 2560 * 1440  # of a frame that the network takes whole by default
TILE = 1024


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
        size: (height, width) of the only frames that it takes, pixels; None where it takes all.
        reach: How far around a pixel the network looks, pixels of the input; None where it may be the whole frame.
        align: How neighbours are brought onto the centre before the network sees them.
        parameters: Number of weights.
        macs_per_pixel: Multiply-accumulates per pixel of an input frame, biases left out.
        precision: Of the weights in the file: "int8" where ``restill quantize`` wrote it.
        quantized_from: The start of the SHA-256 of the file that it was quantized from; empty where it was not.
        feed: What its input holds: "floats" or "bytes" (:mod:`restill.runtime.feeds`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    task: str
    network: str
    frames_before: int = Field(ge=0, le=100)
    frames_after: int = Field(ge=0, le=100)
    scale: int = Field(ge=1, le=16)
    size_multiple: int = Field(ge=1, le=1024)
    size: tuple[int, int] | None = None
    reach: int | None = Field(None, ge=0)
    align: Literal["none", "dis"]
    parameters: int
    macs_per_pixel: float
    precision: Literal["f32", "int8"] = "f32"
    quantized_from: str = ""
    feed: Literal["floats", "bytes"] = "floats"

    @property
    def frames(self) -> int:
        """Frames in a window."""
        return self.frames_before + 1 + self.frames_after


class Model:
    """A student on a backend; made by :func:`load_model`.

    Attributes:
        info: What the file says of itself.
        path: The file.
        backend: What computes it.
        precision: In what: "f32", "bf16" or "int8".
        why: In a few words why "auto" chose this backend and precision; empty where there was nothing to choose.
        lanes: So many frames are worked on at a time.
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
        lanes: int = 1,
    ) -> None:
        self.info = info
        self.path = path
        self.backend = backend
        self.precision = precision or info.precision
        self.why = why
        self.lanes = lanes
        self._compute = compute
        self._whole = compute if info.feed == "floats" else partial(_by_bytes, info, compute)
        self._most, side = _in_tiles(info, path, tile)
        self._tiled = tiled(self._whole, side, info.reach or 0, info.size_multiple, info.scale)

    def at(self, height: int, width: int) -> tuple[Floats | Bytes, Callable[[np.ndarray], np.ndarray]]:
        """How frames of a size are fed to the network, and the network."""
        if self.info.feed == "bytes" and height * width <= self._most:
            return Bytes(self.info, height, width), self._compute
        return Floats(self.info, height, width), self.run

    def run(self, window: np.ndarray) -> np.ndarray:
        """The clean centre frame of one window.

        Args:
            window: (1, K, 3, H, W) float32 RGB in [0, 1], aligned as ``info.align`` says, H and W multiples of
                ``info.size_multiple``.

        Returns:
            (1, 3, scale*H, scale*W) float32, not clamped.
        """
        rows, columns = window.shape[-2:]
        return (self._whole if rows * columns <= self._most else self._tiled)(window)


def load_model(
    model: str | os.PathLike[str],
    *,
    backend: str = "onnxruntime",
    threads: int | None = None,
    precision: str | None = None,
    size: tuple[int, int] | None = None,
    tile: int | None = None,
    lanes: int = 1,
) -> Model:
    """Load a student.

    Args:
        model: A name of the zoo (``restill models``), or the path of an ``.onnx`` file that ``restill export`` or
            ``restill quantize`` wrote.
        backend: "onnxruntime", "openvino" (the extra ``restill[openvino]``), or "auto": the fastest here, by a trial
            of about two seconds that is kept in the cache folder (:mod:`restill.runtime.auto`).
        threads: Threads of the network; by default the cores this process may use, at most 8.
        precision: "f32"; "bf16" (OpenVINO only: faster where the CPU has it, and less exact); "int8", for which
            the quantized file must lie beside the model's own (``NAME.int8.onnx``); or "auto": of those that the
            model's card calls safe, the fastest. By default that of the file, or "auto" with the backend "auto".
        size: (height, width) of the frames to come, pixels, for the trial of "auto"; by default (480, 640).
        tile: Frames are cut into squares of so many pixels, each restored with what the network sees around it
            (:mod:`restill.runtime.tiles`); 0 never cuts. By default frames of more than :data:`MOST_PIXELS` are cut
            into tiles of :data:`TILE`, if the model looks less far than that.
        lanes: So many frames of a stream are worked on at a time, each by its share of the threads: more frames a
            second, and each of them later, since as many more are read ahead.

    Raises:
        RestillError: No such model, not a model that Restill exported, no such backend, its library is missing, or
            it has not that precision.
    """
    path = zoo.find(model)
    if backend not in (*backends.BACKENDS, "auto"):
        raise RestillError(f"backend '{backend}' is not known; the backends are: {', '.join(backends.BACKENDS)}; auto")
    if threads is not None and threads < 1:
        raise RestillError(f"threads must be 1 or more, not {threads}")
    if lanes < 1:
        raise RestillError(f"lanes must be 1 or more, not {lanes}")
    threads = threads or default_threads()
    info, why = read_info(path), ""
    precision = precision or ("auto" if backend == "auto" else info.precision)
    if "auto" in (backend, precision):
        candidates = _candidates(path, info, backend, precision, zoo.safe_precisions(model))
        chosen = auto.choose(candidates, padded(*(size or info.size or USUAL_SIZE), info), threads, example)
        (backend, precision, path), why = chosen.candidate, chosen.why
    else:
        path = in_precision(path, info, precision)
    info = read_info(path)
    compute = backends.BACKENDS[backend](path, threads, precision, lanes)
    return Model(info, path, backend, compute, precision=precision, why=why, tile=tile, lanes=lanes)


def _in_tiles(info: ModelInfo, path: Path, tile: int | None) -> tuple[float, int]:
    """Up to how many pixels a frame is taken whole, and the side of the tiles that others are cut into.

    Raises:
        RestillError: Tiles are asked for, and the model may look at the whole frame.
    """
    if tile == 0 or (tile is None and (info.reach is None or info.reach > TILE)):
        return math.inf, TILE
    if info.reach is None:
        raise RestillError(
            f"frames for '{path}' cannot be cut into tiles: its network may look at the whole frame, or it was "
            "exported before models said how far they look; leave --tile out, or export it again"
        )
    return (MOST_PIXELS, TILE) if tile is None else (0, tile)


def _by_bytes(info: ModelInfo, compute: backends.Compute, window: np.ndarray) -> np.ndarray:
    """A network that is fed bytes, on a window of floats: its frames are rounded to 8 bits for it."""
    frames = [cv2.merge(list(planes)) for planes in window[0]]  # K x (H, W, 3)
    feed = Bytes(info, *window.shape[-2:])
    clean = feed.unpack(compute(feed.pack(frames)), frames[info.frames_before], np.dtype(np.float32))
    return np.ascontiguousarray(clean.transpose(2, 0, 1)[None])


def example(path: Path, height: int, width: int) -> np.ndarray:
    """An input for the network of a file, of noise; the sides are multiples of what it asks for."""
    info, rng = read_info(path), np.random.default_rng(0)
    frames = [rng.random((height, width, 3), np.float32) for _ in range(info.frames)]
    return (Bytes if info.feed == "bytes" else Floats)(info, height, width).pack(frames)


def _candidates(path: Path, info: ModelInfo, backend: str, precision: str, safe: Sequence[str]) -> list[auto.Candidate]:
    """Every way to run a model that "auto" may choose, the most exact first."""
    names = auto.installed() if backend == "auto" else [backend]
    wanted = [precision]
    if precision == "auto":
        wanted = [info.precision] if info.precision == "int8" else ["f32", *(p for p in safe if p != "f32")]
        if not quantized_file(path).is_file():
            wanted = [p for p in wanted if p != "int8" or info.precision == "int8"]
    files = {p: in_precision(path, info, p) for p in wanted}
    found = [auto.Candidate(name, p, files[p]) for p in wanted for name in names if p in backends.PRECISIONS[name]]
    if not found:
        raise RestillError(f"precision '{precision}' is not one of {' and '.join(names)}; openvino has f32, bf16, int8")
    return found


def quantized_file(path: Path) -> Path:
    """Where the quantized file of a model lies: ``mine.int8.onnx`` beside ``mine.onnx``."""
    return path.with_name(f"{path.stem}.int8.onnx")


def in_precision(path: Path, info: ModelInfo, precision: str) -> Path:
    """The file of a model that has a precision: its own, or the quantized one beside it.

    Raises:
        RestillError: There is none, or the one that is there was made of another file.
    """
    if info.precision == "int8":
        if precision != "int8":
            raise RestillError(f"'{path}' is quantized: its precision is int8, not {precision}")
        return path
    if precision != "int8":
        return path
    quantized = quantized_file(path)
    if not quantized.is_file():
        raise RestillError(f"there is no '{quantized}' for the precision int8; 'restill quantize MODEL' writes one")
    if read_info(quantized).quantized_from != fingerprint(path):
        raise RestillError(f"'{quantized}' was not made of '{path}' as it is now; run 'restill quantize' again")
    return quantized


def fingerprint(path: Path) -> str:
    """The start of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def read_info(path: Path) -> ModelInfo:
    """What an ONNX file says about itself.

    Raises:
        RestillError: It is not an ONNX file, not one that ``restill export`` wrote, or not what it says it is.
    """
    described = backends.describe(path)
    written = described.texts.get(METADATA_KEY)
    if written is None:
        raise RestillError(
            f"'{path}' is an ONNX file without Restill's description; in Python, restill.export(module, 'mine.onnx', "
            "context=...) writes one from the PyTorch module, and 'restill export RUN -o mine.onnx' from a run"
        )
    try:
        info = ModelInfo.model_validate_json(written)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or METADATA_KEY
        raise RestillError(
            f"'{path}' holds a description that this version of Restill cannot read ('{field}': {first['msg']}); "
            "export it again"
        ) from error
    _check_shapes(path, info, described)
    return info


def _check_shapes(path: Path, info: ModelInfo, described: backends.Described) -> None:
    """Refuse a network that is not what its description says, before it is given anything."""
    planes = 3 * (info.frames + (info.frames > 1))
    fold: tuple[int | None, ...] = (1, 3 * info.size_multiple**2, None, None)
    wanted: dict[str, tuple[str, tuple[int | None, ...]]] = (
        {"window": ("tensor(float)", (1, info.frames, 3, None, None)), "clean": ("tensor(float)", (1, 3, None, None))}
        if info.feed == "floats"
        else {"window": ("tensor(uint8)", (1, planes, None, None)), "clean": ("tensor(uint8)", fold)}
    )
    found = {**described.inputs, **described.outputs}
    fits = found.keys() == wanted.keys() and all(
        found[name][0] == kind and _may_be(found[name][1], shape) for name, (kind, shape) in wanted.items()
    )
    if not fits:
        raise RestillError(
            f"'{path}' takes {_places(described.inputs)} and gives {_places(described.outputs)}, which is not what its "
            f"description says ({info.frames} frames, {info.feed}); export it again"
        )


def _may_be(found: tuple[int | str | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape fits, of which a file may leave lengths open, or all."""
    lengths = zip(found, wanted, strict=False)
    same = all(length is None or not isinstance(has, int) or has == length for has, length in lengths)
    return not found or (len(found) == len(wanted) and same)


def _places(places: dict[str, tuple[str, tuple[int | str | None, ...]]]) -> str:
    return ", ".join(f"{name} {list(shape)} {kind}" for name, (kind, shape) in places.items()) or "nothing"


def default_threads() -> int:
    """Cores that this process may use, at most :data:`MOST_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
