"""Rain and snow that the physical renderer does not draw, and the mixture of all kinds."""

from pathlib import Path

import numpy as np
import pytest

from restill.degradations.h264 import compressed, compressed_to
from restill.degradations.overlays import OVERLAYS, laid_over, placed
from restill.degradations.weather import KINDS, Place, RainLayers, Weather, _turned, rained, wide
from restill.errors import RestillError
from restill.training.recipe import load_recipe

RECIPE = Path(__file__).parents[2] / "recipes/rill/common.yaml"
SIZE = (64, 80)
PLACE = Place((120, 160), (10, 20))


def frames(count=3, value=90):
    return [np.full((*SIZE, 3), value, np.uint8) for _ in range(count)]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.stack(a).astype(float) - np.stack(b)) ** 2))


@pytest.mark.parametrize("kind", OVERLAYS)
def test_an_overlay_is_bright_short_lived_and_repeatable(kind):
    drawn = [OVERLAYS[kind](3, SIZE, 10.0, np.random.default_rng(seed)) for seed in range(6)]
    again = OVERLAYS[kind](3, SIZE, 10.0, np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(drawn[0], again, strict=True))
    pictures = [np.stack(layers).astype(float) for layers in drawn]
    assert all(p.shape == (3, *SIZE) for p in pictures)
    assert sum(p.sum() for p in pictures) > 0
    stays = sum(np.minimum(p[0], p[1]).sum() for p in pictures) / sum(p[0].sum() for p in pictures)
    assert stays < 0.5  # most of what is bright is elsewhere in the next frame


def test_blurred_noise_and_lines_follow_the_angle():
    for kind in ("blurred_noise", "lines"):
        for angle, across in ((0.0, 1), (90.0, 0)):
            change = [0.0, 0.0]
            for seed in range(8):
                layer = OVERLAYS[kind](1, (96, 96), angle, np.random.default_rng(seed))[0].astype(float)
                change = [change[axis] + np.abs(np.diff(layer, axis=axis)).sum() for axis in (0, 1)]
            assert change[across] > 1.5 * change[1 - across]  # light changes fast across a streak


def test_an_overlay_only_brightens_a_dark_scene_and_repeats():
    layer = [np.full(SIZE, 100, np.uint8), np.zeros(SIZE, np.uint8)]
    for seed in range(8):
        mixed = laid_over(frames(2, 40), layer, np.random.default_rng(seed))
        assert mixed[0].min() > 40
        assert (mixed[1] == 40).all()


def test_a_placed_layer_fills_the_frame_and_turns():
    stripes = np.zeros((200, 300), np.uint8)
    stripes[:, ::8] = 200  # vertical
    for angle, axis in ((0.0, 1), (90.0, 0)):
        layer = placed([stripes] * 2, (64, 64), angle, np.random.default_rng(1))
        assert len(layer) == 2
        change = [np.abs(np.diff(layer[0].astype(float), axis=a)).sum() for a in (0, 1)]
        assert change[axis] > 5 * change[1 - axis]


def test_h264_keeps_the_size_and_loses_more_at_a_higher_crf():
    rng = np.random.default_rng(0)
    clip = [np.repeat(rng.integers(0, 256, (33, 47, 1)), 3, 2).astype(np.uint8) for _ in range(3)]
    good, bad = compressed(clip, 18), compressed(clip, 34)
    assert [frame.shape for frame in good] == [(33, 47, 3)] * 3
    assert psnr(good, clip) > psnr(bad, clip) + 1
    assert all(np.array_equal(compressed(clip, 26), compressed(clip, 26)) for _ in range(10))


def test_h264_loses_more_with_fewer_bits():
    noisy = [np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8) for i in range(4)]
    many, few = compressed_to(noisy, 4.0), compressed_to(noisy, 0.5)
    assert [frame.shape for frame in few] == [(48, 64, 3)] * 4
    assert psnr(many, noisy) > psnr(few, noisy)


class Fixed(RainLayers):
    def draw(self, count, rng):
        return [np.full((40, 40), 200, np.uint8)] * count


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_weather_leaves_the_target_and_repeats(kind):
    weather = Weather(shares={kind: 1.0}, video=0.0).raining(Fixed())
    changed = 0.0
    for seed in range(4):
        degraded, target = weather.fall(frames(), PLACE, np.random.default_rng(seed), streaks_only=False)
        again, _ = weather.fall(frames(), PLACE, np.random.default_rng(seed), streaks_only=False)
        assert all(np.array_equal(a, b) for a, b in zip(target, frames(), strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(degraded, again, strict=True))
        changed += np.abs(np.stack(degraded).astype(float) - 90).mean()
    assert changed > 0.1


def test_without_layers_their_share_goes_to_the_others():
    weather = Weather(shares={"layers": 1.0, "snow": 1e-6}, video=0.0)
    assert {weather._kind(np.random.default_rng(seed)) for seed in range(20)} == {"snow"}


def test_rain_at_any_angle_falls_on_the_whole_frame_turned():
    assert _turned(PLACE, (*SIZE, 3), 0) == PLACE
    once = _turned(PLACE, (*SIZE, 3), 1)
    whole = np.zeros(PLACE.frame_size)
    whole[10 : 10 + SIZE[0], 20 : 20 + SIZE[1]] = 1
    turned = np.argwhere(np.rot90(whole))
    assert once == Place(np.rot90(whole).shape, tuple(turned.min(0)))


def test_heavy_rain_hides_more():
    def hidden(share):
        total = 0.0
        for seed in range(8):
            settings = wide(np.random.default_rng(seed), share).model_copy(update={"compression": None, "noise": 0})
            rainy, clean = rained(frames(1, 40), settings, PLACE, seed, True)
            total += np.abs(rainy[0].astype(float) - clean[0]).mean()
        return total

    assert hidden(1.0) > 1.5 * hidden(0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.weather={shares: {hail: 1}}", "no kind of rain called 'hail'"),
        ("data.weather={shares: {snow: 0}}", "at least one must be more than 0"),
        ("data.weather={crf: [34, 18]}", "the lower one first"),
        ("data.weather={video: 2}", "less than or equal to 1"),
        ("data.rain=heavy", "replaces 'rain'"),
        ("data.dataset=clean-photos", "use dataset clean-photos"),
        ("data.photos={root: x, share: 1}", "less than 1"),
        ("data.things=-1", "greater than or equal to 0"),
    ],
)
def test_wrong_fields_of_a_recipe_are_refused(setting, message):
    with pytest.raises(RestillError, match=message):
        load_recipe(RECIPE, ["name=x", setting])


def test_the_recipes_under_permissive_licenses_have_no_layers():
    data = load_recipe(RECIPE.with_name("permissive.yaml")).data
    assert data.weather is not None
    assert data.weather.layers is None
    assert data.photos is not None
    assert data.photos.names
