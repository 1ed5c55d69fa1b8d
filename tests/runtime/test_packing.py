"""How frames are packed for a network, and its answer made a frame."""

from __future__ import annotations

import numpy as np
import pytest

from restill.planes import LUMA, TO_CHROMA, Planes, planes_of
from restill.runtime.info import ModelInfo
from restill.runtime.packing import DARKEST, MIDDLE, RESIDUAL, BytePacking, FloatPacking, PlanePacking

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


def test_bytes_are_the_picture_and_beyond_it_repeats_and_beyond_that_is_black():
    (given,) = window(1)
    packed = BytePacking(info(1), 10, 14).pack([given])
    assert packed.shape == (1, 3, 12 + 2 * BORDER, 16 + 2 * BORDER)
    inner = packed[0, :, BORDER:-BORDER, BORDER:-BORDER].transpose(1, 2, 0)
    np.testing.assert_array_equal(inner, np.pad(given, ((0, 2), (0, 2), (0, 0)), "edge"))
    outside = packed[0].copy()
    outside[:, BORDER:-BORDER, BORDER:-BORDER] = 0
    assert (outside == 0).all()


def answer(residual: np.ndarray) -> np.ndarray:
    """(12, 16, 3) as a network gives it: by row, pixel and color."""
    cells = (residual + RESIDUAL).astype(np.uint8).reshape(3, 4, 4, 4, 3)  # (h, row, w, pixel, color)
    return cells.transpose(1, 3, 4, 0, 2).reshape(1, 48, 3, 4)


def test_a_residual_is_added_and_cut_off():
    feed, centre = BytePacking(info(1), 10, 14), window(1, low=20, high=230)[0]
    residual = np.random.default_rng(1).integers(-60, 50, (12, 16, 3))
    clean = feed.unpack(answer(residual), centre, np.dtype(np.uint8))
    np.testing.assert_array_equal(clean, np.clip(centre.astype(int) + residual[:10, :14], 0, 255))


@pytest.mark.parametrize(("dtype", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_nothing_of_a_finer_centre_is_lost(dtype, white):
    rng, feed = np.random.default_rng(2), BytePacking(info(1), 10, 14)
    frame = (rng.random((10, 14, 3)) * white).astype(dtype)
    assert feed.pack([frame]).dtype == np.uint8
    same = feed.unpack(answer(np.zeros((12, 16, 3), int)), frame, np.dtype(dtype))
    assert same.dtype == dtype
    np.testing.assert_allclose(same, frame, rtol=0, atol=white * 1e-6)
    less = feed.unpack(answer(np.full((12, 16, 3), -51)), frame, np.dtype(dtype))  # a fifth of white
    np.testing.assert_allclose(less, np.clip(frame.astype(float) - white / 5, 0, None), atol=1 if white > 1 else 1e-6)


def test_floats_are_the_frames():
    given = window(3)
    packed = FloatPacking(info(), 10, 14).pack(given)
    assert packed.shape == (1, 3, 3, 12, 16)
    np.testing.assert_allclose(packed[0, 1, :, :10, :14] * 255, given[1].transpose(2, 0, 1), atol=1e-4)
    np.testing.assert_array_equal(packed[..., 11, :], packed[..., 9, :])
    np.testing.assert_array_equal(packed[..., 15], packed[..., 13])


def planes(size=(12, 16), *, full: bool = True) -> Planes:
    rng, half = np.random.default_rng(3), (size[0] // 2, size[1] // 2)
    return Planes(*(rng.integers(60, 180, shape, np.uint8) for shape in (size, half, half)), full=full)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("frames", [3, 5])
def test_planes_are_differences_of_full_range(frames, full):
    given, k, border = [planes(full=full) for _ in range(frames)], frames // 2, 2
    rng = np.random.default_rng(0)
    lumas = [np.clip(one.y + rng.integers(-20, 20, one.y.shape), 0, 255).astype(np.uint8) for one in given]
    lumas[k] = given[k].y
    about = info(frames, size_multiple=border)
    packed = PlanePacking(about, 12, 16).pack(lumas, given[k])
    assert packed.shape == (1, frames + 3, 12 + 2 * border, 16 + 2 * border)
    fine, coarse, black = (1, 1, 0) if full else (255 / 219, 255 / 224, 16)
    inner = packed[0, :, border:-border, border:-border].astype(float)
    middle = lumas[k].astype(float)
    near = np.testing.assert_allclose
    near(inner[0], fine * (middle - black), atol=0.51)
    others = [luma.astype(float) for i, luma in enumerate(lumas) if i != k]
    for plane, other in zip(inner[1:], others, strict=False):
        near(plane - MIDDLE, fine * (other - middle), atol=0.51)
    darker = np.minimum(middle, np.median([luma.astype(float) for luma in lumas[k - 1 : k + 2]], axis=0))
    near(inner[-3] - DARKEST, fine * (darker - middle), atol=0.51)
    for plane, chroma in zip(inner[-2:], (given[k].u, given[k].v), strict=True):
        near(plane - MIDDLE, coarse * (chroma.astype(float) - 128).repeat(2, 0).repeat(2, 1), atol=0.51)
    outside = packed[0].copy()
    outside[:, border:-border, border:-border] = outside[:, :1, :1]
    assert (outside == outside[:, :1, :1]).all()  # the border shows black and no change
    assert outside[:, 0, 0].tolist() == [0, *[MIDDLE] * (frames - 1), DARKEST, MIDDLE, MIDDLE]


def plane_answer(luma: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Residuals (H, W) and twice (H/2, W/2) as a network gives them."""
    folded = [luma[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return (np.stack([*folded, u, v]) + RESIDUAL).astype(np.uint8)[None]


@pytest.mark.parametrize("full", [True, False])
def test_a_residual_is_added_to_planes_in_their_range(full):
    rng, center = np.random.default_rng(1), planes(full=full)
    luma, u, v = (rng.integers(-60, 50, plane.shape) for plane in (center.y, center.u, center.v))
    clean = PlanePacking(info(size_multiple=2), 12, 16).unpack_planes(plane_answer(luma, u, v), center)
    fine, coarse = (1, 1) if full else (219 / 255, 224 / 255)
    for found, plane, change in ((clean.y, center.y, fine * luma), (clean.u, center.u, coarse * u)):
        np.testing.assert_allclose(found, np.clip(plane + change, 0, 255), atol=0.51)
    assert clean.full == full


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_a_residual_of_planes_is_added_to_rgb(dtype, white):
    """A gray residual changes red, green and blue alike; a residual of zero changes nothing."""
    feed, half = PlanePacking(info(size_multiple=2), 11, 15), (6, 8)
    center = (np.random.default_rng(2).random((11, 15, 3)) * white).astype(dtype)
    zero = np.zeros(half, int)
    for level in (0, -51):
        clean = feed.unpack(plane_answer(np.full((12, 16), level), zero, zero), center, np.dtype(dtype))
        assert clean.dtype == dtype
        expected = np.clip(center.astype(float) + level * white / 255, 0, white)
        np.testing.assert_allclose(clean, expected, atol=0.51 if white > 1 else 1e-6)


def test_planes_of_a_frame():
    frame = np.random.default_rng(4).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    found = planes_of(frame)
    np.testing.assert_allclose(found.y, frame @ np.array(LUMA), atol=1)
    half = frame.reshape(3, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(np.dstack([found.u, found.v]), half @ TO_CHROMA.T + 128, atol=1.1)
    assert found.full
    assert found.shape == (6, 8)
