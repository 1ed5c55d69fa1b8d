"""Which student restores a source, with which backend, and how many frames are worked on at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from restill import zoo
from restill.progress import say
from restill.restoring.request import Request
from restill.runtime import Model, load_model
from restill.runtime.model import MOST_PIXELS, default_threads
from restill.video.probe import VideoInfo

MOST_LANES = 4  # each keeps its window and what the network makes of it in memory
MUCH = 100 * 640 * 480  # pixels of a clip, from which on a trial of two seconds is worth it


def choose(request: Request, info: VideoInfo) -> Model:
    """The model that a request names, or the default student, with a line on why it is this one.

    Args:
        request: What is asked for; its model is a name or None.
        info: The source.

    Raises:
        RestillError: The model or the backend is unknown or not installed.
    """
    backend, precision = request.backend, request.precision
    frames = 1 if info.alone else info.expected_frames or MUCH
    pixels = frames * info.width * info.height
    if backend == "auto" and precision in (None, "auto") and pixels < MUCH:
        backend, precision = "onnxruntime", None
    pick = partial(load, request, info, backend=backend, precision=precision)
    name = request.model_name
    model = default_student(info, pick) if name is None else pick(name)
    if model.why:
        say(model.why, quiet=request.quiet)
    return model


def load(request: Request, info: VideoInfo, name: str | os.PathLike[str], backend: str, precision: str | None) -> Model:
    """Load one model for a source, with the request's threads and tiles."""
    return load_model(
        name,
        backend=backend,
        threads=request.threads,
        precision=precision,
        size=(info.height, info.width),
        tile=request.tile,
        lanes=lanes(info, request.threads),
    )


def lanes(info: VideoInfo, threads: int | None) -> int:
    """On how many frames of a source to work at a time: on one for each thread, where frames are not too large.

    Args:
        info: The source.
        threads: Of the network; None for those of the machine.
    """
    if info.alone or info.expected_frames == 1 or info.width * info.height > MOST_PIXELS:
        return 1
    return min(threads or default_threads(), MOST_LANES)


def default_student(info: VideoInfo, load: Callable[[str], Model]) -> Model:
    """The student for rain that suits a source and the machine.

    Args:
        info: The source.
        load: Loads a student by name.
    """
    if info.alone or info.expected_frames == 1:
        return load(zoo.default("derain-picture"))
    better = load(zoo.default("derain"))
    if better.seconds is None or info.fps is None or better.seconds * info.fps <= 1:
        return better
    faster = load(zoo.default("derain-fast"))
    behind = f"{1000 * better.seconds:.0f} ms a frame, where the clip has {float(1000 / info.fps):.0f}"
    faster.why = f"{faster.info.name}, since {better.info.name} would take {behind}; {faster.why}"
    return faster
