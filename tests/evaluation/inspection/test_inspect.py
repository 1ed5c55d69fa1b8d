"""restill inspect on tiny clips: the files, pixels that are known, and a sentence for each mistake."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from restill.cli import app
from restill.distillation.hooks import FeatureHook
from restill.distillation.scales import attention_map, channel_map
from restill.errors import RestillError
from restill.evaluation.inspection.feature_maps import Look
from restill.evaluation.inspection.inspect import inspect
from restill.evaluation.inspection.pictures import GAP
from restill.evaluation.models import load_checkpoint
from restill.networks import create
from restill.networks.saved import save_network

torch.set_num_threads(1)

FRAMES, HEIGHT, WIDTH = 6, 20, 26
PLAIN = {"crops.png", "frames.png", "index.html", "inspect.json", "profile.png"}
MAPS = {f"{name}.png" for name in ("mean_sq", "unit_mean_sq", "sum_of_squares", "sum_of_abs", "max_of_squares")}


def write(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{t}.png"), frame)
    return folder


@pytest.fixture
def clips(tmp_path) -> tuple[Path, Path]:
    """A rainy and a clean clip: gray 50 throughout, and frame 3 of the rainy one is 30 brighter."""
    clean = [np.full((HEIGHT, WIDTH, 3), 50, np.uint8) for _ in range(FRAMES)]
    rainy = [frame + np.uint8(30 * (t == 3)) for t, frame in enumerate(clean)]
    return write(tmp_path / "rain", rainy), write(tmp_path / "gt", clean)


def checkpoint(folder: Path, name: str, **options) -> Path:
    torch.manual_seed(0)
    folder.mkdir()
    network = create(name, **options)
    info = {"network": name, "options": options, "align": "none", "name": folder.name}
    save_network(folder / "student.safetensors", network, info)
    return folder


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1]


def test_known_pixels_of_an_exported_model(clips, tmp_path):
    rain, gt = clips
    page = inspect(rain, ["min-median"], tmp_path / "a" / "look", clean=gt, quiet=True)
    assert page == tmp_path / "a" / "look" / "index.html"
    assert {path.name for path in page.parent.iterdir()} == PLAIN | {"errors.png"}
    about = json.loads((page.parent / "inspect.json").read_text())
    assert (about["frame"], about["frames"], about["row"]) == (3, FRAMES, 9)
    psnr = {view["label"]: view["psnr"] for view in about["shown"]}
    assert psnr["input"] == pytest.approx(20 * math.log10(255 / 30))
    assert psnr["min-median"] is None  # infinite: it takes the middle of 50, 80, 50
    wide = 11 * WIDTH  # a panel: 26 columns, enlarged to 280 or more
    errors = read(page.parent / "errors.png")
    assert tuple(errors[GAP, GAP]) == (252, 255, 164)  # the input: 30 levels, the end of the scale
    assert tuple(errors[GAP, 2 * GAP + wide]) == (0, 0, 4)  # the model: none
    (listed,) = [entry for entry in about["pictures"] if entry["file"] == "errors.png"]
    assert (listed["scale"], listed["panels"]) == ([0.0, 30.0], ["input", "min-median"])
    profile = read(page.parent / "profile.png")[GAP:, GAP + 5, 0]  # down the first strip, 22 lines a frame
    assert profile[: 22 * FRAMES : 22].tolist() == [50, 50, 50, 80, 50, 50]


def test_the_page_opens_offline(clips, tmp_path):
    page = inspect(clips[0], ["min-median"], tmp_path / "look", quiet=True)
    text = page.read_text()
    sources = re.findall(r'src="([^"]*)"', text)
    assert sources == ["frames.png", "crops.png", "profile.png"]
    assert all((page.parent / source).is_file() for source in sources)
    assert "://" not in text
    assert "$" not in text


def test_checkpoints_show_features(clips, tmp_path):
    runs = [
        checkpoint(tmp_path / "teacher", "rill-l", channels=8),
        checkpoint(tmp_path / "student", "rill-s", channels=8),
    ]
    page = inspect(clips[0], ["min-median", *runs], tmp_path / "look", features=["body.3", "first"], quiet=True)
    assert {path.name for path in page.parent.iterdir()} == PLAIN | MAPS
    about = json.loads((page.parent / "inspect.json").read_text())
    assert [view["feature"] for view in about["shown"]] == [None, None, "body.3", "first"]
    assert about["pictures"][-1]["panels"] == list(map(str, runs))  # the exported model has none


def test_maps_are_of_the_frame_and_without_padding(tmp_path):
    rng = np.random.default_rng(0)
    width = 25
    frames = [rng.integers(0, 256, (HEIGHT, width, 3), np.uint8) for _ in range(4)]
    model = load_checkpoint(checkpoint(tmp_path / "run", "rill-s", channels=8))
    look = Look(model, "run")
    window = np.stack(frames[1:4]).transpose(0, 3, 1, 2)[None].astype(np.float32) / 255
    window = np.pad(window, [(0, 0)] * 4 + [(0, 1)], mode="edge")  # 25 columns are 26 for the network
    with look.tap, FeatureHook(model.network, "head:input") as tap:
        model.run(window)
        maps = look.maps((HEIGHT, width))
    feature = tap.value[..., :12]  # round(13 * 25 / 26)
    assert maps["mean_sq"].shape == (10, 12)
    assert np.array_equal(maps["mean_sq"], channel_map(feature, "mean_sq")[0, 0])
    for kind in ("sum_of_squares", "sum_of_abs", "max_of_squares"):
        expected = attention_map(feature, kind)[0, 0]
        assert np.allclose(maps[kind], expected / expected.mean(), rtol=1e-5)


def test_each_frame_meets_its_own_feature(clips, tmp_path, monkeypatch):
    """What is written for frame N is what the network showed in its window around N, look-ahead or not."""
    seen = []
    maps = Look.maps

    def kept(self, size):
        found = maps(self, size)
        seen.append(found["mean_sq"])
        return found

    monkeypatch.setattr(Look, "maps", kept)
    run = checkpoint(tmp_path / "run", "rill-s", channels=8)
    inspect(clips[0], [run], tmp_path / "look", frame=4, quiet=True)
    model = load_checkpoint(run)
    window = np.full((1, 3, 3, HEIGHT, WIDTH), 50 / 255, np.float32)
    window[:, 0] = 80 / 255  # frames 3, 4, 5
    with FeatureHook(model.network, "head:input") as tap:
        model.run(window)
    assert len(seen) == 1
    assert np.allclose(seen[0], channel_map(tap.value, "mean_sq")[0, 0], rtol=1e-4)


def test_super_resolution(tmp_path):
    small = write(tmp_path / "small", [np.full((8, 12, 3), 90, np.uint8)] * 3)
    large = write(tmp_path / "large", [np.full((32, 48, 3), 90, np.uint8)] * 3)
    run = checkpoint(tmp_path / "run", "vsrnet", width=4, frames=5)
    page = inspect(small, [run], tmp_path / "look", clean=large, region="40,20,8,4", row=31, quiet=True)
    about = json.loads((page.parent / "inspect.json").read_text())
    assert about["shown"][0]["psnr"] is None  # the enlarged input is the clean one
    with pytest.raises(RestillError, match=r"'.*small' is 12x8; for these models the clean clip must be 48x32"):
        inspect(small, [run], tmp_path / "other", clean=small, quiet=True)
    with pytest.raises(RestillError, match=r"the models enlarge by \[1, 4\]"):
        inspect(small, [run, "min-median"], tmp_path / "other", quiet=True)


def test_an_earlier_run_is_replaced_whole(clips, tmp_path):
    rain, gt = clips
    folder = tmp_path / "look"
    inspect(rain, ["min-median"], folder, clean=gt, quiet=True)
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(RestillError, match="look' is not empty; give another, or --overwrite"):
        inspect(rain, ["min-median"], folder, quiet=True)
    inspect(rain, ["min-median"], folder, overwrite=True, quiet=True)
    assert {path.name for path in folder.iterdir()} == PLAIN | {"mine.txt"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"models": []}, "no model is named"),
        ({"models": ["none"]}, "model 'none' is the input, which is shown in any case"),
        ({"models": ["rill-xxl"]}, "model 'rill-xxl' is not known"),
        ({"frame": 6}, "frame 6 is not among the 6 frames of 'rain' that are read; the first is 0"),
        ({"frame": 3, "limit": 3}, "frame 3 is not among the 3 frames"),
        ({"frame": -1}, "frame -1 is not in"),
        ({"row": 20}, "row 20 is not in a picture of 26x20; its rows are 0 to 19"),
        ({"region": "20,0,10,4"}, "region 20,0,10,4 leaves the picture of 26x20"),
        ({"features": ["body.0"]}, "no model is a checkpoint"),
        ({"clean": "short"}, "short' has 2 frames and '.*rain' 6"),
        ({"output": "rain/0.png"}, r"0\.png' is a file"),
    ],
)
def test_each_mistake_gets_its_sentence(clips, tmp_path, options, says):
    write(tmp_path / "short", [np.full((HEIGHT, WIDTH, 3), 50, np.uint8)] * 2)
    given = {"models": ["min-median"], "output": tmp_path / "look", "frame": 1, **options}
    given |= {key: tmp_path / given[key] for key in ("clean", "output") if key in given}
    with pytest.raises(RestillError, match=says):
        inspect(clips[0], quiet=True, **given)
    assert not (tmp_path / "look").exists()


def test_features_that_do_not_fit(clips, tmp_path):
    run = checkpoint(tmp_path / "run", "rill-s", channels=8)
    with pytest.raises(RestillError, match="3 features are named for 1 checkpoints; give one, or each"):
        inspect(clips[0], [run], tmp_path / "look", features=["first", "head", "body"], quiet=True)
    with pytest.raises(RestillError, match=r"RillS has no module 'body\.7'"):
        inspect(clips[0], [run], tmp_path / "look", features=["body.7"], quiet=True)


def test_command(clips, tmp_path):
    rain, gt = clips
    words = ["inspect", rain, "--model", "min-median", "--clean", gt, "-o", tmp_path / "look", "--region", "0,0,8,8"]
    done = CliRunner().invoke(app, [*map(str, words), "--frame", "3", "--row", "2", "--quiet"])
    assert done.exit_code == 0, done.output
    about = json.loads((tmp_path / "look" / "inspect.json").read_text())
    assert (about["frame"], about["row"], about["region"]) == (3, 2, {"x": 0, "y": 0, "w": 8, "h": 8})


def test_no_torch_is_needed_without_a_checkpoint(clips, tmp_path):
    code = (
        "import sys; from restill.evaluation.inspection.inspect import inspect; "
        f"inspect({str(clips[0])!r}, ['min-median'], {str(tmp_path / 'look')!r}, quiet=True); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
