"""restill live from a camera on this machine: frames, times, sound, cameras that vanish, slow machines and targets."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from cameras import HEIGHT, WIDTH, Camera, footage, scene
from doubles import model

from restill.errors import RestillError
from restill.restoring.live.run import live
from restill.restoring.live.settings import Live


def pictures(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """The times and the frames (H, W, 3) of a file."""
    with av.open(str(path)) as container:
        frames = [(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [time_ for time_, _ in frames], [frame for _, frame in frames]


def is_whole(summary) -> bool:
    """Whether every frame that came in is out, left out or dropped."""
    return summary.frames_in == summary.frames_out + summary.left_out + summary.dropped


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_restored_frames_with_the_cameras_times(start: Callable, camera: Camera, tmp_path: Path, suffix: str) -> None:
    run = start(camera.address, str(tmp_path / f"out{suffix}"))
    run.wait_for("frames_out", 15)
    summary = run.stop()
    times, frames = pictures(tmp_path / f"out{suffix}")
    assert len(frames) == summary.frames_out >= 15
    assert is_whole(summary)
    steps = np.diff(times)
    assert np.allclose(steps / (1 / 30), np.rint(steps * 30), atol=0.05)  # the camera's own steps, a frame or more
    assert steps.min() > 0
    ground = np.median(scene(0)) - 0.1 * 255  # the model makes every frame darker
    assert all(abs(np.median(frame) - ground) < 8 for frame in frames)
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
