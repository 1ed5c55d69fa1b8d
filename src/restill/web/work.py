"""What runs in the sandbox process: everything that decodes what was uploaded.

Each function is called there by :func:`restill.restoring.sandbox.run`. Functions that only look write a small file of
JSON or a picture, because the sandbox itself answers with no more than a name and a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restill.video import Summary
from restill.video.decode import Source, open_source
from restill.video.limits import USUAL, Limits
from restill.video.photographs import decide

Tick = Callable[[], object]


@dataclass(frozen=True)
class Look:
    """A source to look at, and the file for what is found."""

    src: Path
    dst: Path
    limits: Limits = USUAL


def probe(look: Look, tick: Tick) -> Summary:
    """Describe a source: ``dst`` gets the fields of an item, and whether its pictures are unrelated photographs."""
    with closing(open_source(look.src, limits=look.limits)) as source:
        decide(source, None, to_folder=True)
        look.dst.write_text(json.dumps(_described(source)))
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
