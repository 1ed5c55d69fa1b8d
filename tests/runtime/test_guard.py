"""What stays at its place is kept; what falls through the picture is not given back; repeated frames do not fool it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.alignment import luma_of
from restill.runtime import Model, load_model, stream, whole_clip
from restill.runtime.guard import guards, put_back

WHITE = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
TYPES = list(WHITE)
SIZE = (128, 192)
Network = Callable[[np.ndarray], np.ndarray]  # (1, K, 3, H, W) -> (1, 3, H, W)


def as_type(frame: np.ndarray, dtype: type) -> np.ndarray:
    """Levels of 255 in another type."""
    return (frame * (WHITE[dtype] / 255)).astype(dtype)


def scene(rng: np.random.Generator, count: int, speed: int) -> list[np.ndarray]:
    """A camera that moves over a smooth texture of levels 20 to 150, (H, W, 3) float64."""
    height, width = SIZE
    wide = cv2.GaussianBlur(rng.random((height, width + speed * count, 3)), (0, 0), 6)
    wide = 20 + 130 * (wide - wide.min()) / (wide.max() - wide.min())
    return [wide[:, speed * t : speed * t + width] for t in range(count)]


def overlay(rng: np.random.Generator) -> np.ndarray:
    """Where text is, (H, W) bool: thin or bold, anywhere."""
    drawn = np.zeros(SIZE, np.uint8)
    at = (int(rng.integers(0, 80)), int(rng.integers(15, 120)))
    cv2.putText(drawn, "2026-05-17", at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), int(rng.integers(1, 3)))
    return drawn > 0


def streaks(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Falling streaks, (H, W, 1) levels to add, at places of their own in each frame."""
    found = []
    for _ in range(count):
        drawn = np.zeros(SIZE, np.uint8)
        for x, y in rng.integers(0, (SIZE[1], SIZE[0]), (40, 2)):
            cv2.line(drawn, (int(x), int(y)), (int(x), int(y) + 14), (90,), 1)
        found.append(drawn[..., None].astype(float))
    return found


def student(tiny_model, network: Network | None = None, before: int = 1, after: int = 1, workers: int = 1) -> Model:
    """A student for rain that does what a function says; by default it takes everything small and bright for rain."""

    def opened(window: np.ndarray) -> np.ndarray:
        frame = window[0, before].transpose(1, 2, 0)
        return cv2.morphologyEx(frame, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)).transpose(2, 0, 1)[None]

    info = load_model(tiny_model(before, after, align="dis"), threads=1).info
    return Model(info, Path(), "test", network or opened, workers=workers)


def dim(window: np.ndarray) -> np.ndarray:
    """Takes a third of everything away, as if it were mist."""
    return window[:, 1] * np.float32(2 / 3)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("seed", range(4))
def test_text_over_a_moving_scene_is_kept(tiny_model, dtype, seed):
    rng = np.random.default_rng(seed)
    letters = overlay(rng)
    frames = [as_type(np.where(letters[..., None], 235, f), dtype) for f in scene(rng, 5, speed=4)]
    clean = list(stream(student(tiny_model), frames))
    eaten = next(stream(student(tiny_model), frames, guard=False))
    assert np.mean(eaten[letters] == frames[0][letters]) < 0.2
    for before, after in zip(frames, clean, strict=True):  # those at the ends too, which have one neighbor
        assert np.array_equal(after[letters], before[letters])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("speed", [0, 3])
@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_streaks_are_not_given_back(seed, repeats, speed, dtype):
    """The student has removed them all; also where each frame is there several times, with coding noise."""
    rng = np.random.default_rng(seed)
    clear = [frame for frame in scene(rng, 5, speed) for _ in range(repeats)]
    fall = [frame for frame in streaks(rng, 5) for _ in range(repeats)]
    noise = [rng.integers(-1, 2, (*SIZE, 3)) for _ in clear]
    rainy = [as_type(c + s + n, dtype) for c, s, n in zip(clear, fall, noise, strict=True)]
    back = total = 0
    for t in range(1, len(rainy) - 1):
        clean = as_type(clear[t], dtype)
        grays = [luma_of(rainy[i]) for i in (t, t - 1, t + 1)]
        put_back(clean, rainy[t], grays[0], grays[1:])
        # where a streak hits the place of another in the next frame, nobody can tell
        others = [fall[i] for i in (t - 1, t + 1) if fall[i] is not fall[t]]
        here = (fall[t] > 0).all(2) & ~np.any([(other > 0).all(2) for other in others], axis=0)
        back += np.count_nonzero((clean == rainy[t]).all(2) & here)
        total += np.count_nonzero(here)
    assert back < 0.02 * total


def test_a_frame_alone_is_left_to_the_student(tiny_model):
    rng = np.random.default_rng(0)
    frame = np.where(overlay(rng)[..., None], 235, scene(rng, 1, 0)[0]).astype(np.uint8)
    model = student(tiny_model)
    for clip in ([frame], [frame] * 4):
        for clean, alone in zip(stream(model, clip), stream(model, clip, guard=False), strict=True):
            assert np.array_equal(clean, alone)
            assert not np.array_equal(clean, frame)


@pytest.mark.parametrize("speed", [0, 1])
def test_mist_that_a_student_removes_does_not_come_back(tiny_model, speed):
    rng = np.random.default_rng(0)
    frames = [(f + s).astype(np.uint8) for f, s in zip(scene(rng, 4, speed), streaks(rng, 4), strict=True)]
    for frame, clean in zip(frames, stream(student(tiny_model, dim), frames), strict=True):
        assert np.mean(clean == np.rint(frame * (2 / 3))) > 0.97


def test_only_for_students_that_remove_rain_from_clips(tiny_model):
    def of(**about):
        return load_model(tiny_model(**about), threads=1).info

    assert guards(of(before=1, after=1))
    assert guards(of(before=2, after=0))  # two frames before are as good
    assert not guards(of())
    assert not guards(of(before=1, after=1, task="superresolution"))
    assert not guards(of(before=1, after=1, scale=2))


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 0), (0, 2)])
def test_the_stream_equals_the_whole_clip_with_text(tiny_model, before, after, dtype, guard):
    rng = np.random.default_rng(1)
    letters = overlay(rng)
    frames = [as_type(np.where(letters[..., None], 235, f), dtype) for f in scene(rng, 5, speed=4)]
    model = student(tiny_model, before=before, after=after)
    workers = student(tiny_model, before=before, after=after, workers=2)
    whole = whole_clip(model, frames, guard=guard)
    for streamed in (stream(model, frames, guard=guard), stream(workers, frames, guard=guard)):
        assert all(np.array_equal(a, b) for a, b in zip(streamed, whole, strict=True))
    assert np.array_equal(whole[2][letters], frames[2][letters]) == guard


@pytest.mark.parametrize("output", TYPES)
@pytest.mark.parametrize("dtype", TYPES)
def test_text_in_another_type(tiny_model, dtype, output):
    rng = np.random.default_rng(2)
    letters = overlay(rng)
    frames = [as_type(np.where(letters[..., None], 204, f), dtype) for f in scene(rng, 3, speed=4)]
    for clean in stream(student(tiny_model), frames, output=output):
        assert clean.dtype == output
        np.testing.assert_allclose(clean[letters], 0.8 * WHITE[output], atol=1e-3 * WHITE[output])
