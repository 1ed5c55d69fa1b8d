"""The rain renderer: what physics and the training set ask of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.degradations import parse_values
from restill.degradations.drops import Wind, drops_per_cubic_meter, fall_speed, uniform
from restill.degradations.rain import PRESETS, Rain, RainSettings, rain_clip, rain_frames
from restill.degradations.rain_settings import named_rain
from restill.degradations.splat import splat
from restill.errors import RestillError

SIZE = (120, 160)
# streaks alone: nothing but drops changes the picture
BARE = {"mist": 0.0, "splash": 0.0, "noise": 0.0, "compression": None}


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth colored picture, (H, W, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(20, 230, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def full_settings() -> RainSettings:
    return RainSettings.preset("heavy", noise=2.0, compression=85, pitch=10.0)


def test_same_seed_same_rain_in_any_order():
    frame = scene()
    first = Rain(full_settings(), SIZE, seed=5)
    forward = [first.render(frame, t) for t in range(4)]
    backward = [Rain(full_settings(), SIZE, seed=5).render(frame, t) for t in (3, 2, 1, 0)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(forward[0], forward[1])
    assert not np.array_equal(forward[0], Rain(full_settings(), SIZE, seed=6).render(frame, 0))


def test_no_rain_is_the_frame_itself():
    frame = scene()
    rainy = Rain(RainSettings.preset("heavy", rate=0), SIZE).render(frame, 3)
    np.testing.assert_array_equal(rainy, frame)
    assert rainy is not frame


@pytest.mark.parametrize("linear", [True, False])
def test_a_frame_is_untouched_where_no_drop_is(linear: bool):
    frame = scene()
    rain = Rain(RainSettings.make(rate=3, linear_light=linear, **BARE), SIZE, seed=1)
    hidden = rain.opacity(0)
    assert 0.05 < (hidden == 0).mean() < 1
    rainy = rain.render(frame, 0)
    np.testing.assert_array_equal(rainy[hidden == 0], frame[hidden == 0])
    assert not np.array_equal(rainy, frame)


def test_mist_and_noise_are_in_both_pictures_of_a_pair():
    frame = scene()
    settings = RainSettings.make(rate=3, mist=0.2, noise=2.0, splash=0.0)
    rain = Rain(settings, SIZE, seed=1)
    rainy, streakless = rain.pair(frame, 0)
    hidden = rain.opacity(0)
    np.testing.assert_array_equal(rainy, rain.render(frame, 0))
    np.testing.assert_array_equal(rainy[hidden == 0], streakless[hidden == 0])
    assert (rainy[hidden > 0.1] != streakless[hidden > 0.1]).any()
    assert np.abs(streakless.astype(int) - frame).mean() > 2  # the veil


def test_the_streakless_picture_is_not_compressed():
    frame = scene()
    _, streakless = Rain(RainSettings.make(**BARE | {"compression": 30, "linear_light": False}), SIZE).pair(frame, 0)
    np.testing.assert_array_equal(streakless, frame)


def test_more_rain_hides_more():
    hidden = [np.mean([Rain(RainSettings.make(rate=r, **BARE), SIZE, s).opacity(0).mean() for s in range(3)])
              for r in (2, 20, 100)]  # fmt: skip
    assert hidden[0] < 0.6 * hidden[1] < 0.6 * 0.8 * hidden[2]


def test_streaks_fall():
    # all drops near 2 m: at 100 frames a second they fall about 6 m/s / 100 * 171 pixels / 2 m = 5 pixels a frame
    settings = RainSettings.make(rate=20, near=1.9, far=2.1, wind=0, gust=0, turbulence=0, opacity=0.8, **BARE)
    rain = Rain(settings, SIZE, seed=3, fps=100)
    now, later = rain.opacity(4), rain.opacity(5)
    scores = {dy: float((now[20:-20] * np.roll(later, -dy, 0)[20:-20]).mean()) for dy in range(-15, 16)}
    best = max(scores, key=lambda dy: scores[dy])
    assert 3 <= best <= 8
    assert scores[best] > 1.5 * scores[-best]


@pytest.mark.parametrize(("wind", "sign"), [(4.0, 1), (-4.0, -1)])
def test_wind_slants_the_streaks(wind: float, sign: int):
    settings = named_rain("moderate", {"gust": 0.0}, seed=0, wind=wind)
    streaks = Rain(settings, SIZE, seed=2).drops.streaks(1.0, (0, 0, *SIZE))
    along = streaks.end - streaks.start
    assert len(along) > 20
    assert (along[:, 1] > 0).mean() > 0.99
    assert (sign * along[:, 0] > 0).mean() > 0.95


def test_wind_changes_smoothly_and_its_path_is_its_integral():
    wind = Wind(RainSettings.make(wind=2, gust=1.5), seed=4)
    times = np.linspace(0, 20, 2001)
    speed = np.array([wind.speed(t) for t in times])
    assert speed.std() > 0.3
    assert np.abs(np.diff(speed)).max() < 0.1
    np.testing.assert_allclose(np.diff(wind.path(times)), (speed[1:] + speed[:-1]) / 2 * 0.01, atol=1e-4)


def test_camera_that_looks_up_sees_streaks_fan_out():
    def lean(pitch: float) -> float:
        settings = RainSettings.make(pitch=pitch, wind=0, gust=0, turbulence=0.01)
        streaks = Rain(settings, SIZE, seed=2).drops.streaks(0.0, (0, 0, *SIZE))
        side = (streaks.start[:, 0] + streaks.end[:, 0]) / 2 - SIZE[1] / 2
        along = streaks.end - streaks.start
        return float(np.corrcoef(side, along[:, 0] / along[:, 1])[0, 1])

    assert lean(25) > 0.5
    assert abs(lean(0)) < 0.1
    assert lean(-25) < -0.5


def test_rain_shows_before_dark_more_than_before_bright():
    frame = np.full((*SIZE, 3), 30, np.uint8)
    frame[:, SIZE[1] // 2 :] = 220
    rainy = Rain(RainSettings.preset("heavy", **BARE), SIZE, seed=1).render(frame, 0).astype(int)
    change = rainy - frame
    dark, bright = change[:, : SIZE[1] // 2].mean(), change[:, SIZE[1] // 2 :].mean()
    assert dark > 3
    assert dark > 4 * abs(bright)


def test_a_crop_is_what_the_whole_frame_shows_there():
    settings = RainSettings.preset("heavy", splash=0.5, aperture=3.0)
    whole = Rain(settings, (240, 320), seed=7)
    crop = Rain(settings, (96, 96), seed=7, frame_size=(240, 320), origin=(77, 101))
    expected = whole.opacity(6)[77 : 77 + 96, 101 : 101 + 96]
    np.testing.assert_allclose(crop.opacity(6), expected, atol=2e-3)
    assert expected.max() > 0.1

    plain = np.full((240, 320, 3), 90, np.uint8)  # one color, so that the ambient light is the same
    settings = RainSettings.preset("moderate", noise=2.0)
    whole = Rain(settings, (240, 320), seed=7).render(plain, 2)[77:173, 101:197].astype(int)
    part = Rain(settings, (96, 96), seed=7, frame_size=(240, 320), origin=(77, 101)).render(plain[:96, :96], 2)
    assert np.abs(whole - part).mean() < 0.3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_dtype_is_kept(dtype: type):
    peak = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    frame = (scene() / 255 * peak).astype(dtype)
    before = frame.copy()
    rainy = Rain(full_settings(), SIZE, seed=1).render(frame, 2)
    assert rainy.dtype == dtype
    assert rainy.shape == frame.shape
    np.testing.assert_array_equal(frame, before)
    assert rainy.max() <= peak
    eight = Rain(full_settings(), SIZE, seed=1).render((scene()), 2)
    assert np.abs(rainy / peak - eight / 255).mean() < 0.01


def test_the_veil_follows_the_depth():
    frame = np.full((*SIZE, 3), 40, np.uint8)
    frame[:10] = 200
    depth = np.zeros(SIZE, np.float32)
    depth[:, 80:] = 1
    settings = RainSettings.make(rate=0.001, mist=0.5, splash=0)
    rainy = Rain(settings, SIZE, depth=depth).render(frame, 0)[20:].astype(int)
    assert rainy[:, 100:].mean() > rainy[:, :60].mean() + 20
    np.testing.assert_allclose(rainy[:, :60], 40, atol=1)


def test_defocus_widens_near_drops():
    def sharpness(aperture: float) -> float:
        settings = RainSettings.make(near=0.3, far=0.5, rate=60, focus_distance=10, aperture=aperture, **BARE)
        hidden = Rain(settings, SIZE, seed=2).opacity(0)
        return float(np.abs(np.diff(hidden, axis=1)).mean() / hidden.mean())

    assert sharpness(6.0) < 0.6 * sharpness(0.0)


def test_light_of_a_point_is_kept():
    x, y, weight = (np.array(v, np.float32) for v in ([3.2, 7.9, 40], [2.7, 5.1, 2], [0.5, 0.25, 9]))
    picture = splat(x, y, weight, (10, 12))
    assert picture.sum() == pytest.approx(0.75, abs=1e-5)
    assert picture[2:4, 3:5].sum() == pytest.approx(0.5, abs=1e-5)


def test_physics_of_a_drop():
    np.testing.assert_allclose(fall_speed(np.array([1.0, 2.0, 5.0])), [4.0, 6.55, 9.14], atol=0.05)
    assert 1000 < drops_per_cubic_meter(25, 0.5) < 2000
    numbers = uniform(1, 2, np.arange(10_000))
    assert 0 <= numbers.min() < 0.01 < 0.99 < numbers.max() < 1
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03


def test_every_preset_and_random_rains_render():
    frame = scene()
    rng = np.random.default_rng(0)
    drawn = [RainSettings.random(rng) for _ in range(12)]
    assert drawn == [RainSettings.random(g) for g in [np.random.default_rng(0)] for _ in range(12)]
    for settings in [RainSettings.preset(name) for name in PRESETS] + drawn:
        rainy = Rain(settings, SIZE, seed=1, frame_size=(480, 640), origin=(200, 240)).render(frame, 1)
        assert np.abs(rainy.astype(int) - frame).mean() > 0.02
        assert (rainy.mean(axis=2) < 255).mean() > 0.5


def test_clip_and_stream_agree():
    frames = [scene(t) for t in range(3)]
    settings = RainSettings.preset("light")
    for a, b in zip(rain_clip(frames, settings, 9), rain_frames(iter(frames), settings, 9), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--strength", "torrent"], "there is no rain called 'torrent': choose one of drizzle"),
        (["--set", "rate=-3"], "rain's 'rate' cannot be '-3'"),
        (["--set", "colour=3"], "rain has no 'colour': choose from rate"),
        (["--set", "rate"], "'rate' is not a setting: write NAME=VALUE"),
        (["--wind", "300"], "rain's 'wind' cannot be 300.0"),
    ],
)
def test_a_wrong_word_is_one_sentence(arguments: list[str], says: str, tmp_path):
    result = CliRunner().invoke(app, ["rain", "clean.mp4", "-o", str(tmp_path / "rainy.mp4"), *arguments])
    assert isinstance(result.exception, RestillError)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)


def test_settings_from_words():
    settings = named_rain("light", parse_values(["exposure=0.02", "compression=none", "linear_light=false"]), 0, -2.0)
    assert (settings.exposure, settings.compression, settings.linear_light) == (0.02, None, False)
    assert (settings.wind, settings.wind_direction) == (2.0, -90.0)
    assert named_rain("random", {"mist": "0"}, seed=3) == named_rain("random", {"mist": 0.0}, seed=3)


def test_rain_on_a_picture(tmp_path):
    clean, rainy = tmp_path / "clean.png", tmp_path / "rainy.png"
    cv2.imwrite(str(clean), scene())
    result = CliRunner().invoke(app, ["rain", str(clean), "-o", str(rainy), "--strength", "heavy", "--quiet"])
    assert result.exit_code == 0, result.output
    a, b = cv2.imread(str(clean)), cv2.imread(str(rainy))
    assert a is not None
    assert b is not None
    assert a.shape == b.shape
    assert b.mean() > a.mean() + 1
