"""The choice of the model and the backend for a source, and of the number of frames in progress."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from restill import zoo
from restill.progress import say
from restill.restoring.request import Request
from restill.runtime import Model, load_model
from restill.runtime.info import fingerprint
from restill.runtime.model import MAX_PIXELS, default_threads
from restill.video.info import VideoInfo

_models: dict[tuple[Any, ...], Model] = {}
_kept: ContextVar[dict[tuple[Any, ...], Model] | None] = ContextVar("kept", default=None)
MAX_WORKERS = 4  # each holds its window and the network's activations in memory
TRIAL_PIXELS = 2000 * 640 * 480  # from so many on, a trial of two seconds is a small part of the job


def choose(request: Request, info: VideoInfo) -> Model:
    """Load the model that a request names, or the default, and print a line about the choice.

    Args:
        request: The request; its model is a name or None.
        info: The source.

    Raises:
        RestillError: The model or the backend is unknown or not installed.
    """
    frames = 1 if info.alone else info.expected_frames or TRIAL_PIXELS  # of an unknown number: a long job
    name, reason = named(request, info)
    trial = frames * info.width * info.height >= TRIAL_PIXELS
    model = load(request, info, name, request.backend, request.precision, trial=trial)
    why = model.why or "as requested"
    count = request.threads or default_threads()
    threads = f"{count} thread{'s' * (count != 1)}"
    line = f"{model.info.name} ({reason}) on {model.backend} in {model.precision}, {threads}: {why}"
    say(line, quiet=request.quiet)
    return model


def named(request: Request, info: VideoInfo) -> tuple[str | os.PathLike[str], str]:
    """The model for a source, and the reason: it depends on the request and the kind of source, never on speed."""
    if request.model_name is not None:
        return request.model_name, "the one you named"
    if info.alone or info.expected_frames == 1:
        return zoo.default("derain-picture"), "the default for pictures"
    if request.fast:
        return zoo.default("derain-fast"), "the faster one, because of --fast"
    return zoo.default("derain"), "the default for clips"


def load(
    request: Request,
    info: VideoInfo,
    name: str | os.PathLike[str],
    backend: str,
    precision: str | None,
    *,
    trial: bool = True,
) -> Model:
    """Load a model for a source, with the threads and tiles of the request. See :func:`keep_model`."""
    arguments: dict[str, Any] = {
        "backend": backend,
        "threads": request.threads,
        "precision": precision,
        "size": (info.height, info.width),
        "trial": trial,
        "tile": request.tile,
        "workers": workers(info, request.threads),
    }
    kept = _kept.get()
    if kept is None:
        return load_model(name, **arguments)
    key = (fingerprint(zoo.find(name)), *arguments.values())
    if key not in kept:
        kept.clear()
        kept[key] = load_model(name, **arguments)
    return kept[key]


@contextmanager
def keep_model() -> Iterator[None]:
    """Keep the last model loaded for the next job, for a worker that does one job after another."""
    token = _kept.set(_models)
    try:
        yield
    finally:
        _kept.reset(token)


def workers(info: VideoInfo, threads: int | None) -> int:
    """The number of frames to work on at a time: one per thread, but only one if frames are large.

    Args:
        info: The source.
        threads: Threads of the network; None for the default.
    """
    if info.alone or info.expected_frames == 1 or info.width * info.height > MAX_PIXELS:
        return 1
    return min(threads or default_threads(), MAX_WORKERS)
