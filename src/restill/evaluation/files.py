"""Read clips, and write reports to files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from restill.errors import RestillError
from restill.video import read_frames
from restill.video.pictures import to_8_bits


def read_clip(path: Path, limit: int | None = None) -> Iterator[np.ndarray]:
    """The frames of a clip, at most ``limit`` of them, (H, W, 3) RGB uint8."""
    return (to_8_bits(frame) for frame in islice(read_frames(path), limit))


def finite(row: dict[str, float]) -> dict[str, float | None]:
    """Replace infinity and nan by None, which JSON can hold."""
    return {key: value if math.isfinite(value) else None for key, value in row.items()}


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON. The file gets its name only when it is complete.

    Raises:
        RestillError: If it cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise RestillError(f"{path}: cannot be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        RestillError: If it cannot be written there.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RestillError(f"{path}: cannot be written: {error.strerror}") from error
