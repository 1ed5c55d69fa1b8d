"""The cases to measure: every requested model on every backend, precision and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restill import zoo
from restill.alignment import Aligner
from restill.bench.clip import SOURCES
from restill.bench.untrained import file_of
from restill.errors import RestillError, need_library
from restill.runtime import backends
from restill.runtime.info import read_info
from restill.runtime.model import default_threads

SIZES = ("640x480", "1280x720")
MIN_SIDE, MAX_SIDE = 16, 8192  # pixels: the flow needs the first, and H.264 players take at most the second
MIN_FRAMES = 2
IN_MEMORY = 60  # frames of a file that are kept in memory, for the stream and the stages


@dataclass(frozen=True)
class Case:
    """One row of the report.

    Attributes:
        model: A name of the zoo or of a network, or the path of an ``.onnx`` file, as given.
        backend: A name of :data:`restill.runtime.backends.BACKENDS`.
        precision: One of the backend's :data:`restill.runtime.backends.PRECISIONS`.
        size: (height, width) of a frame, pixels.
        source: How the file that it restores was encoded, one of :data:`restill.bench.clip.SOURCES`.
        untrained: The file of a network with random weights; None if the model has weights.
    """

    model: str
    backend: str
    precision: str
    size: tuple[int, int]
    source: str = "camera"
    untrained: Path | None = None

    @property
    def file(self) -> str | Path:
        """The name or file to load."""
        return self.untrained or self.model

    @property
    def size_text(self) -> str:
        """Width and height as text: ``640x480``."""
        return f"{self.size[1]}x{self.size[0]}"


@dataclass(frozen=True)
class Plan:
    """A whole run.

    Attributes:
        cases: The cases, in the order of the report.
        against: The reference model, whose speed is 1 for each size, on the first backend and precision that it has;
            None takes the first model that can be loaded.
        threads: Threads of the network.
        frames: Frames of a pass.
        rounds: How often each case is measured, at most.
        seconds: No case starts after so many seconds.
        file: Whether to also measure reading, writing and file to file.
        transcode: Whether to also measure a plain transcode of each file.
        aligner: How motion is found, one of :data:`restill.alignment.ALIGNERS`.
    """

    cases: tuple[Case, ...]
    against: str | None
    threads: int
    frames: int
    rounds: int
    seconds: float
    file: bool
    transcode: bool = False
    aligner: str = "auto"


def plan(
    models: Sequence[str] = (),
    sizes: Sequence[str] = (),
    on: Sequence[str] = (),
    precisions: Sequence[str] = (),
    sources: Sequence[str] = (),
    *,
    against: str | None = None,
    threads: int | None = None,
    frames: int = 30,
    rounds: int = 3,
    seconds: float = 300.0,
    file: bool = True,
    transcode: bool = False,
    aligner: str = "auto",
) -> Plan:
    """Choose the cases.

    Args:
        models: Names of the zoo and paths of ``.onnx`` files; by default every student of the zoo that has weights.
            Names of other networks are allowed for comparison; they get random weights.
        sizes: WIDTHxHEIGHT in pixels; by default :data:`SIZES`.
        on: Backends; by default those that are installed.
        precisions: Such as "f32"; by default all. A backend that lacks a precision is left out for it.
        sources: How the files are encoded, of :data:`restill.bench.clip.SOURCES`; by default "camera".
        against: The reference model, whose speed is 1; by default the first.
        threads: Threads of the network; by default the cores that this process may use, at most 8.
        frames: Frames of a file; the first 60 of them are kept in memory, or all without files.
        rounds: How often each case is measured; the median counts.
        seconds: No case starts after so many seconds; one is always measured.
        file: Whether to also measure reading, writing and file to file.
        transcode: Whether to also measure a plain transcode of each file.
        aligner: How motion is found, one of :data:`restill.alignment.ALIGNERS`.

    Raises:
        RestillError: A value is wrong, or nothing is left to measure.
    """
    for name, value, least in (("frames", frames, MIN_FRAMES), ("rounds", rounds, 1), ("threads", threads, 1)):
        if value is not None and value < least:
            raise RestillError(f"{name} must be {least} or more, not {value}")
    if not seconds > 0:
        raise RestillError(f"seconds must be above 0, not {seconds:g}")
    Aligner(aligner)  # raises if there is none of this name
    for source in sources:
        if source not in SOURCES:
            raise RestillError(f"source '{source}' is not known; the sources are: {', '.join(SOURCES)}")
    if not file and (transcode or sources):
        raise RestillError("a transcode and a source need files: leave out --no-file")
    names = list(models) or _students()
    if not names:
        raise RestillError("this version of Restill contains no models; give a .onnx file")
    if against is not None and against not in names:
        names.append(against)
    names = list(dict.fromkeys(names))
    untrained = {name: file_of(name) for name in names}
    for name in names:
        read_info(untrained[name] or zoo.find(name))  # raises here rather than after minutes of work
    combinations = choose_backends(on, precisions)
    measured = [parse_size(size) for size in dict.fromkeys(sizes or SIZES)]
    cases = [
        Case(name, backend, precision, size, source, untrained[name])
        for size in measured
        for source in dict.fromkeys(sources or ("camera",))
        for name in names
        for backend, precision in combinations
    ]
    return Plan(tuple(cases), against, threads or default_threads(), frames, rounds, seconds, file, transcode, aligner)


def _students() -> list[str]:
    """The models with weights, one for each network: others of the same network are as fast."""
    found: dict[str, str] = {}
    for card in zoo.cards():
        if card.parameters:
            found.setdefault(card.network, card.name)
    return list(found.values())


def choose_backends(on: Sequence[str], precisions: Sequence[str]) -> list[tuple[str, str]]:
    """The requested pairs (backend, precision) that exist.

    Raises:
        RestillError: A backend is unknown or not installed, or none of them has a requested precision.
    """
    for backend in on:
        if backend not in backends.BACKENDS:
            raise RestillError(f"backend '{backend}' is not known; the backends are: {', '.join(backends.BACKENDS)}")
        if backends.version(backend) is None:
            raise need_library(backend, f"the backend {backend}")
    chosen = list(dict.fromkeys(on)) or [name for name in backends.BACKENDS if backends.version(name)]
    for precision in precisions:
        if not any(precision in backends.PRECISIONS[backend] for backend in chosen):
            offered = "; ".join(f"{backend} has {', '.join(backends.PRECISIONS[backend])}" for backend in chosen)
            raise RestillError(f"precision '{precision}' is not available in the measured backends: {offered}")
    return [
        (backend, precision)
        for backend in chosen
        for precision in backends.PRECISIONS[backend]
        if not precisions or precision in precisions
    ]


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``"640x480"`` (width x height) as (height, width).

    Raises:
        RestillError: It is not two whole numbers, or a side is too short or too long.

    >>> parse_size("640x480")
    (480, 640)
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise RestillError(f"size '{text}' must be WIDTHxHEIGHT in pixels, such as 640x480")
    for side in (int(width), int(height)):
        if not MIN_SIDE <= side <= MAX_SIDE:
            raise RestillError(f"size '{text}' must have sides of {MIN_SIDE} to {MAX_SIDE} pixels")
    return int(height), int(width)
