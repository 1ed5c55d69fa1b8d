"""What runs in the sandbox process: everything that decodes what was uploaded.

Each function is called there by :func:`restill.restoring.sandbox.run`. Functions that only look write a small file of
JSON or a picture, because the sandbox itself answers with no more than a name and a number. Jobs are done by
:func:`restill.restoring.run.run` and by :func:`rain`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from restill.degradations.rain import Rain
from restill.degradations.rain_settings import named_rain
from restill.restoring.compare import compared
from restill.video import EncodeSettings, Summary, transcode
from restill.video.decode import Source, open_source
from restill.video.fingerprint import input_fingerprint
from restill.video.journal import ResumableJob, open_journal
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment, MomentSource
from restill.video.photographs import decide
from restill.video.pictures import is_picture, to_8_bits, write_picture
from restill.video.segments import frames_done

Tick = Callable[[], object]
THUMBNAIL = 480  # pixels of its longer side


@dataclass(frozen=True)
class Look:
    """A source to look at, and the file for what is found."""

    src: Path
    dst: Path
    limits: Limits = USUAL
    at: float = 0.0


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


def probe(look: Look, tick: Tick) -> Summary:
    """Describe a source: ``dst`` gets the fields of an item, and whether its pictures are unrelated photographs."""
    with closing(open_source(look.src, limits=look.limits)) as source:
        decide(source, None, to_folder=True)
        look.dst.write_text(json.dumps(_described(source)))
    return Summary(look.dst, 1, 0.0)


def thumbnail(look: Look, tick: Tick) -> Summary:
    """Write a small JPEG of the frame at a time; of the last one if there is none later."""
    with closing(open_source(look.src, limits=look.limits)) as source:
        assert not isinstance(source, MomentSource)  # noqa: S101
        time = getattr(source, "start", 0) + round(look.at / source.info.time_base)
        found: np.ndarray | None = None
        for frame, ticket in source.frames_from(time):
            assert isinstance(frame, np.ndarray)  # noqa: S101
            found = frame
            if ticket.pts >= time:
                break
        assert found is not None  # noqa: S101
        height, width = found.shape[:2]
        scale = min(1.0, THUMBNAIL / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        write_picture(look.dst, to_8_bits(cv2.resize(found, size, interpolation=cv2.INTER_AREA)))
    return Summary(look.dst, 1, 0.0)


def rain(job: RainJob, tick: Tick) -> Summary:
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
            done = frames_done(journal)
            journal.choose({})
            resumed = ResumableJob(journal, done, 0)
            summary = transcode(source, job.dst, rained(done), job.settings, job=resumed, **how)
            journal.remove()
            return summary


def _described(source: Source) -> dict[str, Any]:
    info = source.info
    kind = {"folder": "frames", "picture": "picture"}.get(info.kind, "video")
    still = kind == "picture"
    return {
        "kind": kind,
        "width": info.width,
        "height": info.height,
        "frames": info.expected_frames,
        "duration": None if still else info.duration,
        "fps": float(info.fps) if info.fps and not still else None,
        "sound": bool(info.streams.get("audio")),
        "photographs": kind == "frames" and info.alone,
    }
