"""How frames are packed for a network, and its answer made a frame."""

from __future__ import annotations

import numpy as np
import pytest

from restill.runtime.info import ModelInfo
from restill.runtime.packing import DARKEST, MIDDLE, RESIDUAL, BytePacking, FloatPacking

BORDER = 4  # as the size multiple below


def info(frames: int = 3, **change) -> ModelInfo:
    about = {
        "name": "n",
        "task": "derain",
        "network": "rill-s",
        "frames_before": frames // 2,
        "frames_after": frames // 2,
        "scale": 1,
        "size_multiple": 4,
        "align": "none",
        "parameters": 1,
        "macs_per_pixel": 1,
    }
    return ModelInfo(**about | change)


def window(frames: int, size=(10, 14), low: int = 60, high: int = 180) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(low, high, (frames, *size, 3), np.uint8))


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_bytes_are_differences(frames):
    given, k = window(frames), frames // 2
    packed = BytePacking(info(frames), 10, 14).pack(given)
    assert packed.shape == (1, 3 * (frames + (frames > 1)), 12 + 2 * BORDER, 16 + 2 * BORDER)
    inner = packed[0, :, BORDER : BORDER + 10, BORDER : BORDER + 14].astype(int)
    planes = inner.reshape(-1, 3, 10, 14).transpose(0, 2, 3, 1)  # F x (H, W, 3)
    others = [frame.astype(int) for i, frame in enumerate(given) if i != k]
    np.testing.assert_array_equal(planes[0], given[k])
    for plane, other in zip(planes[1:], others, strict=False):
        np.testing.assert_array_equal(plane - MIDDLE, other - given[k])
    if frames > 1:
        darker = np.minimum(given[k], np.median(given[k - 1 : k + 2], axis=0))
        np.testing.assert_array_equal(planes[-1] - DARKEST, darker - given[k])


def test_beyond_the_frame_it_repeats_and_beyond_that_is_black():
    given = window(3)
    packed = BytePacking(info(), 10, 14).pack(given)[0]
    columns = slice(BORDER, BORDER + 14)
    for row in (10, 11):
        np.testing.assert_array_equal(packed[:3, BORDER + row, columns], packed[:3, BORDER + 9, columns])
    assert (packed[:3, :BORDER] == 0).all()
    assert (packed[3:-3, :, -BORDER:] == MIDDLE).all()
    assert (packed[-3:, -BORDER:] == DARKEST).all()


def answer(residual: np.ndarray) -> np.ndarray:
    """(12, 16, 3) as a network gives it: by row, pixel and color."""
    cells = (residual + RESIDUAL).astype(np.uint8).reshape(3, 4, 4, 4, 3)  # (h, row, w, pixel, color)
    return cells.transpose(1, 3, 4, 0, 2).reshape(1, 48, 3, 4)


def test_a_residual_is_added_and_cut_off():
    feed, centre = BytePacking(info(), 10, 14), window(1, low=20, high=230)[0]
    residual = np.random.default_rng(1).integers(-60, 50, (12, 16, 3))
    clean = feed.unpack(answer(residual), centre, np.dtype(np.uint8))
    np.testing.assert_array_equal(clean, np.clip(centre.astype(int) + residual[:10, :14], 0, 255))


@pytest.mark.parametrize(("dtype", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_nothing_of_a_finer_centre_is_lost(dtype, white):
    rng, feed = np.random.default_rng(2), BytePacking(info(), 10, 14)
    frames = [(rng.random((10, 14, 3)) * white).astype(dtype) for _ in range(3)]
    assert feed.pack(frames).dtype == np.uint8
    same = feed.unpack(answer(np.zeros((12, 16, 3), int)), frames[1], np.dtype(dtype))
    assert same.dtype == dtype
    np.testing.assert_allclose(same, frames[1], rtol=0, atol=white * 1e-6)
    less = feed.unpack(answer(np.full((12, 16, 3), -51)), frames[1], np.dtype(dtype))  # a fifth of white
    np.testing.assert_allclose(
        less, np.clip(frames[1].astype(float) - white / 5, 0, None), atol=1 if white > 1 else 1e-6
    )


def test_floats_are_the_frames():
    given = window(3)
    packed = FloatPacking(info(), 10, 14).pack(given)
    assert packed.shape == (1, 3, 3, 12, 16)
    np.testing.assert_allclose(packed[0, 1, :, :10, :14] * 255, given[1].transpose(2, 0, 1), atol=1e-4)
    np.testing.assert_array_equal(packed[..., 11, :], packed[..., 9, :])
    np.testing.assert_array_equal(packed[..., 15], packed[..., 13])
