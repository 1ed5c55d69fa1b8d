"""Reports as files."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from restill.errors import RestillError


def finite(row: dict[str, float]) -> dict[str, float | None]:
    """What JSON can hold: None for infinity and for what is no number."""
    return {key: value if math.isfinite(value) else None for key, value in row.items()}


def write_json(path: Path, data: Any) -> None:
    """Write plain data; the file appears when it is whole.

    Raises:
        RestillError: It cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise RestillError(f"{path}: cannot be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write text, for people.

    Raises:
        RestillError: It cannot be written there.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RestillError(f"{path}: cannot be written: {error.strerror}") from error
