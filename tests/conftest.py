"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the repository; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not here ({SHARED.name}/ beside the repository); the test needs it")
    return SHARED
