"""NTURain in every layout, on tiny made-up trees."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.datasets import open_source
from restill.datasets.benchmarks.nturain import NTURain
from restill.errors import RestillError


def write(folder: Path, frames: int = 3, value: int = 0, suffix: str = ".png", size: tuple[int, int] = (6, 8)) -> None:
    folder.mkdir(parents=True)
    for t in range(1, frames + 1):
        picture = np.full((*size, 3), (0, t, value), np.uint8)  # BGR: red says which side, green which frame
        cv2.imwrite(str(folder / f"{t:05d}{suffix}"), picture)


def archives(root: Path) -> Path:
    for clip in ("a1", "b2"):
        write(root / f"{clip}_Rain", value=200)
        write(root / f"{clip}_GT", value=100)
        write(root / f"{clip}_spacCNN")
    write(root / "ra1_Rain", value=200)
    for scene, count in (("t1", 3), ("t7", 4)):
        write(root / f"{scene}_GT", value=100)
        for number in range(1, count + 1):
            write(root / f"{scene}_Rain_{number:02d}", value=200)
    (root / "a1_Rain" / "Thumbs.db").write_bytes(b"not a picture")
    return root


def archives_in_folders(root: Path) -> Path:
    flat = archives(root / "flat")
    for folder in flat.iterdir():
        (root / folder.name).mkdir()
        folder.rename(root / folder.name / folder.name)
    flat.rmdir()
    return root


def authors(root: Path) -> Path:
    for clip in ("a1", "b2"):
        write(root / "test" / clip, value=200)
        write(root / "GT" / f"{clip}_GT", value=100)
    write(root / "real" / "ra1", value=200)
    for scene, count in (("t1", 3), ("t7", 4)):
        write(root / "GT" / f"{scene}_GT", value=100)
        for number in range(1, count + 1):
            write(root / "train" / f"{scene}_Rain_{number:02d}", value=200)
    return root


def folder_per_clip(root: Path) -> Path:
    for clip in ("a1", "b2"):
        write(root / clip / "rain", value=200)
        write(root / clip / "gt", value=100)
    write(root / "ra1" / "rain", value=200)
    for scene, count in (("t1", 3), ("t7", 4)):
        for number in range(1, count + 1):
            write(root / f"{scene}_Rain_{number:02d}" / "rain", value=200)
            write(root / f"{scene}_Rain_{number:02d}" / "gt", value=100)
    return root


LAYOUTS = pytest.mark.parametrize("layout", [archives, archives_in_folders, authors, folder_per_clip])


@LAYOUTS
def test_test_split(tmp_path, layout):
    data = NTURain(layout(tmp_path))
    assert data.names == ["a1", "b2"]
    assert [len(clip) for clip in data.clips] == [3, 3]
    rainy, clean = data.clips[0].read(1)
    assert rainy.shape == clean.shape == (6, 8, 3)
    assert (rainy[0, 0].tolist(), clean[0, 0].tolist()) == ([200, 2, 0], [100, 2, 0])  # RGB, and the second frame


@LAYOUTS
def test_train_split_is_the_papers_unless_all25(tmp_path, layout):
    root = layout(tmp_path)
    three = [f"t{scene}_Rain_{number:02d}" for scene in (1, 7) for number in (1, 2, 3)]
    assert NTURain(root, "train").names == three
    assert NTURain(root, "train", all25=True).names == [*three, "t7_Rain_04"]
    assert NTURain(root, "train", clips=["t7_Rain_04"]).names == ["t7_Rain_04"]
    assert NTURain(root, "train").clips[0].read(0)[1][0, 0, 0] == 100


@LAYOUTS
def test_real_split_has_no_clean_side(tmp_path, layout):
    data = NTURain(layout(tmp_path), "real")
    assert data.names == ["ra1"]
    assert data.clips[0].clean is None
    assert data.clips[0].read(0)[1] is None


def test_clips_are_chosen_by_name_in_order_or_from_a_list(tmp_path):
    root = archives(tmp_path)
    assert NTURain(root, clips=["b2", "a1_Rain"]).names == ["b2", "a1"]
    listed = tmp_path / "test.txt"
    listed.write_text("b2\n\na1\n")
    assert NTURain(root, clips=listed).names == ["b2", "a1"]
    listed.write_text("\n")
    with pytest.raises(RestillError, match="one name per line"):
        NTURain(root, clips=listed)


def test_jpeg_and_own_names(tmp_path):
    write(tmp_path / "yard" / "Rain", suffix=".jpg", value=200)
    write(tmp_path / "yard" / "GT", suffix=".JPG", value=100)
    assert NTURain(tmp_path).names == ["yard"]


def test_extra_frames_are_left_out_with_a_notice(tmp_path):
    write(tmp_path / "a1" / "rain", frames=5)
    write(tmp_path / "a1" / "gt", frames=3)
    with pytest.warns(UserWarning, match="'a1': 2 frames"):
        data = NTURain(tmp_path)
    assert len(data.clips[0]) == 3


def test_training_reads_a_region(tmp_path):
    pytest.importorskip("torch")
    from restill.datasets.clips import Box

    data = open_source("nturain", archives(tmp_path))
    assert list(data.names) == [f"t{scene}_Rain_{number:02d}" for scene in (1, 7) for number in (1, 2, 3)]
    assert data.shape(0) == (3, 6, 8)
    rainy, clean = data.read(0, [2, 0], Box(1, 2, 4, 4), (4, 4), np.random.default_rng(0))
    assert [frame[0, 0].tolist() for frame in rainy] == [[200, 3, 0], [200, 1, 0]]
    assert [frame.shape for frame in clean] == [(4, 4, 3)] * 2


def test_each_mistake_gets_its_sentence(tmp_path):
    with pytest.raises(RestillError, match=r"no such folder.*NAME_Rain"):
        NTURain(tmp_path / "nowhere")
    with pytest.raises(RestillError, match=r"no clip of the test split.*GT/NAME_GT"):
        NTURain(tmp_path)
    write(tmp_path / "a1_Rain")
    with pytest.raises(RestillError, match=r"a1_Rain.*missing.*a1_GT"):
        NTURain(tmp_path)
    write(tmp_path / "a1_GT", size=(4, 4))
    with pytest.raises(RestillError, match=r"has no clip b1.*has a1"):
        NTURain(tmp_path, clips=["b1"])
    with pytest.raises(RestillError, match="size"):
        NTURain(tmp_path).clips[0].read(0)
    (tmp_path / "a1_GT" / "00001.png").write_text("no picture")
    with pytest.raises(RestillError, match=r"00001\.png: cannot be read"):
        NTURain(tmp_path).clips[0].read(0)
    (tmp_path / "b1_Rain").mkdir()
    write(tmp_path / "b1_GT")
    with pytest.raises(RestillError, match="b1_Rain: holds no"):
        NTURain(tmp_path, clips=["b1"])


def test_shared_clip(shared_data):
    data = NTURain(shared_data / "test_only" / "nturain")
    assert data.names == ["a1"]
    assert data.shape(0) == (168, 480, 640)
    assert "nturain_ra1" in NTURain(shared_data / "test_only" / "real_rain", "real").names
