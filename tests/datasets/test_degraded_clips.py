"""Samples of clips whose degraded side is made as they are read, at the clean frames' size and smaller."""

import cv2
import numpy as np
import pytest
import torch

from restill.datasets import open_source
from restill.datasets.clean_clips import CleanClips
from restill.datasets.clips import ClipSamples
from restill.degradations import make_degradation
from restill.degradations.blur import gaussian_blur
from restill.degradations.downsample import downsample
from restill.errors import RestillError


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (7, 64, 92, 3)).astype(np.uint8)


@pytest.fixture
def root(tmp_path, frames, monkeypatch):
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "clips" / "a").mkdir(parents=True)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "clips" / "a" / f"{t}.png"), frame[..., ::-1])
    return tmp_path / "clips"


def samples(root, kind, crop=32, **changes):
    options = {"centres": 1, "context": 1, "align": "none"} | changes
    return ClipSamples(CleanClips(root, degradation=kind), 40, 3, crop=crop, **options)


def pictures(tensor):
    return np.ascontiguousarray(tensor.numpy().transpose(0, 2, 3, 1))


def where(frames, crop):
    """(t, top, left) of a crop (h, w, 3) in the frames."""
    found = [(t, cv2.matchTemplate(frame, crop, cv2.TM_SQDIFF).argmin()) for t, frame in enumerate(frames)]
    width = frames.shape[2] - crop.shape[1] + 1
    places = [(t, at // width, at % width) for t, at in found]
    return next((t, y, x) for t, y, x in places if (frames[t, y : y + len(crop), x : x + crop.shape[1]] == crop).all())


@pytest.mark.parametrize("offset", [0, 1, 3])
@pytest.mark.parametrize("crop", [32, 60])
def test_small_crops_are_what_the_whole_frame_gives_there_mirrored_or_not(root, frames, offset, crop):
    kind = make_degradation("downsample", offset=offset)
    mirrored = 0
    for sample in (samples(root, kind, crop)[i] for i in range(12)):
        assert sample["clean"].shape == (3, 3, crop, crop)
        assert sample["degraded"].shape == (3, 3, crop // 4, crop // 4)
        clean, small = pictures(sample["clean"])[1], pictures(sample["degraded"])[1]
        again = downsample(clean, offset=offset)
        # away from the crop's edge, the kernel and the grid are the same as for a frame that was never mirrored
        np.testing.assert_array_equal(small[2:-2, 2:-2], again[2:-2, 2:-2])
        try:
            t, top, left = where(frames, clean)
        except StopIteration:
            mirrored += 1
            continue
        assert top % 4 == left % 4 == 0
        whole = downsample(frames[t], offset=offset)[top // 4 : (top + crop) // 4, left // 4 : (left + crop) // 4]
        np.testing.assert_array_equal(small, whole)
    assert 2 < mirrored < 10


def test_a_frame_as_wide_as_the_crop_is_not_mirrored_when_it_is_made_small(tmp_path, root, frames):
    square = np.ascontiguousarray(frames[:, :60, :60])
    (tmp_path / "narrow" / "a").mkdir(parents=True)
    for t, frame in enumerate(square):
        cv2.imwrite(str(tmp_path / "narrow" / "a" / f"{t}.png"), frame[..., ::-1])
    dataset = samples(tmp_path / "narrow", make_degradation("downsample"), 60)
    assert {where(square, pictures(dataset[i]["clean"])[1])[1:] for i in range(8)} == {(0, 0)}


def test_neighbors_are_aligned_at_the_small_size(root):
    dataset = samples(root, make_degradation("downsample", scale=2), align="dis", centres=2, margin=16)
    sample = dataset[0]
    assert sample["windows"].shape == (2, 3, 3, 16, 16)
    assert torch.equal(sample["windows"][:, 1], sample["degraded"][1:3])
    assert not torch.equal(sample["windows"][:, 0], sample["degraded"][0:2])


def test_a_blurred_crop_is_what_the_whole_frame_gives_there(root, frames):
    for index in range(4):
        sample = samples(root, make_degradation("blur", sigma=2.0), augment=False)[index]
        t, top, left = where(frames, pictures(sample["clean"])[0])
        whole = gaussian_blur(frames[t], 2.0)[top : top + 32, left : left + 32]
        np.testing.assert_array_equal(pictures(sample["degraded"])[0], whole)


def test_noise_is_drawn_for_each_sample_and_each_frame(root):
    dataset = samples(root, make_degradation("noise", sigma=[1, 60]), augment=False)
    errors = [dataset[i]["degraded"].float() - dataset[i]["clean"].float() for i in range(6)]
    spread = [float(error.std()) for error in errors]
    assert max(spread) > 3 * min(spread)
    assert not torch.equal(errors[0][0], errors[0][1])


def test_edges_that_are_replicated_need_no_context(root, frames):
    dataset = samples(root, make_degradation("downsample"), centres=7, context=3, edges="replicate", augment=False)
    sample = dataset[0]
    assert sample["clean"].shape[0] == sample["degraded"].shape[0] == 13
    for side in ("clean", "degraded"):
        clip = sample[side]
        assert all(torch.equal(clip[t], clip[3]) for t in range(3))
        assert all(torch.equal(clip[t], clip[9]) for t in range(10, 13))
        assert not torch.equal(clip[3], clip[4])
    with pytest.raises(RestillError, match="13 frames"):
        samples(root, None, centres=7, context=3)


def test_a_crop_that_does_not_divide_is_told(root):
    with pytest.raises(RestillError, match=r"data\.crop 30 must be a multiple of 4"):
        samples(root, make_degradation("downsample"), 30)


def test_a_set_that_brings_its_own_takes_no_degradation(tmp_path):
    with pytest.raises(RestillError, match=r"data\.degradation is for clean-clips and clean-photos"):
        open_source("nturain", tmp_path, degradation=make_degradation("noise"))
