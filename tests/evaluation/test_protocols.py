"""Protocols on a 16x16 example computed by hand, and on real rain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation.metrics import ssim_gaussian11, ssim_uniform7, to_y
from restill.evaluation.protocols import PROTOCOLS, protocol

CLEAN = np.full((16, 16, 3), 100, np.uint8)


def test_cstd_truncates_and_s2vd_rounds():
    prediction = np.full((16, 16, 3), 103.9 / 255, np.float32)
    assert np.unique(protocol("cstd").to_8bit(prediction)) == 103
    assert np.unique(protocol("s2vd").to_8bit(prediction)) == 104
    assert np.unique(protocol("all-frames").to_8bit(prediction)) == 104


def test_cstd_by_hand():
    prediction = np.full((16, 16, 3), 103.9 / 255, np.float32)
    scores = protocol("cstd").score(prediction, CLEAN)
    assert scores.keys() == {"psnr", "ssim"}
    assert scores["psnr"] == pytest.approx(20 * math.log10(255 / 3))
    c1 = 2.55**2
    assert scores["ssim"] == pytest.approx((2 * 100 * 103 + c1) / (100**2 + 103**2 + c1))


def test_s2vd_by_hand():
    # Y of gray g is 16 + 219 g / 255: 100 -> 101.88 -> 102, 104 -> 105.32 -> 105
    prediction = np.full((16, 16, 3), 103.9 / 255, np.float32)
    scores = protocol("s2vd").score(prediction, CLEAN)
    assert scores["psnr"] == pytest.approx(20 * math.log10(255 / 3))
    c1 = 2.55**2
    assert scores["ssim"] == pytest.approx((2 * 102 * 105 + c1) / (102**2 + 105**2 + c1))


def test_all_frames_gives_both_colors():
    prediction = np.full((16, 16, 3), 103.9 / 255, np.float32)
    scores = protocol("all-frames").score(prediction, CLEAN)
    assert scores["psnr"] == pytest.approx(20 * math.log10(255 / 4))
    assert scores["psnr_y"] == pytest.approx(20 * math.log10(255 / 3))
    assert scores.keys() == {"psnr", "ssim", "psnr_y", "ssim_y"}


def test_windows_are_not_mixed():
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    assert protocol("cstd").score(noisy, clean)["ssim"] == ssim_uniform7(noisy, clean)
    assert protocol("s2vd").score(noisy, clean)["ssim"] == ssim_gaussian11(to_y(noisy), to_y(clean))
    assert protocol("all-frames").score(noisy, clean)["ssim"] == ssim_gaussian11(noisy, clean)


def test_frames_that_count():
    one_based = [t + 1 for t in protocol("cstd").frames(168)]
    assert (one_based[0], one_based[-1]) == (4, 164)
    assert list(protocol("cstd").frames(8)) == [3]
    assert [t + 1 for t in protocol("s2vd").frames(168)][:: 168 - 5] == [3, 166]
    assert protocol("all-frames").frames(1) == range(1)
    with pytest.raises(RestillError, match="7 frames"):
        protocol("cstd").frames(7)


def test_floats_are_clipped_and_8_bit_input_is_lossless():
    wild = np.array([[[-0.5, 0.5, 1.5]]], np.float32)
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    for rule in PROTOCOLS.values():
        assert rule.to_8bit(wild)[0, 0, [0, 2]].tolist() == [0, 255]
        assert (rule.to_8bit(levels) == levels).all()
        assert (rule.to_8bit(levels.astype(np.float32) / 255) == levels).all()


def test_a_name_says_every_choice():
    text = str(protocol("cstd"))
    for word in ("cstd", "RGB", "truncation", "7x7 uniform", "first 3", "last 4"):
        assert word in text
    with pytest.raises(RestillError, match="all-frames"):
        protocol("psnr")
