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
    """A source to look at, and the file for what is found."""

    src: Path
    dst: Path
    limits: Limits = USUAL
    at: float = 0.0


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
