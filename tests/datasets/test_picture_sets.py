"""Every layout of every picture set, on tiny synthetic folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_trees import CLEAN, DEGRADED, SIZE, plant, told, write

from restill.datasets import DATASETS, TO_TRAIN_ON, open_paired, open_source, options_of, paired_class
from restill.errors import RestillError

D, C = DEGRADED, CLEAN
# data set, split, files (sides..., number), names of the pictures to find
CASES = {
    "200h, JORDER": (
        "rain200h",
        "test",
        {
            "test/rain/X2/norain-1x2.png": (D, 1),
            "test/rain/X2/norain-10x2.png": (D, 10),
            "test/norain/norain-1.png": (C, 1),
            "test/norain/norain-10.png": (C, 10),
            "train/rain/X2/norain-1x2.png": (D, 7),
            "train/norain/norain-1.png": (C, 7),
        },
        ["norain-1x2", "norain-10x2"],
    ),
    "200h, archives": (
        "rain200h",
        "train",
        {
            "rain_data_train_Heavy/rain/X2/norain-2x2.png": (D, 2),
            "rain_data_train_Heavy/norain/norain-2.png": (C, 2),
            "rain_data_test_Heavy/rain/X2/norain-2x2.png": (D, 9),
            "rain_data_test_Heavy/norain/norain-2.png": (C, 9),
        },
        ["norain-2x2"],
    ),
    "200l, side by side": (
        "rain200l",
        "train",
        {"train/norain-1.png": (C, D, 1), "train/norain-2.png": (C, D, 2), "test/norain-1.png": (C, D, 9)},
        ["norain-1", "norain-2"],
    ),
    "200l, plain": ("rain200l", "test", {"test/rain/3x2.png": (D, 3), "test/norain/3.png": (C, 3)}, ["3x2"]),
    "100h, one folder": (
        "rain100h",
        "train",
        {"RainTrainH/rain-5.png": (D, 5), "RainTrainH/norain-5.png": (C, 5)},
        ["rain-5"],
    ),
    "100h, clean above rainy": (
        "rain100h",
        "test",
        {"x/Rain100H/rainy/rain-001.png": (D, 1), "x/Rain100H/norain-001.png": (C, 1)},
        ["rain-001"],
    ),
    "100l, in the root": (
        "rain100l",
        "test",
        {"rain/00001.png": (D, 1), "rain/00002.png": (D, 2), "gt/00001.png": (C, 1), "gt/00002.png": (C, 2)},
        ["00001", "00002"],
    ),
    "100l, input and target": ("rain100l", "test", {"input/a.png": (D, 1), "target/a.png": (C, 1)}, ["a"]),
    "coco, input and target": (
        "coco350",
        "test",
        {"COCO350/input/7.png": (D, 7), "COCO350/target/7.png": (C, 7)},
        ["7"],
    ),
    "bdd, in the root": ("bdd150", "test", {"rain/a-1.png": (D, 1), "norain/a-1.png": (C, 1)}, ["a-1"]),
    "12, one folder": ("rain12", "test", {"001_in.png": (D, 1), "001_GT.png": (C, 1)}, ["001_in"]),
    "12, two folders": ("rain12", "test", {"Rain12/rain/00001.png": (D, 1), "Rain12/gt/00001.png": (C, 1)}, ["00001"]),
    "1200, archive": (
        "rain1200",
        "train",
        {
            "DID-MDN-training/Rain_Heavy/train2018new/0.jpg": (D, C, 1),
            "DID-MDN-training/Rain_Light/train2018new/0.jpg": (D, C, 2),
            "DID-MDN-test/0.jpg": (D, C, 9),
        },
        ["Rain_Heavy/0", "Rain_Light/0"],
    ),
    "1200, test": (
        "rain1200",
        "test",
        {"DID-MDN-test/0.jpg": (D, C, 1), "DID-MDN-test/10.jpg": (D, C, 10)},
        ["0", "10"],
    ),
    "1400": (
        "rain1400",
        "test",
        {
            **{f"testing/rainy_image/7_{rain}.jpg": (D, 7) for rain in range(1, 15)},
            "testing/ground_truth/7.jpg": (C, 7),
            "training/rainy_image/7_1.jpg": (D, 9),
            "training/ground_truth/7.jpg": (C, 9),
        },
        [f"7_{rain}" for rain in range(1, 15)],
    ),
    "1400, one clean each": (
        "rain1400",
        "test",
        {
            "test/input/1_2.png": (D, 2),
            "test/target/1_2.png": (C, 2),
            "test/input/1_3.png": (D, 3),
            "test/target/1_3.png": (C, 3),
        },
        ["1_2", "1_3"],
    ),
    "spa": (
        "spa-data",
        "test",
        {"real_test_1000/rain/000.png": (D, 1), "real_test_1000/gt/000gt.png": (C, 1)},
        ["000"],
    ),
    "gopro, archive": (
        "gopro",
        "train",
        {
            **{
                f"train/GOPR0372_07_0{v}/{s}/00004{v}.png": (side, v)
                for v in (0, 1)
                for s, side in (("blur", D), ("sharp", C))
            },
            "train/GOPR0372_07_00/blur_gamma/000040.png": (D + 20, 0),
            "test/GOPR0384_11_00/blur/000001.png": (D, 9),
            "test/GOPR0384_11_00/sharp/000001.png": (C, 9),
        },
        ["GOPR0372_07_00/000040", "GOPR0372_07_01/000041"],
    ),
    "gopro, flat": (
        "gopro",
        "test",
        {"GoPro/test/input/GOPR0384_11_00-000001.png": (D, 1), "GoPro/test/target/GOPR0384_11_00-000001.png": (C, 1)},
        ["GOPR0384_11_00-000001"],
    ),
    "hide": (
        "hide",
        "test",
        {
            "HIDE_dataset/test/test-close-ups/1.png": (D, 1),
            "HIDE_dataset/test/test-long-shot/2.png": (D, 2),
            "HIDE_dataset/train/3.png": (D, 9),
            **{f"HIDE_dataset/GT/{n}.png": (C, n) for n in (1, 2, 3)},
        },
        ["1", "2"],
    ),
    "hide, flat": ("hide", "test", {"HIDE/test/input/1.png": (D, 1), "HIDE/test/target/1.png": (C, 1)}, ["1"]),
    "sidd": (
        "sidd",
        "train",
        {
            **{
                f"Data/0001_001_S6_00100_00060_3200_L/0001_{kind}_SRGB_0{n}.PNG": (side, n)
                for n in (10, 11)
                for kind, side in (("NOISY", D), ("GT", C))
            }
        },
        ["0001_001_S6_00100_00060_3200_L/0001_NOISY_SRGB_010", "0001_001_S6_00100_00060_3200_L/0001_NOISY_SRGB_011"],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("error")
def test_layout(tmp_path: Path, case: str) -> None:
    name, split, files, names = CASES[case]
    data = open_paired(name, plant(tmp_path, files), split)
    assert data.names == names
    assert data.shape(0) == (1, *SIZE)
    for clip in data.clips:
        (degraded, number), (clean, partner) = told(clip.read(0))
        assert (degraded, clean) == (D, C)
        assert abs(number - partner) <= 2  # JPEG
        assert number != 9  # the other split


def test_halves_are_told_apart_by_order_alone(tmp_path: Path) -> None:
    write(tmp_path / "test" / "1.png", D, C, number=1)
    clip = open_paired("rain200h", tmp_path, options={"order": "rainy-first"}).clips[0]
    assert told(clip.read(0)) == ((D, 1), (C, 1))
    clip = open_paired("rain200h", tmp_path).clips[0]
    assert told(clip.read(0)) == ((C, 1), (D, 1))
    assert open_paired("rain1200", tmp_path).order == "rainy-first"
    with pytest.raises(RestillError, match="clean-first or rainy-first, not 'left'"):
        open_paired("rain200h", tmp_path, options={"order": "left"})
    write(tmp_path / "test" / "1.png", D, C, number=1, size=(6, 7))
    assert open_paired("rain200h", tmp_path).shape(0) == (1, 6, 7)


@pytest.mark.filterwarnings("ignore:.*without a partner")
def test_gopro_takes_the_blur_it_is_told(tmp_path: Path) -> None:
    root = plant(tmp_path, CASES["gopro, archive"][2])
    data = open_paired("gopro", root, "train", options={"blur": "blur_gamma"})
    assert data.names == ["GOPR0372_07_00/000040"]
    assert told(data.clips[0].read(0))[0] == (D + 20, 0)
    with pytest.raises(RestillError, match="blur or blur_gamma, not 'gamma'"):
        open_paired("gopro", root, options={"blur": "gamma"})


@pytest.mark.parametrize("name", ["real275", "ivipc"])
@pytest.mark.parametrize("folder", ["test/rain/", "rain/", ""])
def test_real_rain_has_no_clean_side(tmp_path: Path, name: str, folder: str) -> None:
    data = open_paired(name, plant(tmp_path, {f"{folder}norain-{n}.png": (D, n) for n in (1, 2, 10)}))
    assert data.names == ["norain-1", "norain-2", "norain-10"]
    assert told(data.clips[2].read(0)) == ((D, 10),)
    with pytest.raises(RestillError, match="no training split"):
        open_source(name, tmp_path)
    pytest.importorskip("torch")
    assert open_source(name, tmp_path, unpaired=True).names == data.names


def test_spa_trains_on_its_list(tmp_path: Path) -> None:
    with pytest.raises(RestillError, match=r"real_world\.txt is missing.*real_world/ and real_world_gt/"):
        open_paired("spa-data", tmp_path, "train")
    lines = [f"/real_world/000/{n}.png /real_world_gt/{n}gt.png" for n in (2, 1)]
    (tmp_path / "real_world.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(RestillError, match="real_world: is not there, although"):
        open_paired("spa-data", tmp_path, "train")
    for n in (1, 2):
        plant(tmp_path, {f"real_world/000/{n}.png": (D, n), f"real_world_gt/{n}gt.png": (C, n)})
    data = open_paired("spa-data", tmp_path, "train")
    assert data.names == ["real_world/000/1", "real_world/000/2"]
    assert told(data.clips[1].read(0)) == ((D, 2), (C, 2))
    (tmp_path / "real_world.txt").write_text("one.png\n")
    with pytest.raises(RestillError, match="line 1 should name two files"):
        open_paired("spa-data", tmp_path, "train")


def test_what_has_no_partner_is_left_out_with_a_notice(tmp_path: Path) -> None:
    plant(tmp_path, {f"test/rain/{n}.png": (D, n) for n in (1, 2)} | {f"test/norain/{n}.png": (C, n) for n in (2, 3)})
    with pytest.warns(UserWarning, match=r"2 files without a partner .*rain/1\.png: its clean picture is missing"):
        data = open_paired("rain200h", tmp_path)
    assert data.names == ["2"]
    assert len(data.problems) == 2


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in TO_TRAIN_ON])
def test_what_is_missing_is_said_with_the_layout(tmp_path: Path, name: str) -> None:
    cls = paired_class(name)
    for split in cls.splits:
        with pytest.raises(RestillError) as nothing:
            open_paired(name, tmp_path, split)
        text = str(nothing.value)
        assert str(tmp_path) in text
        assert cls.layout.splitlines()[0] in text
        assert "\n" not in text
    with pytest.raises(RestillError, match=r"no such folder; .* is expected as "):
        open_paired(name, tmp_path / "nowhere")
    with pytest.raises(RestillError, match="has no split 'val'"):
        open_paired(name, tmp_path, "val")
    with pytest.raises(RestillError, match="has no option 'colour'"):
        open_paired(name, tmp_path, options={"colour": 1})


def test_a_side_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "test" / "rain" / "1.png", D)
    with pytest.raises(RestillError, match=r"rain/1\.png: its clean picture is missing; Rain200H .* is expected as"):
        open_paired("rain200h", tmp_path)


def test_one_side_is_no_pair_of_halves(tmp_path: Path) -> None:
    plant(tmp_path, {"Rain100H/norain-001.png": (C, 1), "Rain12/001_GT.png": (C, 1)})
    with pytest.raises(RestillError, match=r"norain-001\.png: its degraded picture is missing"):
        open_paired("rain100h", tmp_path)
    with pytest.raises(RestillError, match=r"001_GT\.png: its degraded picture is missing"):
        open_paired("rain12", tmp_path)


def test_two_copies_are_not_mixed(tmp_path: Path) -> None:
    for copy in ("Rain200H", "Rain200L"):
        plant(tmp_path / copy, {"test/rain/1.png": (D, 1), "test/norain/1.png": (C, 1)})
    with pytest.raises(RestillError, match="two copies"):
        open_paired("rain200h", tmp_path)


def test_sizes_that_differ_and_files_that_are_no_picture(tmp_path: Path) -> None:
    plant(tmp_path, {"test/input/1.png": (D, 1), "test/target/1.png": (C, 1)})
    write(tmp_path / "test" / "target" / "1.png", C, size=(4, 4))
    clip = open_paired("rain200h", tmp_path).clips[0]
    with pytest.raises(
        RestillError, match=r"target/1\.png: its size differs from that of .*: they are 4x4 and 8x6 pixels"
    ):
        clip.read(0)
    (tmp_path / "test" / "input" / "1.png").write_text("no picture")
    with pytest.raises(RestillError, match=r"input/1\.png: cannot be read"):
        clip.read(0)


def test_pictures_are_chosen_by_name(tmp_path: Path) -> None:
    plant(tmp_path, CASES["100l, in the root"][2])
    assert open_paired("rain100l", tmp_path, clips=["00002"]).names == ["00002"]
    with pytest.raises(RestillError, match="has no clip 7 in the test split; it has 00001, 00002;"):
        open_paired("rain100l", tmp_path, clips=["7"])


def test_options_are_listed() -> None:
    assert options_of("rain200h") == {"order": None}
    assert options_of("vid4") == {"scale": 4, "sigma": 1.6, "offset": 0}
    assert options_of("hide") == {}


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in TO_TRAIN_ON])
def test_the_page_shows_every_layout(name: str) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert f"### `{name}`" in page, f"docs/datasets.md has no section '### `{name}`'"
    assert paired_class(name).layout in page, f"docs/datasets.md does not show the layout of {name}"
    for option in options_of(name):
        assert f"`{option}`" in page, f"docs/datasets.md does not name the option '{option}' of {name}"


def test_shared_pictures(shared_data: Path) -> None:
    root = shared_data / "test_only" / "rain_image"
    assert len(open_paired("rain12", root / "Rain12").clips) == 12
    assert len(open_paired("rain100l", root / "Rain100L_first10").clips) == 10
