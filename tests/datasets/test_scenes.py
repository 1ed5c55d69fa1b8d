"""Photographs as moving clips, harvested rain, and samples from both."""

import cv2
import numpy as np
import pytest
import torch

from restill.datasets.clips import Box
from restill.datasets.moved_photos import MovedPhotos, camera_path
from restill.datasets.rain_layers import FolderLayers, harvest, harvest_file
from restill.errors import RestillError
from restill.training.recipe import DataPart
from restill.training.samples import samples_of, training_clips


def texture(seed, size):
    """(H, W, 3) uint8, with some contrast."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """``clips/`` of two clips, ``photos/`` of three photographs and ``layers/`` of one layer."""
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    for name, seed in (("one", 1), ("two", 2)):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for t in range(6):  # darker than the photographs
            cv2.imwrite(str(tmp_path / "clips" / name / f"{t}.png"), np.roll(texture(seed, (90, 120)), t, 1) // 4)
    (tmp_path / "photos").mkdir()
    for name in "abc":
        photo = 160 + texture(ord(name), (100, 130)) // 4
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), photo)
    (tmp_path / "layers" / "rain").mkdir(parents=True)
    for t in range(4):
        layer = np.zeros((80, 90), np.uint8)
        layer[10:40, 10 + 20 * t] = 200
        cv2.imwrite(str(tmp_path / "layers" / "rain" / f"{t}.png"), layer)
    return tmp_path


def data(folders, **changes):
    fields = {
        "root": folders / "clips",
        "photos": {"root": folders / "photos", "share": 0.5},
        "weather": {"layers": folders / "layers"},
        "things": 0.3,
        "crop": 32,
        "centres": 1,
        "dry": 0.1,
        "removes": "streaks",
    }
    return DataPart(**(fields | changes))


def drawn(part, length=30):
    return samples_of(part, training_clips(part), length, 1, 2, plain=False)


def test_a_sample_is_a_function_of_its_index(folders):
    one, two = drawn(data(folders)), drawn(data(folders))
    for index in (9, 0, 4, 17):
        a, b = one[index], two[index]
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(one[i]["clean"], one[i]["degraded"]) for i in range(5))


def test_the_share_of_photographs_is_the_recipes(folders):
    dry = {"dry": 1.0, "things": 0.0, "weather": {"video": 0.0}}
    for share in (0.25, 0.75):
        samples = drawn(data(folders, photos={"root": folders / "photos", "share": share}, **dry), 120)
        bright = np.mean([float(samples[i]["clean"].float().mean()) > 110 for i in range(120)])
        assert bright == pytest.approx(share, abs=0.13)


def test_held_out_photographs_are_not_trained_on(folders):
    samples = drawn(data(folders, held_out=["b.png", "two"]))
    assert list(samples.source.names) == ["one", "a.png", "c.png"]
    assert [clip.stamp for clip in (samples.source.pictures(1),)] == [MovedPhotos(folders / "photos").pictures(0).stamp]


def test_a_dry_sample_keeps_its_things_on_both_sides(folders):
    samples = drawn(data(folders, dry=1.0, things=1.0))
    plain = drawn(data(folders, dry=1.0, things=0.0))
    assert all(torch.equal(samples[i]["clean"], samples[i]["degraded"]) for i in range(12))
    assert any(not torch.equal(samples[i]["clean"], plain[i]["clean"]) for i in range(12))


def test_changed_layers_give_other_samples(folders):
    part = data(folders, distinct=5)
    before = drawn(part).store.folder
    assert drawn(part).store.folder == before
    cv2.imwrite(str(folders / "layers" / "rain" / "9.png"), np.zeros((80, 90), np.uint8))
    assert drawn(part).store.folder != before


def test_a_moved_photograph_moves_smoothly_and_some_stand_still(folders):
    photos = MovedPhotos(folders / "photos")
    still = 0
    for seed in range(20):
        views = photos.region(0, range(5), Box(10, 10, 64, 64), (64, 64), np.random.default_rng(seed))
        assert all(view.shape == (64, 64, 3) for view in views)
        still += all(np.array_equal(view, views[0]) for view in views)
    assert 0 < still < 12


def test_a_camera_path_keeps_the_middle_view_and_its_speed():
    for seed in range(10):
        path = camera_path(5, (64, 64), np.random.default_rng(seed))
        assert np.abs(path[2, :, :2] - np.eye(2)).max() < 0.01
        centers = path[:, :, :2] @ [31.5, 31.5] + path[:, :, 2]
        assert np.abs(np.diff(centers, 2, axis=0)).max() < 8


def test_harvested_rain_is_thin_and_short_lived():
    rng = np.random.default_rng(0)
    background = texture(5, (80, 100)) // 2
    frames, streaks = [], []
    for t in range(12):
        frame, mask = background.copy(), np.zeros((80, 100), bool)
        x = int(rng.integers(5, 95))
        mask[20:50, x : x + 2] = True
        frame[mask] += 60
        frame[55:79, 4 * t : 4 * t + 40] += 30  # a broad light that passes
        frames.append(frame)
        streaks.append(mask)
    layers = list(harvest(frames))
    assert len(layers) == 12
    found = np.mean([layer[mask].mean() for layer, mask in zip(layers, streaks, strict=True)])
    elsewhere = np.mean(
        [
            layer[~cv2.dilate(m.astype(np.uint8), np.ones((5, 5))).astype(bool)].mean()
            for layer, m in zip(layers, streaks, strict=True)
        ]
    )
    assert found > 100
    assert elsewhere < 3
    assert list(harvest(frames[:2])) == []


def test_harvesting_a_file_refuses_what_it_cannot_use(folders):
    with pytest.raises(RestillError, match="fewer than three frames"):
        harvest_file(folders / "photos" / "a.png", folders / "made")
    with pytest.raises(RestillError, match="exists already"):
        harvest_file(folders / "layers" / "rain", folders / "layers")


def test_a_short_layer_runs_back_and_forth(folders):
    layers = FolderLayers(folders / "layers").draw(7, np.random.default_rng(0))
    columns = [int(np.argmax(layer.max(0))) for layer in layers]
    assert columns == [10, 30, 50, 70, 50, 30, 10]
