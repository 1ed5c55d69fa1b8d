"""Fixtures and settings for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("any-machine", deadline=None)  # tests must not depend on speed
hypothesis.settings.load_profile("any-machine")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


NUMBERS = count()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the user's cache clean. Tests share this one, so shared files are decoded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTILL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def unknown_pictures(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test its own cache, so that no test knows the test pictures of another."""
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{next(NUMBERS)}"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the repository. Skips the test if there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not here ({SHARED.name}/ beside the repository); the test needs it")
    return SHARED
