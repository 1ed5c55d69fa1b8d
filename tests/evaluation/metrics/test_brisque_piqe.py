"""BRISQUE's features and PIQE: by hand, against other implementations, and in the direction they are made for."""

from __future__ import annotations

import doctest
import importlib
import math

import cv2
import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation.metrics.brisque_piqe import brisque_features, piqe
from restill.evaluation.metrics.mscn import CUBIC_HALF, fit_aggd, fit_ggd, half_scale, mscn, neighbor_products, to_gray

# Each of `landscape()`, 96x112. Of its green channel, piq 0.8.0 in float64 (the statistics of its BRISQUE, with its
# imresize to half the size in between).
RELEASE = [
    *(1.82, 0.236471, 0.683, 0.090053, 0.02723, 0.095023, 0.678, 0.100403, 0.02447, 0.100222, 0.756, 0.045855),
    *(0.03382, 0.064647, 0.769, 0.042855, 0.034272, 0.062753, 2.12, 0.231572, 0.761, 0.135914, 0.013195, 0.104292),
    *(0.73, 0.14355, 0.011908, 0.110247, 0.793, 0.083258, 0.024133, 0.079018, 0.819, 0.078465, 0.024147, 0.074371),
]
# QualityBRISQUE_computeFeatures of opencv-contrib-python-headless 5.0.0.93, in color.
OPENCV = [
    *(1.693, 0.214647, 0.639, 0.068149, 0.025423, 0.073269, 0.625, 0.08372, 0.021906, 0.081736, 0.707, 0.038156),
    *(0.027237, 0.050608, 0.693, 0.025864, 0.031324, 0.047483, 1.897, 0.25543, 0.658, 0.08018, 0.035835, 0.101551),
    *(0.643, 0.102821, 0.028757, 0.113565, 0.68, 0.040567, 0.044259, 0.075633, 0.701, 0.041436, 0.041815, 0.072774),
]
# pypiqe 1.2, of the green channel with its first pixel made white (pypiqe stretches a picture to its brightest pixel).
PIQE = {"clean": 7.535943647093641, "noisy": 55.36949678185137, "blocky": 77.96047940951627}


def landscape(height=96, width=112, seed=7):
    """Five octaves of random values, the coarser the stronger, interpolated linearly; whole numbers all the way."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.int64)
    for step in (1, 2, 4, 8, 16):
        values = rng.integers(-99, 100, (height // step + 2, width // step + 2, 3))
        for axis in (0, 1):
            sums = np.moveaxis(np.cumsum(np.repeat(values, step, axis), axis), axis, 0)
            values = np.moveaxis(sums[step:] - sums[:-step], 0, axis)
        total += values[:height, :width] // step
    return np.clip(128 + total // 18, 0, 255).astype(np.uint8)


def noisy(picture, amount):
    more = np.random.default_rng(1).integers(-amount, amount + 1, picture.shape)
    return np.clip(picture + more, 0, 255).astype(np.uint8)


def blurred(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture


def blocky(picture, percent):
    """On the way to the means of blocks of 8x8, as strong compression leaves them."""
    height, width = (side // 8 for side in picture.shape[:2])
    means = picture.astype(np.int64).reshape(height, 8, width, 8, 3).sum(axis=(1, 3)) // 64
    flat = np.repeat(np.repeat(means, 8, 0), 8, 1)
    return ((picture.astype(np.int64) * (100 - percent) + flat * percent) // 100).astype(np.uint8)


def test_the_picture_is_the_one_the_references_were_made_of():
    assert landscape().sum() == 4259210


def test_release_features_equal_those_of_piq():
    assert brisque_features(landscape()[..., 1]) == pytest.approx(RELEASE, abs=1e-6)


def test_opencv_features_equal_those_of_opencv():
    assert brisque_features(landscape(), "opencv") == pytest.approx(OPENCV, abs=5e-6)


@pytest.mark.parametrize("kind", PIQE)
def test_piqe_equals_pypiqe(kind):
    picture = {"clean": landscape(), "noisy": noisy(landscape(), 24), "blocky": blocky(landscape(), 80)}[kind]
    green = picture[..., 1].copy()
    green[0, 0] = 255
    assert piqe(green) == pytest.approx(PIQE[kind], abs=1e-9)


@pytest.mark.parametrize(
    ("damage", "amounts"), [(noisy, (0, 12, 24, 48)), (blurred, (0, 0.7, 1, 1.5)), (blocky, (0, 20, 40, 60, 80, 100))]
)
def test_more_damage_more_piqe(damage, amounts):
    scores = [piqe(damage(landscape(), amount)) for amount in amounts]
    assert scores == sorted(set(scores))
    assert scores[-1] - scores[0] > 50


def test_noise_makes_neighbors_independent_and_blur_makes_them_alike():
    def statistics(picture):  # shape of the MSCN map; mean and negative variance of the products of neighbors
        return brisque_features(picture)[[0, 3, 4]].T

    noise = np.array([statistics(noisy(landscape(), amount)) for amount in (0, 6, 12, 24)])
    assert (np.diff(noise, axis=0) * [1, -1, 1] > 0).all()
    blur = np.array([statistics(blurred(landscape(), sigma)) for sigma in (0, 0.7, 1, 2)])
    assert (np.diff(blur[:, [0, 2]], axis=0) < 0).all()


def test_piqe_of_odd_sizes_continues_the_last_row_and_column():
    picture = landscape(40, 50)
    continued = np.pad(picture, ((0, 8), (0, 14), (0, 0)), mode="edge")
    assert piqe(picture) == piqe(continued)
    assert 0 < piqe(picture) < 100


def test_piqe_by_hand():
    # One block of columns 0 and 255 in turn. Along a row the pattern has period 2, so all columns of one kind have one
    # MSCN value inside; all rows are equal: left and right edges do not vary at all, and the block is impaired. It is
    # also noise to PIQE: the middle has one column of each kind, as the rest has half and half.
    block = np.tile(np.array([0, 255], np.uint8), (16, 8))
    field = mscn(block.astype(float))
    variance = field.var(ddof=1)
    center, surround = field[:, 7:9].std(ddof=1), field[:, [*range(7), 8, *range(10, 16)]].std(ddof=1)
    deviation, ratio = math.sqrt(variance), center / surround
    assert deviation > 2 * abs(deviation - ratio) / max(deviation, ratio)
    assert piqe(block) == pytest.approx(((1 - variance) + variance + 1) / 2 * 100)  # 100


def test_mscn_by_hand():
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (9, 10)).astype(float)
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    for border, mode in (("replicate", "edge"), ("zero", "constant")):
        window = np.pad(gray, 3, mode=mode)[1:8, 0:7]  # around row 1, column 0
        mean = (weights * window).sum()
        deviation = math.sqrt((weights * window**2).sum() - mean**2)
        assert mscn(gray, border)[1, 0] == pytest.approx((gray[1, 0] - mean) / (deviation + 1), abs=1e-12)


def test_half_scale_by_hand():
    row = np.zeros((1, 32))
    row[0, 15] = 256
    # column 15 is tap 15 - 2 k + 3 of output k
    assert half_scale(np.repeat(row, 8, 0))[2, 5:10].tolist() == [0, *(256 * CUBIC_HALF[[6, 4, 2, 0]]).tolist()]
    assert CUBIC_HALF.sum() == 1
    assert half_scale(np.full((9, 13), 7.0)).tolist() == [[7.0] * 7] * 5
    assert half_scale(np.eye(9)).shape == (5, 5)


def test_neighbors_by_hand():
    field = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    wrapped, open_ = list(neighbor_products(field, wrap=True)), list(neighbor_products(field, wrap=False))
    assert wrapped[0][0].tolist() == [3, 2, 6]  # 1 with 3 at the other end
    assert open_[0][0].tolist() == [0, 2, 6]
    assert open_[1].tolist() == [[0, 0, 0], [4, 10, 18], [28, 40, 54]]
    assert open_[2].tolist() == [[0, 0, 0], [0, 5, 12], [0, 32, 45]]
    assert open_[3].tolist() == [[0, 8, 15], [0, 35, 48], [0, 0, 0]]


def test_fits_find_known_distributions():
    rng = np.random.default_rng(0)
    gauss = rng.normal(0, 3, 200_000)
    assert fit_ggd(gauss) == (pytest.approx(2, abs=0.05), pytest.approx(9, rel=0.02))
    assert fit_ggd(rng.laplace(0, 1, 200_000)) == (pytest.approx(1, abs=0.03), pytest.approx(2, rel=0.03))
    skewed = np.abs(gauss) * rng.choice([-1, 2], gauss.size, p=[1 / 3, 2 / 3])  # each side as often as it is wide
    fit = fit_aggd(skewed, zeros="right")
    assert fit == (pytest.approx(2, abs=0.05), pytest.approx(3, rel=0.02), pytest.approx(6, rel=0.02))
    assert fit.mean == pytest.approx(3 * math.sqrt(2 / math.pi), rel=0.03)  # (6 - 3) sqrt(2 / pi) at shape 2
    assert fit.mean == pytest.approx(skewed.mean(), rel=0.03)


def test_zeros_go_where_they_are_told():
    values = np.array([-1.0, 0, 0, 2])
    assert fit_aggd(values, zeros="right")[1:] == (1, math.sqrt(4 / 3))
    assert fit_aggd(values, zeros="neither")[1:] == (1, 2)


def test_what_is_flat_is_exactly_zero():
    for level in range(256):
        assert not mscn(np.full((9, 9), float(level))).any()
    sky = landscape(96, 96)
    sky[:40] = 200  # a level whose mean comes out a little off
    field = mscn(to_gray(sky))
    assert not field[:36].any()
    assert field[44:].all()


def test_flat_pictures_have_no_features_and_the_worst_piqe():
    flat = np.full((64, 64, 3), 80, np.uint8)
    for convention in ("release", "opencv"):
        assert np.isnan(brisque_features(flat, convention)).any()
    assert piqe(flat) == 100


def test_wrong_pictures_get_a_sentence():
    with pytest.raises(RestillError, match="BRISQUE needs pictures of at least 14x14 pixels, not 20x13"):
        brisque_features(np.zeros((13, 20, 3), np.uint8))
    with pytest.raises(RestillError, match="PIQE needs pictures of at least 16x16 pixels, not 15x16"):
        piqe(np.zeros((16, 15), np.uint8))
    with pytest.raises(RestillError, match="float64"):
        piqe(np.zeros((16, 16)))


@pytest.mark.parametrize("module", ["mscn", "brisque_piqe"])
def test_blind_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"restill.evaluation.metrics.{module}"))
    assert result.attempted
    assert not result.failed
