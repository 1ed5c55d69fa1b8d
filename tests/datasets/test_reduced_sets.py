"""Super-resolution sets: clean frames on tiny made-up trees, and small ones made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picture_trees import CLEAN, write

from restill.datasets import open_paired, open_source
from restill.datasets.files import read_picture
from restill.degradations.downsample import downsample
from restill.errors import RestillError

SIZE = (16, 24)


def septuplets(root: Path, listed: dict[str, list[str]]) -> Path:
    for names in listed.values():
        for name in names:
            for t in range(1, 8):
                write(root / "sequences" / name / f"im{t}.png", CLEAN, number=t, size=SIZE)
    for file, names in listed.items():
        (root / file).write_text("".join(f"{name}\n" for name in names))
    return root


LISTS = {
    "sep_trainlist.txt": ["00001/0001", "00001/0003"],
    "sep_testlist.txt": ["00001/0002", "00010/0001"],
    "fast_testset.txt": ["00010/0001"],
}


@pytest.mark.parametrize("inside", ["", "vimeo_septuplet"])
def test_vimeo_lists_say_what_is_what(tmp_path: Path, inside: str) -> None:
    septuplets(tmp_path / inside, LISTS)
    assert open_paired("vimeo90k", tmp_path).names == LISTS["sep_testlist.txt"]
    assert open_paired("vimeo90k", tmp_path, "train").names == LISTS["sep_trainlist.txt"]
    fast = open_paired("vimeo90k", tmp_path, "fast")
    assert fast.names == LISTS["fast_testset.txt"]
    assert len(fast.clips[0]) == 7
    small, clean = fast.clips[0].read(3)
    assert clean is not None
    assert clean[0, 0, 1] == 4  # im4
    assert small.shape == (4, 6, 3)
    np.testing.assert_array_equal(small, downsample(clean))


def test_vimeo_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RestillError, match=r"folder sequences is missing; Vimeo.*sep_trainlist\.txt"):
        open_paired("vimeo90k", tmp_path)
    septuplets(tmp_path, LISTS)
    with pytest.raises(RestillError, match=r"slow_testset\.txt: is missing, the list"):
        open_paired("vimeo90k", tmp_path, "slow")
    (tmp_path / "meta_info_Vimeo90K_test_slow_GT.txt").write_text(
        "00001/0002 7 (256,448,3)\n00009/0009 7 (256,448,3)\n"
    )
    with pytest.warns(UserWarning, match=r"00009/0009: is not there, although meta_info"):
        slow = open_paired("vimeo90k", tmp_path, "slow")
    assert slow.names == ["00001/0002"]
    (tmp_path / "sequences" / "00001" / "0002" / "im5.png").unlink()
    with pytest.raises(RestillError, match=r"im5\.png: does not exist"):
        slow.clips[0].read(4)


@pytest.mark.parametrize("place", ["{}", "GT/{}", "{}/gt", "{}/original"])
def test_vid4(tmp_path: Path, place: str) -> None:
    for name, frames in (("walk", 12), ("city", 3)):
        for t in range(frames):
            write(tmp_path / place.format(name) / f"{t}.png", CLEAN, number=t, size=SIZE)
    data = open_paired("vid4", tmp_path)
    assert data.names == ["city", "walk"]
    assert data.shape(1) == (12, *SIZE)
    clean = data.clips[1].read(10)[1]
    assert clean is not None
    assert clean[0, 0, 1] == 10  # and not 2, which a plain sort would give


def test_options_and_odd_sizes(tmp_path: Path) -> None:
    write(tmp_path / "walk" / "1.png", CLEAN, size=(18, 25))
    whole = read_picture(tmp_path / "walk" / "1.png")
    data = open_paired("vid4", tmp_path, options={"scale": 3, "sigma": 1.0, "offset": 1})
    small, clean = data.clips[0].read(0)
    assert clean is not None
    assert data.shape(0) == (1, *clean.shape[:2]) == (1, 18, 24)
    assert small.shape == (6, 8, 3)
    np.testing.assert_array_equal(small, downsample(whole[:, :24], 3, 1.0, 1))
    with pytest.raises(RestillError, match="offset from 0 to scale - 1"):
        open_paired("vid4", tmp_path, options={"offset": 4})


def test_training_reads_a_region_and_makes_it_small(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from restill.datasets.clips import Box

    source = open_source("vimeo90k", septuplets(tmp_path, LISTS))
    assert list(source.names) == LISTS["sep_trainlist.txt"]
    small, clean = source.read(0, [6, 0], Box(4, 8, 8, 16), (8, 16), np.random.default_rng(0))
    assert [frame[0, 0].tolist() for frame in clean] == [[CLEAN, 7, 8], [CLEAN, 1, 8]]
    assert [frame.shape for frame in small] == [(2, 4, 3)] * 2
    with pytest.raises(RestillError, match="no training split"):
        open_source("vid4", tmp_path)


def test_shared_clip(shared_data: Path) -> None:
    data = open_paired("vid4", shared_data / "test_only" / "vid4")
    assert data.names == ["walk_first12"]
    assert data.shape(0) == (12, 480, 720)
    assert data.clips[0].read(11)[0].shape == (120, 180, 3)
