"""Every protocol on 16x16 examples computed by hand, and against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restill.datasets import DATASETS
from restill.errors import RestillError
from restill.evaluation.metrics.psnr_ssim import ssim_gaussian11, ssim_uniform7, to_y
from restill.evaluation.protocols import PROTOCOLS, default_protocol, protocol
from restill.evaluation.report import Report

CLEAN = np.full((16, 16, 3), 100, np.uint8)
BRIGHTER = np.full((16, 16, 3), 103.9 / 255, np.float32)
WEIGHTS = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
WEIGHTS /= WEIGHTS.sum()
C1, C2 = 2.55**2, 7.65**2


def noise(side=16):
    """A random picture and another one beside it."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8), clean


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


@pytest.mark.parametrize("name", ["rain-y", "vsr", "vsr-skip2"])
def test_luma_by_hand(name):
    scores = protocol(name).score(BRIGHTER, CLEAN)  # Y 105 beside 102, as for s2vd
    ssim = (2 * 102 * 105 + C1) / (102**2 + 105**2 + C1)
    assert scores == {"psnr": pytest.approx(20 * math.log10(255 / 3)), "ssim": pytest.approx(ssim)}


@pytest.mark.parametrize("name", ["gopro", "sidd"])
def test_matlab_volume_by_hand(name):
    # One green value is 107 instead of 100. Around each of 768 places, the weight with which it counts is the product
    # of three Gaussians: over rows, columns and channels; all else is 100, beyond the edges too.
    picture = CLEAN.copy()
    picture[8, 8, 1] = 107
    total = 0.0
    for row in range(16):
        for column in range(16):
            for channel in range(3):
                near = max(abs(row - 8), abs(column - 8)) <= 5
                weight = WEIGHTS[[8 - row + 5, 8 - column + 5, 1 - channel + 5]].prod() if near else 0
                mean, variance = 100 + 7 * weight, 49 * (weight - weight**2)
                total += (2 * mean * 100 + C1) / (mean**2 + 100**2 + C1) * C2 / (variance + C2)
    scores = protocol(name).score(picture, CLEAN)
    assert scores["ssim"] == pytest.approx(total / 768, abs=1e-12)
    assert scores["psnr"] == pytest.approx(10 * math.log10(255**2 * 768 / 49))


def test_zero_padding_by_hand():
    # Beyond a picture of gray 104 and its truth of 100 is black. Of a window, the part w lies inside: means 104 w and
    # 100 w, variances 104^2 (w - w^2) and 100^2 (w - w^2), covariance 104 * 100 (w - w^2).
    inside = np.array([WEIGHTS[max(0, 5 - i) : 21 - i].sum() for i in range(16)])  # along one side
    w = np.outer(inside, inside)
    spread = w - w**2
    ssim = (2 * 104 * 100 * w**2 + C1) * (2 * 104 * 100 * spread + C2)
    ssim /= ((104**2 + 100**2) * w**2 + C1) * ((104**2 + 100**2) * spread + C2)
    assert w.min() < 0.41
    assert w[8, 8] == pytest.approx(1)
    scores = protocol("ssid").score(BRIGHTER, CLEAN)
    assert scores["ssim"] == pytest.approx(ssim.mean(), abs=1e-12)
    assert scores["psnr"] == pytest.approx(20 * math.log10(255 / 4))


@pytest.mark.parametrize(
    ("names", "pad", "color"),
    [
        (("rain-y", "vsr", "vsr-skip2", "s2vd"), 0, "Y"),
        (("gopro", "sidd"), ((5, 5), (5, 5), (5, 5)), "volume"),  # scikit-image leaves out 5 pixels on each side
        (("ssid",), ((5, 5), (5, 5), (0, 0)), "RGB"),
        (("spac", "all-frames"), 0, "RGB"),
    ],
)
def test_ssim_equals_scikit_image(names, pad, color):
    similarity = pytest.importorskip("skimage.metrics").structural_similarity
    noisy, clean = pictures = noise()
    if color == "Y":
        pictures = [to_y(picture) for picture in pictures]
    elif pad:
        mode = "edge" if color == "volume" else "constant"
        pictures = [np.pad(picture, pad, mode=mode) for picture in pictures]
    axis = 2 if color == "RGB" else None
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = similarity(*pictures, channel_axis=axis, **options)
    for name in names:
        assert protocol(name).score(noisy, clean)["ssim"] == pytest.approx(expected, abs=1e-9)


def test_crop():
    noisy, clean = noise(40)
    inner = (slice(8, 32), slice(8, 32))
    assert protocol("vsr-crop8").score(noisy, clean) == protocol("vsr").score(noisy[inner], clean[inner])
    noisy[inner] = clean[inner]
    for name in ("vsr-crop8", "vsr-crop8-skip2"):
        assert protocol(name).score(noisy, clean)["psnr"] == math.inf
    assert protocol("vsr").score(noisy, clean)["psnr"] < 30
    with pytest.raises(RestillError, match="8 pixels on each side: a frame of 16x16"):
        protocol("vsr-crop8").score(CLEAN, CLEAN)


def test_windows_are_not_mixed():
    noisy, clean = noise()
    assert protocol("cstd").score(noisy, clean)["ssim"] == ssim_uniform7(noisy, clean)
    assert protocol("s2vd").score(noisy, clean)["ssim"] == ssim_gaussian11(to_y(noisy), to_y(clean))
    assert protocol("all-frames").score(noisy, clean)["ssim"] == ssim_gaussian11(noisy, clean)


def test_frames_that_count():
    one_based = [t + 1 for t in protocol("cstd").frames(168)]
    assert (one_based[0], one_based[-1]) == (4, 164)
    assert list(protocol("cstd").frames(8)) == [3]
    assert [t + 1 for t in protocol("s2vd").frames(168)][:: 168 - 5] == [3, 166]
    assert protocol("all-frames").frames(1) == range(1)
    assert [t + 1 for t in protocol("spac").frames(90)][:: 90 - 5] == [3, 88]  # as the lists of ra2: 3..88
    for name in ("rain-y", "gopro", "sidd", "ssid", "vsr", "vsr-crop8"):
        assert protocol(name).frames(5, "vid4") == range(5)
    for name in ("vsr", "vsr-crop8", "vsr-skip2", "vsr-crop8-skip2"):
        assert [t + 1 for t in protocol(name).frames(7, "vimeo90k")] == [4]
    for name in ("vsr-skip2", "vsr-crop8-skip2"):
        assert [t + 1 for t in protocol(name).frames(41, "vid4")][:: 41 - 5] == [3, 39]
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
    for word in ("cstd", "RGB", "truncation", "7x7 uniform", "first 3", "last 4", "mean over frames, then over clips"):
        assert word in text
    text = str(protocol("vsr-crop8"))
    for word in ("vsr-crop8", "Y", "rounding", "vimeo90k: the center frame", "without 8 pixels on each side"):
        assert word in text
    assert "mean over images" in str(protocol("rain-y"))
    assert "mean over blocks" in str(protocol("sidd"))
    with pytest.raises(RestillError, match="all-frames"):
        protocol("psnr")


def test_every_data_set_has_a_default():
    choices = [default_protocol(name) for name in ("nturain", "rain1400", "rain1200", "gopro", "hide", "sidd", "vid4")]
    assert choices == ["cstd", "rain-y", "rain-y", "gopro", "gopro", "sidd", "vsr"]
    assert {default_protocol(name) for name in DATASETS} <= PROTOCOLS.keys()


def test_a_clip_weighs_as_its_protocol_says():
    rows = {"short": {"psnr": 20.0, "frames": 1}, "long": {"psnr": 30.0, "frames": 3}}
    means = [Report("none", "set", protocol(name), rows).mean for name in ("cstd", "rain-y", "sidd")]
    assert means == [{"psnr": 25.0}, {"psnr": 27.5}, {"psnr": 27.5}]
