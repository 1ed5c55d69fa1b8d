"""Which student restores a source, with which backend, and how many frames are worked on at a time."""

from __future__ import annotations

import os

from restill import zoo
from restill.progress import say
from restill.restoring.request import Request
from restill.runtime import Model, load_model
from restill.runtime.model import MAX_PIXELS, default_threads
from restill.video.info import VideoInfo

MAX_WORKERS = 4  # each keeps its window and what the network makes of it in memory
MUCH = 100 * 640 * 480  # pixels of a clip, from which on a trial of two seconds is worth it


def choose(request: Request, info: VideoInfo) -> Model:
    """The model that a request names, or the default student, and a line on which, on what, and why.

    Args:
        request: What is asked for; its model is a name or None.
        info: The source.

    Raises:
        RestillError: The model or the backend is unknown or not installed.
    """
    backend, precision = request.backend, request.precision
    frames = 1 if info.alone else info.expected_frames or MUCH
    pixels = frames * info.width * info.height
    short = backend == "auto" and precision in (None, "auto") and pixels < MUCH
    if short:
        backend, precision = "onnxruntime", None
    name, reason = named(request, info)
    model = load(request, info, name, backend, precision)
    why = model.why or ("no trial, because the input is short" if short else "as asked")
    count = request.threads or default_threads()
    threads = f"{count} thread{'s' * (count != 1)}"
    line = f"{model.info.name} ({reason}) on {model.backend} in {model.precision}, {threads}: {why}"
    say(line, quiet=request.quiet)
    return model


def named(request: Request, info: VideoInfo) -> tuple[str | os.PathLike[str], str]:
    """The model for a source, and why it is this one: by what was asked for and what the source is, never by speed."""
    if request.model_name is not None:
        return request.model_name, "the one you named"
    if info.alone or info.expected_frames == 1:
        return zoo.default("derain-picture"), "the default for pictures"
    if request.fast:
        return zoo.default("derain-fast"), "the quick one, because of --fast"
    return zoo.default("derain"), "the default for clips"


def load(request: Request, info: VideoInfo, name: str | os.PathLike[str], backend: str, precision: str | None) -> Model:
    """Load one model for a source, with the request's threads and tiles."""
    return load_model(
        name,
        backend=backend,
        threads=request.threads,
        precision=precision,
        size=(info.height, info.width),
        tile=request.tile,
        workers=workers(info, request.threads),
    )


def workers(info: VideoInfo, threads: int | None) -> int:
    """On how many frames of a source to work at a time: on one for each thread, where frames are not too large.

    Args:
        info: The source.
        threads: Of the network; None for those of the machine.
    """
    if info.alone or info.expected_frames == 1 or info.width * info.height > MAX_PIXELS:
        return 1
    return min(threads or default_threads(), MAX_WORKERS)
