"""Blur, noise and down-sampling against numbers worked out by hand or by plain NumPy."""

import numpy as np
import pytest

from restill.degradations import degrade_frames, make_degradation, read_degradation
from restill.degradations.blur import camera_path, gaussian_blur, motion_blur
from restill.degradations.downsample import downsample
from restill.degradations.noise import add_noise
from restill.errors import RestillError

KINDS = ("noise", "blur", "downsample")


def picture(height=24, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def gaussian(x, sigma):
    values = np.exp(-(np.asarray(x, float) ** 2) / (2 * sigma**2))
    return values / values.sum()


def test_downsample_is_a_13_tap_gaussian_and_every_fourth_pixel():
    frame = picture()
    taps = gaussian(np.arange(-6, 7), 1.6)
    padded = np.pad(frame.astype(float), ((6, 6), (6, 6), (0, 0)), mode="reflect")
    wide = sum(t * padded[:, i : i + 32] for i, t in enumerate(taps))
    whole = sum(t * wide[i : i + 24] for i, t in enumerate(taps))
    for offset in (0, 2):
        small = downsample(frame, offset=offset)
        assert small.shape == (6, 8, 3)
        assert np.abs(small - whole[offset::4, offset::4]).max() <= 0.5 + 1e-3


def test_gaussian_blur_of_a_dot_is_the_gaussian():
    dot = np.zeros((21, 21, 3), np.float32)
    dot[10, 10] = 1
    expected = np.outer(gaussian(np.arange(-8, 9), 2.0), gaussian(np.arange(-8, 9), 2.0))
    assert np.abs(gaussian_blur(dot, 2.0)[2:19, 2:19, 0] - expected).max() < 1e-6


def test_noise_has_the_variance_that_is_asked_for():
    rng = np.random.default_rng(0)
    gray = np.full((200, 200, 3), 0.5, np.float32)
    assert add_noise(gray, rng, 25).std() == pytest.approx(25 / 255, rel=0.02)
    # of n photons on average, n is the variance: 0.5 of white is 50 of 100 photons, each 0.01 of white
    assert add_noise(gray, rng, 0, photons=100).var() == pytest.approx(50 * 0.01**2, rel=0.03)
    both = add_noise(gray, rng, 10, photons=100).var()
    assert both == pytest.approx(50 * 0.01**2 + (10 / 255) ** 2, rel=0.03)
    deep = add_noise(np.full((200, 200, 3), 30000, np.uint16), rng, 10)
    assert deep.std() == pytest.approx(10 * 257, rel=0.02)


def test_a_camera_path_is_as_long_as_asked_and_does_not_move_the_picture():
    for turn in (0.0, 120.0):
        path = camera_path(np.random.default_rng(1), 12.0, 30.0, turn)
        steps = np.diff(path, axis=0)
        assert np.hypot(*steps.T).sum() == pytest.approx(12)
        assert np.abs(path.mean(0)).max() < 1e-12
        straight = np.hypot(*(path[-1] - path[0]))
        assert straight == pytest.approx(12) if turn == 0 else straight < 11.5
    dot = np.zeros((31, 31, 3), np.float32)
    dot[15, 15] = 1
    seen = motion_blur(dot, path)[..., 0]
    y, x = np.mgrid[:31, :31]
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    assert [(seen * axis).sum() for axis in (y, x)] == pytest.approx([15, 15], abs=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_keeps_the_dtype_and_the_seed_decides(name, dtype):
    frames = [
        (picture(seed=s) / 255 * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype) for s in (0, 1)
    ]
    settings = {"length": [3, 9], "turn": 60} if name == "blur" else {}
    kind = make_degradation(name, **settings)
    one, two, other = (list(degrade_frames(frames, kind, seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, two)
    assert one[0].dtype == dtype
    assert one[0].shape == (24 // kind.shrinks, 32 // kind.shrinks, 3)
    assert (name == "downsample") == np.array_equal(one, other)


def test_a_range_is_drawn_from_once_for_a_clip():
    kind = make_degradation("noise", sigma=[0, 50])
    sigmas = {kind.draw(np.random.default_rng(seed)).sigma for seed in range(9)}
    assert len(sigmas) == 9
    assert all(low == high and 0 <= low <= 50 for low, high in sigmas)
    clip = list(degrade_frames([np.full((99, 99, 3), 0.5, np.float32)] * 3, kind, seed=3))
    spread = [frame.std() for frame in clip]
    assert max(spread) / min(spread) < 1.05
    assert not np.array_equal(clip[0], clip[1])


def test_rain_is_told_by_its_name_and_has_its_settings_elsewhere():
    assert read_degradation("rain") is None
    assert read_degradation("noise") == make_degradation("noise")
    with pytest.raises(RestillError, match=r"data\.rain"):
        read_degradation({"name": "rain", "wind": 3})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "nois"}, "nearest is noise"),
        ({"sigma": 3}, "needs a 'name'"),
        ({"name": "noise", "sigm": 3}, "noise has no 'sigm': choose from sigma, photons"),
        ({"name": "noise", "sigma": [9, 3]}, "noise's 'sigma' cannot be .* from 0 to 255"),
        ({"name": "noise", "sigma": [1, 2, 3]}, "two, .low, high."),
        ({"name": "blur", "length": "long"}, "blur's 'length' cannot be 'long'"),
        ({"name": "downsample", "scale": 2.5}, "valid integer"),
        ({"name": "downsample", "offset": 4}, "offset .* less than scale 4"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, words):
    with pytest.raises(RestillError, match=words) as caught:
        read_degradation(settings)
    assert "\n" not in str(caught.value)
