"""How much is taken away: nothing at 0, the model's result at 1, the darker median at 2, and more in between."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.alignment import luma_of
from restill.errors import RestillError
from restill.planes import Planes, planes_of
from restill.runtime import Model, load_model, stream, whole_clip

WHITE = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
STEPS = (0, 0.3, 0.5, 0.9, 1, 1.2, 1.5, 1.9, 2)


def rainy(count: int = 5, dtype: type = np.uint8, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """Gray streaks, of their own in each frame, before a smooth scene that stands still."""
    rng = np.random.default_rng(3)
    scene = 40 + 90 * cv2.resize(rng.random((4, 6, 3)), size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    frames = []
    for _ in range(count):
        rain = np.zeros(size, np.uint8)
        for x, y in rng.integers(0, (size[1], size[0]), (12, 2)):
            cv2.line(rain, (int(x), int(y)), (int(x), int(y) + 12), (80,), 1)
        frames.append(((scene + rain[..., None]) * (WHITE[dtype] / 255)).astype(dtype))
    return frames


def timid(file: Path) -> Model:
    """Takes half of what is brighter than in both neighbors, or in the surroundings if there are none."""
    info = load_model(file, threads=1).info

    def network(window: np.ndarray) -> np.ndarray:
        frame = window[0, info.frames_before]
        around = [cv2.blur(frame.transpose(1, 2, 0), (9, 1)).transpose(2, 0, 1)]
        near = around if len(window[0]) == 1 else [window[0, 0], window[0, -1]]
        return (frame - np.maximum(frame - np.maximum.reduce(near), 0) / 2)[None]

    return Model(info, Path(), "test", network)


@pytest.mark.parametrize("dtype", WHITE)
@pytest.mark.parametrize("context", [0, 1])
def test_zero_returns_the_input_and_one_the_result_of_the_model(tiny_model, context, dtype):
    model, frames = timid(tiny_model(context, context, align="dis")), rainy(dtype=dtype)
    assert all(np.array_equal(a, b) for a, b in zip(stream(model, frames, strength=0), frames, strict=True))
    plain = list(stream(model, frames))
    assert all(np.array_equal(a, b) for a, b in zip(stream(model, frames, strength=1), plain, strict=True))
    assert not np.array_equal(plain[2], frames[2])


def test_zero_returns_the_planes(planes_model):
    frames = [planes_of(frame) for frame in rainy()]
    for clean, frame in zip(stream(planes_model(), frames, strength=0), frames, strict=True):
        assert all(np.array_equal(getattr(clean, name), getattr(frame, name)) for name in "yuv")


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("dtype", WHITE)
@pytest.mark.parametrize("context", [0, 1, 2])
def test_no_pixel_becomes_brighter_as_the_strength_grows(tiny_model, context, dtype, guard):
    model, frames = timid(tiny_model(context, context, align="dis")), rainy(dtype=dtype)
    results = [np.stack(list(stream(model, frames, strength=s, guard=guard))) for s in STEPS]
    for weak, strong in pairwise(results):
        assert np.all(strong <= weak + 1e-6)
        assert np.any(strong < weak)
    assert all(result.min() >= 0 for result in results)


@pytest.mark.parametrize("dtype", WHITE)
def test_two_is_the_darker_median_and_half_the_way_is_half(tiny_model, dtype):
    model, frames = timid(tiny_model(1, 1, align="dis")), rainy(dtype=dtype)
    one, half, two = (list(stream(model, frames, strength=s, guard=False)) for s in (1, 1.5, 2))
    level = WHITE[dtype] / 255
    for t in (1, 2, 3):
        before, clean, after = (luma_of(frame).astype(int) for frame in (frames[t - 1], one[t], frames[t + 1]))
        darker = np.minimum(clean, np.maximum(before, after))
        left = (clean - darker).mean()
        assert left > 0.5  # the model left rain
        assert np.abs(luma_of(two[t]) - darker).mean() < 0.2 * left  # a neighbor may move by half a pixel
        middle = (one[t].astype(float) + two[t]) / 2
        assert np.abs(half[t] - middle).max() <= level
    assert np.array_equal(one[0], two[0])  # it has one neighbor


def test_planes_and_rgb_agree(planes_model):
    model, frames = load_model(planes_model(), threads=1), rainy()
    for strength in (0.5, 1.5, 2):
        rgb = list(stream(model, frames, strength=strength))
        planes = list(stream(model, [planes_of(frame) for frame in frames], strength=strength))
        for colors, whole in zip(rgb, planes, strict=True):
            assert np.abs(luma_of(colors).astype(int) - whole.y)[8:-8, 8:-8].mean() < 1


@pytest.mark.parametrize("strength", [0.4, 1.6])
@pytest.mark.parametrize("feed", ["floats", "planes"])
def test_the_stream_equals_the_whole_clip(tiny_model, planes_model, feed, strength):
    file = tiny_model(1, 1, align="dis") if feed == "floats" else planes_model()
    frames = rainy(size=(37, 53)) if feed == "floats" else [planes_of(frame) for frame in rainy()]
    plain = whole_clip(load_model(file, threads=1), frames, strength=strength)
    for workers in (1, 2):
        model = load_model(file, threads=workers, workers=workers)
        for one, other in zip(stream(model, frames, strength=strength), plain, strict=True):
            if isinstance(one, Planes) and isinstance(other, Planes):
                assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in "yuv")
            else:
                assert np.array_equal(one, other)


def test_text_over_a_moving_scene_is_kept_at_any_strength(tiny_model):
    rng, letters = np.random.default_rng(0), np.zeros((128, 192), np.uint8)
    for x in range(40, 150, 12):
        cv2.line(letters, (x, 55), (x, 63), (255,), 1)
    wide = cv2.GaussianBlur(rng.random((128, 240, 3)), (0, 0), 2)
    wide = 20 + 130 * (wide - wide.min()) / (wide.max() - wide.min())
    frames = [np.where(letters[..., None] > 0, 235, wide[:, 4 * t : 4 * t + 192]).astype(np.uint8) for t in range(5)]
    info = load_model(tiny_model(1, 1, align="dis"), threads=1).info
    nothing = Model(info, Path(), "test", lambda window: window[:, 1])
    kept, eaten = (list(stream(nothing, frames, strength=2, guard=guard, aligner="dis"))[2] for guard in (True, False))
    assert np.mean(kept[letters > 0] == 235) > 0.97
    assert np.mean(eaten[letters > 0] == 235) < 0.5


def test_a_wrong_strength_is_refused_at_once(tiny_model):
    for strength in (-0.1, 2.5, float("nan")):
        with pytest.raises(RestillError, match=r"strength .* is not possible; use 0 .* to 2"):
            stream("rill-s", [], strength=strength)
    with pytest.raises(RestillError, match=r"strength 0.5 needs a model that keeps the size, and 'tiny' does not"):
        stream(tiny_model(scale=2), [], strength=0.5)
    assert list(stream(tiny_model(scale=2), [], strength=1)) == []
