"""A folder of photographs of all sizes, on a tiny made-up tree."""

import cv2
import numpy as np
import pytest

from restill.datasets import clean_photos, open_source
from restill.datasets.clips import ClipSamples
from restill.degradations import make_degradation
from restill.errors import RestillError

SIZES = {"a.png": (40, 50), "in/a.jpg": (64, 33), "in/deeper/b10.png": (20, 90), "in/deeper/b9.png": (48, 48)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name, size in SIZES.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / name), rng.integers(0, 256, (*size, 3)).astype(np.uint8))
    (tmp_path / "photos" / ".thumbs").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / ".thumbs" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "photos"


def test_pictures_are_found_below_and_each_is_a_clip_of_one_frame(root):
    source = open_source("clean-photos", root)
    assert source.names == ["a.png", "in/a.jpg", "in/deeper/b9.png", "in/deeper/b10.png"]
    assert {name: source.shape(i) for i, name in enumerate(source.names)} == {n: (1, *s) for n, s in SIZES.items()}
    some = open_source("clean-photos", root, ["in/deeper/b9.png"], degradation=make_degradation("noise"))
    assert some.shape(0) == (1, 48, 48)
    with pytest.raises(RestillError, match=r"no picture named b\.png; the first there is a\.png"):
        open_source("clean-photos", root, ["b.png"])


def test_samples_come_from_every_picture_that_holds_the_crop(root):
    source = open_source("clean-photos", root, degradation=make_degradation("noise", sigma=20))
    dataset = ClipSamples(source, 30, 1, crop=32, centres=1, context=0, align="none")
    assert [source.names[i] for i in dataset.usable] == ["a.png", "in/a.jpg", "in/deeper/b9.png"]
    sample = dataset[0]
    assert sample["clean"].shape == sample["degraded"].shape == (1, 3, 32, 32)
    assert float((sample["clean"].float() - sample["degraded"].float()).std()) == pytest.approx(20, rel=0.1)
    rainy = ClipSamples(open_source("clean-photos", root), 4, 1, crop=32, centres=1, context=0, align="none")
    assert rainy[0]["degraded"].shape == (1, 3, 32, 32)


def test_sizes_are_measured_once(root, monkeypatch):
    before = open_source("clean-photos", root)
    monkeypatch.setattr(clean_photos, "_read", None)
    again = open_source("clean-photos", root)
    assert [again.shape(i) for i in range(4)] == [before.shape(i) for i in range(4)]


def test_a_changed_picture_is_measured_again(root):
    open_source("clean-photos", root)
    cv2.imwrite(str(root / "a.png"), np.zeros((70, 35, 3), np.uint8))
    assert open_source("clean-photos", root).shape(0) == (1, 70, 35)


def test_each_mistake_gets_its_sentence(root, tmp_path):
    with pytest.raises(RestillError, match="no such folder; it should hold pictures"):
        open_source("clean-photos", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RestillError, match="holds no pictures"):
        open_source("clean-photos", tmp_path / "empty")
    (root / "broken.png").write_text("no picture")
    with pytest.raises(RestillError, match=r"broken\.png"):
        open_source("clean-photos", root)
