"""Clips to train on for a moment."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Two clips of moving texture, 12 frames of 72x80."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        texture = cv2.GaussianBlur(rng.integers(0, 255, (100, 120, 3)).astype(np.uint8), (0, 0), 2)
        (root / name).mkdir()
        for t in range(12):
            cv2.imwrite(str(root / name / f"{t:05d}.png"), texture[t : t + 72, 2 * t : 2 * t + 80])
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
