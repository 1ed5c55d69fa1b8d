"""Look at what was uploaded, in the sandbox process.

Each function is called there by :func:`restill.restoring.sandbox.run`, and writes a small file of JSON or a picture,
because the sandbox itself answers with no more than a name and a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from restill.video import Summary
from restill.video.decode import Source, open_source
from restill.video.limits import USUAL, Limits
from restill.video.moment import MomentSource
from restill.video.photographs import decide
from restill.video.pictures import to_8_bits, write_picture

Tick = Callable[[], object]
THUMBNAIL = 480  # pixels of its longer side


@dataclass(frozen=True)
class Look:
    """A source to look at.

    Attributes:
        src: The source.
        dst: The file for what is found.
        limits: The limits for the source.
        times: The times of the frames to draw, in seconds from the first.
        side: Pixels of the longer side of a small picture.
    """

    src: Path
    dst: Path
    limits: Limits = USUAL
    times: tuple[float, ...] = ()
    side: int = THUMBNAIL


def probe(look: Look, tick: Tick) -> Summary:
    """Describe a source, and draw its first frame small.

    ``dst`` gets the fields of an item, and whether its pictures are unrelated photographs. The picture is a JPEG of the
    same name.
    """
    with closing(open_source(look.src, limits=look.limits)) as source:
        decide(source, None, to_folder=True)
        look.dst.write_text(json.dumps(_described(source)))
        write_picture(look.dst.with_suffix(".jpg"), _small(source, 0.0, look.side))
    return Summary(look.dst, 1, 0.0)


def thumbnails(look: Look, tick: Tick) -> Summary:
    """Write one JPEG of the frames at some times, small and side by side; of the last frame for a time after it."""
    with closing(open_source(look.src, limits=look.limits)) as source:
        pictures = [_small(source, time, look.side) for time in look.times]
        write_picture(look.dst, np.concatenate(pictures, axis=1))
    return Summary(look.dst, len(pictures), 0.0)


def _small(source: Source, seconds: float, side: int) -> np.ndarray:
    """The frame at a time as (h, w, 3) uint8, ``side`` pixels at most."""
    assert not isinstance(source, MomentSource)  # noqa: S101
    time = getattr(source, "start", 0) + round(seconds / source.info.time_base)
    found: np.ndarray | None = None
    for frame, ticket in source.frames_from(time):
        assert isinstance(frame, np.ndarray)  # noqa: S101
        found = frame
        if ticket.pts >= time:
            break
    assert found is not None  # noqa: S101
    height, width = found.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return to_8_bits(cv2.resize(found, size, interpolation=cv2.INTER_AREA))


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
