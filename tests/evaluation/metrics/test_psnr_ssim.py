"""Metrics against hand-computed values and against scikit-image."""

from __future__ import annotations

import doctest
import importlib
import math

import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation.metrics.psnr_ssim import psnr, ssim_gaussian11, ssim_uniform7, to_y

structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def pair(height=40, width=33, seed=0):
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noisy = np.clip(clean + rng.normal(0, 25, clean.shape), 0, 255).astype(np.uint8)
    return noisy, clean


def test_psnr_by_hand():
    clean = np.full((16, 16, 3), 100, np.uint8)
    picture = clean.copy()
    picture[0, 0, 0] = 116  # one of 768 values is off by 16: MSE = 256 / 768 = 1/3
    assert psnr(picture, clean) == pytest.approx(10 * math.log10(255**2 * 3), abs=1e-12)


def test_psnr_of_a_large_picture_is_exact():
    black = np.zeros((2160, 3840, 3), np.uint8)
    assert psnr(black, ~black) == 0.0


def test_ssim_by_hand():
    # Of one value changed by d in a flat picture only the windows around it see anything: in a 16x16 picture there are
    # 10x10 windows of 7x7 and 6x6 of 11x11; the value at (8, 8) lies in 49 of the former and in 36 of the latter.
    clean = np.full((16, 16), 100, np.uint8)
    picture = clean.copy()
    picture[8, 8] = 107
    c1, c2 = 2.55**2, 7.65**2
    mean, variance = 100 + 7 / 49, 49 * (1 / 49 - 1 / 49**2) * 49 / 48
    window = (2 * mean * 100 + c1) / (mean**2 + 100**2 + c1) * c2 / (variance + c2)
    assert ssim_uniform7(picture, clean) == pytest.approx((49 * window + 51) / 100, abs=1e-9)

    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    total = 0.0
    for row in range(5, 11):
        for column in range(5, 11):
            weight = weights[8 - row + 5] * weights[8 - column + 5]
            mean, variance = 100 + 7 * weight, 49 * (weight - weight**2)
            total += (2 * mean * 100 + c1) / (mean**2 + 100**2 + c1) * c2 / (variance + c2)
    assert ssim_gaussian11(picture, clean) == pytest.approx(total / 36, abs=1e-9)


@pytest.mark.parametrize("gray", [False, True])
def test_ssim_equals_scikit_image(gray):
    noisy, clean = pair()
    if gray:
        noisy, clean = to_y(noisy), to_y(clean)
    axis = None if gray else 2
    assert ssim_uniform7(noisy, clean) == pytest.approx(
        structural_similarity(noisy, clean, data_range=255, channel_axis=axis), abs=1e-9
    )
    assert ssim_gaussian11(noisy, clean) == pytest.approx(
        structural_similarity(noisy, clean, data_range=255, channel_axis=axis, **GAUSSIAN), abs=1e-9
    )


def test_equal_pictures():
    _, clean = pair()
    assert psnr(clean, clean) == math.inf
    assert ssim_uniform7(clean, clean) == pytest.approx(1)
    assert ssim_gaussian11(clean, clean) == pytest.approx(1)


def test_luma_of_known_colors():
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]]], np.uint8)
    assert to_y(colors).tolist() == [[81, 145, 41, 126]]


def test_wrong_pictures_get_a_sentence():
    noisy, clean = pair()
    with pytest.raises(RestillError, match="33x39x3"):
        psnr(noisy[1:], clean)
    with pytest.raises(RestillError, match="11x11"):
        ssim_gaussian11(noisy[:10, :10], clean[:10, :10])


@pytest.mark.parametrize(
    "module", ["evaluation.metrics.psnr_ssim", "evaluation.protocols", "networks.complexity", "runtime.info"]
)
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"restill.{module}"))
    assert result.attempted
    assert not result.failed
