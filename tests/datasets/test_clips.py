import cv2
import numpy as np
import pytest
import torch

from restill.datasets.clean_clips import CleanClips
from restill.datasets.clips import Box, ClipSamples, resample, to_float
from restill.errors import RestillError


class Ramp:
    """One clip whose pixel value tells where and when it is: red = x, green = y, blue = t."""

    names = ("ramp",)

    def shape(self, clip):
        return 12, 90, 120

    def read(self, clip, frames, box, size, rng):
        y, x = np.mgrid[0:90, 0:120].astype(np.uint8)
        whole = [np.dstack([x, y, np.full_like(x, t)]) for t in frames]
        cut = [f[box.top : box.top + box.height, box.left : box.left + box.width] for f in whole]
        clean = [resample(f, size) for f in cut]
        return [255 - f for f in clean], clean


def samples(**changes):
    options = {"crop": 32, "centres": 3, "context": 2, "align": "none", "margin": 16} | changes
    return ClipSamples(Ramp(), 40, 7, **options)


def test_turns_make_rows_of_columns():
    """Of the ramp x grows along the rows; turned, it grows down the columns, in every frame of both sides."""
    plain, turning = samples(align="dis"), samples(align="dis", turns=True)
    turned = 0
    for index in range(20):
        a, b = plain[index], turning[index]
        if not torch.equal(a["clean"], b["clean"]):
            turned += 1
            assert all(torch.equal(a[key].transpose(-1, -2), b[key]) for key in a)
    assert 3 < turned < 17


def test_shapes_and_range():
    sample = samples(align="dis")[0]
    assert sample["degraded"].shape == sample["clean"].shape == (7, 3, 32, 32)
    assert sample["windows"].shape == (3, 5, 3, 32, 32)
    assert sample["clean"].dtype == torch.uint8
    batch = to_float(sample)
    assert batch["clean"].dtype == torch.float32
    assert torch.equal((batch["clean"] * 255).round().to(torch.uint8), sample["clean"])


@pytest.mark.parametrize("align", ["none", "dis"])
def test_a_sample_is_a_function_of_its_index(align):
    one, two = samples(align=align), samples(align=align)
    for index in (5, 0, 39):
        a, b = one[index], two[index]
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(one[1]["clean"], one[2]["clean"])


@pytest.mark.parametrize("align", ["none", "dis"])
def test_degraded_and_clean_show_the_same_place_and_time(align):
    dataset = samples(align=align)
    flipped = reversed_ = 0
    for index in range(40):
        sample = dataset[index]
        clean = sample["clean"].float()
        assert torch.equal(255 - clean, sample["degraded"].float())
        x, y, t = clean[:, 0], clean[:, 1], clean[:, 2]
        steps = {int(v) for v in (x[0, :, 1:] - x[0, :, :-1]).unique()}
        assert steps in ({1}, {-1})
        flipped += steps == {-1}
        assert torch.equal(y[0, 1:] - y[0, :-1], torch.ones(31, 32))
        times = [int(v) for v in t[:, 0, 0]]
        assert times in (sorted(times), sorted(times, reverse=True))
        reversed_ += times[0] > times[-1]
        if align == "dis":  # the centre of each window is the frame itself
            assert torch.equal(sample["windows"][:, 2], sample["degraded"][2:5])
    assert 5 < flipped < 35
    assert 5 < reversed_ < 35


def test_top_left_crop_and_scale_never_below_the_crop():
    sample = samples(position="topleft", augment=False)[3]
    assert sample["clean"][0, :2, 0, 0].tolist() == [0, 0]
    small = samples(crop=88, scale=(0.1, 0.2), augment=False)[0]["clean"]
    assert small.shape[-1] == 88


def test_too_short_or_small_clips_are_named():
    with pytest.raises(RestillError, match=r"16 frames of at least 32x32"):
        samples(centres=12)


def test_clean_clips_reads_folders_and_names_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    frames = np.random.default_rng(0).integers(0, 255, (6, 40, 48, 3)).astype(np.uint8)
    (tmp_path / "clips" / "a").mkdir(parents=True)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "clips" / "a" / f"{t}.png"), frame[..., ::-1])
    source = CleanClips(tmp_path / "clips")
    assert list(source.names) == ["a"]
    assert source.shape(0) == (6, 40, 48)
    rainy, clean = source.read(0, [4, 1], Box(4, 8, 32, 40), (32, 40), np.random.default_rng(1))
    np.testing.assert_array_equal(clean, frames[[4, 1], 4:36, 8:48])
    assert rainy[0].shape == (32, 40, 3)
    with pytest.raises(RestillError, match="no clip named b; there are: a"):
        CleanClips(tmp_path / "clips", ["b"])
    with pytest.raises(RestillError, match="no such folder"):
        CleanClips(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RestillError, match="holds no clips"):
        CleanClips(tmp_path / "empty")
