"""The fixture that makes small clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_clips import write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Make a clip in the test's own folder: ``clip("a.mp4", width=64, ...)``; see ``small_clips.write_clip``."""
    return lambda name, **what: write_clip(tmp_path / name, **what)
