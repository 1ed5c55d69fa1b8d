"""The job: open a source, restore its frames with a model, and write the output. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from restill import zoo
from restill.progress import count, say, track
from restill.restoring.choose import choose, load
from restill.restoring.compare import compared
from restill.restoring.outputs import check_space
from restill.restoring.request import Request
from restill.restoring.sideways import SIDEWAYS, watched
from restill.runtime import Model, stream
from restill.runtime.info import fingerprint
from restill.version import __version__
from restill.video import Summary, transcode
from restill.video.decode import Source, VideoSource, open_source
from restill.video.encode import PictureSink
from restill.video.fingerprint import input_fingerprint
from restill.video.info import VideoInfo
from restill.video.journal import Journal, ResumableJob, journal_folder, open_journal
from restill.video.moment import MomentSource
from restill.video.photographs import decide
from restill.video.pictures import is_picture
from restill.video.pipe_names import STDOUT, is_pipe
from restill.video.seeking import read_index
from restill.video.segments import check_segments, kept_frames
from restill.video.transcode import check_output

# The options that change the frames of the output.
_OPTIONS = (
    "compare",
    "backend",
    "precision",
    "threads",
    "tile",
    "alone",
    "fast",
    "guard",
    "rotate",
    "aligner",
    "strength",
)


def run(request: Request, on_frame: Callable[[], object] | None = None) -> Summary:
    """Carry out a request in this process; :func:`restill.restore` documents the errors.

    Args:
        request: The request.
        on_frame: Called after each frame.
    """
    info = None
    try:
        with closing(source_of(request)) as source:
            info = source.info
            return _run(request, source, on_frame)
    except KeyboardInterrupt:
        say(_stopped(request.dst, info))
        raise


def source_of(request: Request) -> Source:
    """Open the source of a request; the caller closes it."""
    settings, rotate = request.settings, request.rotate
    return open_source(request.src, settings.frame_rate, request.limits, rotate=rotate, moment=request.preview)


def _run(request: Request, source: Source, on_frame: Callable[[], object] | None) -> Summary:
    dst = request.dst
    check_output(request.src, dst, request.overwrite)
    if line := decide(source, request.alone, to_folder=dst.is_dir() or not dst.suffix):
        say(line, quiet=request.quiet)
    if isinstance(request.model, Model):
        return restore_frames(request, source, request.model, None, on_frame)
    check_settings(request, source)
    alone = source.info.kind == "picture" or is_picture(dst)
    if alone or request.preview or dst == STDOUT or is_pipe(request.src):
        return restore_frames(request, source, choose(request, source.info), None, on_frame)
    with open_journal(dst, job_description(request)) as journal:
        return _in_segments(request, source, journal, on_frame)


def check_settings(request: Request, source: Source) -> None:
    """Refuse an output that does not fit the source or the settings, before a model is loaded."""
    dst = request.dst
    if dst.is_dir() or not dst.suffix or dst == STDOUT:
        return
    if is_picture(dst):
        PictureSink(dst, source)
    else:
        request.settings.choose_codec(dst, source.info)


def _stopped(dst: Path, info: VideoInfo | None) -> str:
    """The message after Ctrl-C: how much of an output is kept."""
    if dst == STDOUT:
        return "stopped"
    frames = 0 if info is None else kept_frames(journal_folder(dst), info)
    if not frames:
        return f"stopped; nothing of '{dst}' was kept"
    return (
        f"stopped; about {count(frames, 'frame')} of '{dst}' are kept: run the same command again to resume "
        "('restill jobs' lists and deletes unfinished jobs)"
    )


def _in_segments(request: Request, source: Source, journal: Journal, on_frame: Callable[[], object] | None) -> Summary:
    """Start or resume a job that may be interrupted."""
    if journal.restart_reason:
        say(f"starting over: in the unfinished job '{journal.path}', {journal.restart_reason}", quiet=request.quiet)
    info, done = source.info, check_segments(journal, source.info)
    if chosen := journal.chosen:
        say(f"resuming after {count(done.frames, 'frame')}", quiet=request.quiet)
        model = load_chosen(request, info, chosen)
    else:
        model = choose_for(request, info, journal)
    check_space(info, request.dst, request.settings, model.info.scale, done.frames, quiet=request.quiet)
    before = model.info.frames_before
    key = None
    if done.last is not None and isinstance(source, VideoSource) and (index := read_index(info.path, request.limits)):
        key = index.before(done.frames - 1 - before)
    summary = restore_frames(
        request, source, model, ResumableJob(journal, done.frames, before, key, done.last), on_frame
    )
    journal.remove()
    return summary


def choose_for(request: Request, info: VideoInfo, journal: Journal) -> Model:
    """Choose the model and the backend of a job that begins, and note them in its journal."""
    model = choose(request, info)
    journal.choose({"model": model.info.name, "backend": model.backend, "precision": model.precision})
    return model


def load_chosen(request: Request, info: VideoInfo, chosen: dict[str, Any]) -> Model:
    """Load the model that a job chose when it began."""
    name = request.model_name or chosen["model"]
    return load(request, info, name, chosen["backend"], chosen["precision"])


def restore_frames(
    request: Request, source: Source, model: Model, job: ResumableJob | None, on_frame: Callable[[], object] | None
) -> Summary:
    """Restore every frame with a model, and show the progress."""

    def process(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        if source.info.alone:
            return each_alone(model, frames, request.strength)
        if model.info.task == "derain" and not (start or request.rotate or request.quiet):
            frames = watched(frames, partial(say, SIDEWAYS))
        return stream(model, frames, guard=request.guard, aligner=request.aligner, strength=request.strength)

    shown = process if request.compare is None else compared(process, request.compare)
    if isinstance(source, MomentSource):
        source.context = model.info.frames_before, model.info.frames_after
        shown = source.within(shown)
    start = job.frames_done if job else 0
    expected = source.info.expected_frames
    with track(request.src.name, expected, "frames", start=start, quiet=request.quiet) as advance:

        def step() -> None:
            advance()
            if on_frame is not None:
                on_frame()

        done = transcode(
            source,
            request.dst,
            shown,
            request.settings,
            overwrite=request.overwrite,
            on_frame=step,
            job=job,
            planes=request.compare in (None, "stack") and model.takes_planes(source.info.height, source.info.width),
        )
        return replace(done, model=model.info.name)


def each_alone(model: Model, frames: Iterator[np.ndarray], strength: float = 1.0) -> Iterator[np.ndarray]:
    """Restore each frame by itself; sizes may differ."""
    for frame in frames:
        yield from stream(model, [frame], strength=strength)


def job_description(request: Request) -> dict[str, Any]:
    """Everything that determines the frames of the output, for the journal."""
    model, settings = request.model_name, request.settings
    asked = {name: getattr(request, name) for name in _OPTIONS}
    return {
        "source": str(request.src),
        "input": input_fingerprint(request.src),
        "model": [fingerprint(zoo.find(name)) for name in ([model] if model is not None else zoo.DEFAULTS.values())],
        "options": {**asdict(replace(settings, fps=str(settings.fps))), **asked},
        "version": __version__,
    }
