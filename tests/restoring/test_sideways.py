"""The hint that rain falls sideways: where it does, and not for upright rain, nor for moving scenes without rain."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.degradations.rain import Rain, RainSettings
from restill.restoring.api import restore
from restill.restoring.sideways import SIDEWAYS, watched
from restill.video import read_frames
from restill.video.pictures import write_picture

SIZE = (144, 192)


def scene(speed: tuple[int, int], count: int = 8) -> list[np.ndarray]:
    """A camera that moves over a smooth texture, (H, W, 3) uint8."""
    rng = np.random.default_rng(5)
    (height, width), (down, right) = SIZE, speed
    wide = cv2.GaussianBlur(rng.random((height + down * count, width + right * count, 3)), (0, 0), 9)
    wide = 40 + 120 * (wide - wide.min()) / (wide.max() - wide.min())
    views = [wide[down * t : down * t + height, right * t : right * t + width] for t in range(count)]
    return [np.rint(view).astype(np.uint8) for view in views]


def rainy(frames: list[np.ndarray], preset: str) -> list[np.ndarray]:
    rain = Rain(RainSettings.preset(preset), frames[0].shape[:2], seed=1)
    return [rain.render(frame, t) for t, frame in enumerate(frames)]


def told(frames: list[np.ndarray], turns: int = 0) -> int:
    """How often the hint is given when the camera was turned by so many quarters."""
    calls: list[None] = []
    turned = [np.ascontiguousarray(np.rot90(frame, turns)) for frame in frames]
    seen = list(watched(iter(turned), lambda: calls.append(None)))
    assert all(np.array_equal(a, b) for a, b in zip(seen, turned, strict=True))
    return len(calls)


@pytest.mark.parametrize(
    ("speed", "preset", "deep"), [((0, 0), "heavy", True), ((0, 3), "light", False), ((2, 1), "heavy", False)]
)
def test_rain(speed, preset, deep):
    frames = rainy(scene(speed), preset)
    if deep:
        frames = [frame.astype(np.uint16) * 257 for frame in frames]
    assert [told(frames, turns) for turns in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize("speed", [(0, 0), (0, 5), (5, 0), (3, 4)])
def test_no_rain(speed):
    frames = scene(speed)
    assert [told(frames, turns) for turns in range(2)] == [0, 0]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_frames(count):
    assert told(rainy(scene((0, 0)), "heavy")[:count], 1) == 0


def test_said_once_and_not_where_the_picture_is_turned(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(rainy(scene((0, 0)), "heavy")):
        write_picture(tmp_path / "in" / f"{number:02d}.png", np.ascontiguousarray(np.rot90(frame)))
    how = {"model": "min-median", "threads": 1, "overwrite": True, "alone": False}

    def said(**more) -> int:
        restore(tmp_path / "in", tmp_path / "out", **how, **more)
        return " ".join(capsys.readouterr().err.split()).count(SIDEWAYS)

    assert said() == 1
    assert said(quiet=True) == 0
    assert said(rotate=90) == 0


@pytest.mark.slow
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("name", ["yard.mp4", "courtyard", "nturain_ra1"])
def test_real_rain(shared_data: Path, name, turns):
    """Upright as their files say, also by a display matrix."""
    source = read_frames(shared_data / "test_only" / "real_rain" / name)
    frames = [frame for frame, _ in zip(source, range(20), strict=False)]
    assert told(frames, turns) == turns % 2
