"""Render rain onto what was uploaded, in the sandbox process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restill.degradations.rain import Rain
from restill.degradations.rain_settings import named_rain
from restill.restoring.compare import compared
from restill.video import EncodeSettings, Summary, transcode
from restill.video.decode import open_source
from restill.video.fingerprint import input_fingerprint
from restill.video.journal import ResumableJob, open_journal
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment
from restill.video.pictures import is_picture
from restill.video.segments import check_segments


@dataclass(frozen=True)
class RainJob:
    """Rain to render onto a source.

    Attributes:
        src: The clean source.
        dst: The output.
        strength: A name that ``restill rain --strength`` takes.
        wind: m/s, or None.
        seed: The seed.
        settings: How the output is encoded.
        stacked: Show before above after.
        moment: Only this moment.
        limits: The limits for the source.
    """

    src: Path
    dst: Path
    strength: str
    wind: float | None
    seed: int
    settings: EncodeSettings
    stacked: bool = False
    moment: Moment | None = None
    limits: Limits = USUAL


def rain(job: RainJob, tick: Callable[[], object]) -> Summary:
    """Render rain, as ``restill rain`` does. A job that was interrupted continues."""
    settings = named_rain(job.strength, {}, job.seed, job.wind)
    with closing(open_source(job.src, limits=job.limits, moment=job.moment)) as source:
        fps = float(source.info.fps or 25)

        def rained(first: int) -> Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]:
            def process(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
                falling = None
                for index, frame in enumerate(frames, first):
                    falling = falling or Rain(settings, frame.shape[:2], job.seed, fps=fps)
                    yield falling.render(frame, index)

            return compared(process, "stack") if job.stacked else process

        how: dict[str, Any] = {"overwrite": True, "on_frame": tick}
        if job.moment is not None:
            return transcode(source, job.dst, rained(round(job.moment.start * fps)), job.settings, **how)
        if is_picture(job.dst):
            return transcode(source, job.dst, rained(0), job.settings, **how)
        what = {"rain": [job.strength, job.wind, job.seed, str(job.settings)], "input": input_fingerprint(job.src)}
        with open_journal(job.dst, what) as journal:
            done = check_segments(journal, source.info)
            journal.choose({})
            resumed = ResumableJob(journal, done.frames, 0, last=done.last)
            summary = transcode(source, job.dst, rained(done.frames), job.settings, job=resumed, **how)
            journal.remove()
            return summary
