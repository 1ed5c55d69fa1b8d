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
from restill.video.decode import Source, open_source
from restill.video.encode import PictureSink
from restill.video.fingerprint import input_fingerprint
from restill.video.info import VideoInfo
from restill.video.journal import Journal, ResumableJob, journal_folder, open_journal
from restill.video.moment import MomentSource
from restill.video.photographs import decide
from restill.video.pictures import is_picture
from restill.video.pipe_names import STDOUT, is_pipe
from restill.video.segments import frames_done, kept_frames
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
        limits, rotate, rate = request.limits, request.rotate, request.settings.frame_rate
        with closing(open_source(request.src, rate, limits, rotate=rotate, moment=request.preview)) as source:
            info = source.info
            return _run(request, source, on_frame)
    except KeyboardInterrupt:
        say(_stopped(request.dst, info))
        raise


def _run(request: Request, source: Source, on_frame: Callable[[], object] | None) -> Summary:
    dst = request.dst
    check_output(request.src, dst, request.overwrite)
    if line := decide(source, request.alone, to_folder=dst.is_dir() or not dst.suffix):
        say(line, quiet=request.quiet)
    if isinstance(request.model, Model):
        return _restore(request, source, request.model, None, on_frame)
    _check_settings(request, source)
    alone = source.info.kind == "picture" or is_picture(dst)
    if alone or request.preview or dst == STDOUT or is_pipe(request.src):
        return _restore(request, source, choose(request, source.info), None, on_frame)
    with open_journal(dst, _job_description(request)) as journal:
        return _in_segments(request, source, journal, on_frame)


def _check_settings(request: Request, source: Source) -> None:
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
    done = frames_done(journal)
    if chosen := journal.chosen:
        say(f"resuming after {count(done, 'frame')}", quiet=request.quiet)
        name = request.model_name or chosen["model"]
        model = load(request, source.info, name, chosen["backend"], chosen["precision"])
    else:
        model = choose(request, source.info)
        journal.choose({"model": model.info.name, "backend": model.backend, "precision": model.precision})
    check_space(source.info, request.dst, request.settings, model.info.scale, done, quiet=request.quiet)
    summary = _restore(request, source, model, ResumableJob(journal, done, model.info.frames_before), on_frame)
    journal.remove()
    return summary


def _restore(
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


def _job_description(request: Request) -> dict[str, Any]:
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
