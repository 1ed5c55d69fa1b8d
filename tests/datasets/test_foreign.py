"""The validation set foreign: rain of others over held-out clips, made by one command, never trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.datasets import make_foreign as making
from restill.datasets import open_paired
from restill.datasets.check import check
from restill.datasets.foreign_rain import KINDS, OVERLAY, STREAKS, Layers, placed, rained, streak_angle
from restill.datasets.held_out import HELD_OUT, SCORED, SOURCES
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.training.recipe import load_recipe, parse_recipe
from restill.training.samples import training_clips
from restill.video import transcode

RECIPES = Path(__file__).parents[2] / "recipes" / "rill"


def lines(height: int = 64, width: int = 96) -> np.ndarray:
    """Short vertical streaks on black, (H, W) uint8."""
    layer = np.zeros((height, width), np.uint8)
    for x, y in np.random.default_rng(0).integers((20, 20), (width - 20, height - 20), (12, 2)):
        layer[y - 8 : y + 8, x] = 200
    return layer


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of clean clips and one of layers."""
    clean, layers = tmp_path / "clean", tmp_path / "layers"
    rng = np.random.default_rng(0)
    for name in SCORED:
        (clean / name).mkdir(parents=True)
        picture = cv2.resize(rng.integers(20, 120, (4, 6, 3), np.uint8), (65, 48))
        for index in range(3):
            cv2.imwrite(str(clean / name / f"{index}.png"), picture + np.uint8(index))
    (layers / STREAKS).mkdir(parents=True)
    (layers / "overlay").mkdir()
    for index in range(4):
        cv2.imwrite(str(layers / STREAKS / f"{index}.png"), np.roll(lines(), 9 * index, axis=1))
        cv2.imwrite(str(layers / "overlay" / f"{index}.png"), np.roll(lines(), 9 * index, axis=0))
    transcode(layers / "overlay", layers / OVERLAY, lambda frames: frames)
    return clean, layers


@pytest.mark.parametrize("degrees", [-40, 0, 25])
def test_streaks_fall_at_the_angle_that_is_asked_for(degrees: int) -> None:
    layer = cv2.GaussianBlur(lines().astype(np.float32), (0, 0), 1)
    for scale in (0.8, 1.5):
        turned = placed(layer, (80, 120), degrees, scale, (0.3, 0.6))
        assert turned.shape == (80, 120)
        assert streak_angle(turned) == pytest.approx(degrees, abs=4)
        assert turned[:20].any()  # the layer is repeated
        assert turned[-20:].any()


def test_a_layer_brightens_and_never_past_white() -> None:
    layer = np.array([[0, 0.5, 1]], np.float32)
    frames = [np.full((1, 3, 3), level, np.uint8) for level in (0, 100, 255)]
    rainy = rained(frames, iter([layer] * 3))
    assert [frame[0, :, 0].tolist() for frame in rainy] == [[0, 128, 255], [100, 178, 255], [255, 255, 255]]


def test_rain_differs_in_each_frame(parts: tuple[Path, Path]) -> None:
    layers = Layers(parts[1])
    for kind in KINDS.values():
        frames = layers.frames(kind, (48, 64), np.random.default_rng(1))
        first, second = next(frames), next(frames)
        assert first.max() > 0.1
        assert first.min() >= 0
        assert first.max() <= 1
        assert not np.allclose(first, second)


def test_the_set_is_made_by_one_command(parts: tuple[Path, Path], tmp_path: Path) -> None:
    clean, layers = parts
    for folder, seed in (("one", "0"), ("same", "0"), ("other", "1")):
        command = ["data", "make", "foreign", "--clean", f"{clean}", "--layers", f"{layers}", "--quiet"]
        result = CliRunner().invoke(app, [*command, "-o", str(tmp_path / folder), "--seed", seed])
        assert result.exit_code == 0, result.output
    (whole,) = check("foreign", tmp_path / "one", quiet=True)
    assert not whole.problems
    assert whole.found == 2 * len(SCORED)
    one, same, other = (open_paired("foreign", tmp_path / folder) for folder in ("one", "same", "other"))
    assert {one.kind_of(name) for name in one.names} == set(KINDS)
    for a, b, c in zip(one.clips, same.clips, other.clips, strict=True):
        rainy, truth = a.read(1)
        source = cv2.imread(str(clean / a.name.rpartition(".")[0] / "1.png"))[:, :64, ::-1]  # even sizes
        assert truth is not None
        np.testing.assert_array_equal(truth, source)
        np.testing.assert_array_equal(rainy, b.read(1)[0])
        assert (rainy != c.read(1)[0]).any()
        assert rainy.mean() > truth.mean()


def test_what_is_missing_is_named(parts: tuple[Path, Path], tmp_path: Path) -> None:
    clean, layers = parts
    (layers / OVERLAY).unlink()
    with pytest.raises(RestillError, match=f"has no {OVERLAY}"):
        making.make_foreign(clean, layers, tmp_path / "out", quiet=True)
    (clean / SCORED[3]).rename(tmp_path / "elsewhere")
    with pytest.raises(RestillError, match=f"has no clip {SCORED[3]}"):
        making.make_foreign(clean, layers, tmp_path / "out", quiet=True)
    with pytest.raises(RestillError, match="exists already"):
        making.make_foreign(clean, layers, tmp_path, quiet=True)
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(app, ["data", "make", "nturain", "--clean", "a", "--layers", "b", "-o", "c"])
    assert result.exit_code != 0
    assert "nturain" in str(result.exception or result.output)


def test_scores_are_given_by_kind(tmp_path: Path) -> None:
    for name, more in (("a.light", 10), ("b.light", 20), ("a.heavy", 40)):
        for side, level in (("gt", 50), ("rain", 50 + more)):
            (tmp_path / name / side).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / name / side / "1.png"), np.full((16, 16, 3), level, np.uint8))
    report = evaluate("none", "foreign", tmp_path, quiet=True)
    assert report.protocol.name == "foreign"
    psnr = {name: row["psnr"] for name, row in report.clips.items()}
    assert report.by_kind["heavy"]["psnr"] == psnr["a.heavy"]
    assert report.by_kind["light"]["psnr"] == pytest.approx((psnr["a.light"] + psnr["b.light"]) / 2)
    assert report.mean["psnr"] == pytest.approx(sum(psnr.values()) / 3)
    assert report.as_dict()["by_kind"].keys() == {"light", "heavy"}
    (tmp_path / "b.light" / "gt" / "1.png").rename(tmp_path / "b.light" / "gt" / "2.png")
    with pytest.raises(RestillError, match="same names"):
        open_paired("foreign", tmp_path)


@pytest.mark.parametrize("name", ["s", "m", "xl", "m_permissive", "teacher", "s_output", "picture"])
def test_no_recipe_trains_on_a_foreign_set(name: str) -> None:
    held_out = "foreign-pictures" if name == "picture" else "foreign"
    assert load_recipe(RECIPES / f"{name}.yaml").data.held_out == HELD_OUT[held_out]


def test_held_out_clips_are_left_out(tmp_path: Path) -> None:
    for name in ("mdn_bug", "mine", "difrint_07_3"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.zeros((16, 16, 3), np.uint8))
    data = {"root": str(tmp_path), "held_out": "foreign"}
    fields = {"name": "x", "steps": 1, "student": {"network": "rill-s"}, "data": data}
    assert training_clips(parse_recipe(fields, "x").data) == ["mine"]
    with pytest.raises(RestillError, match="held_out"):
        parse_recipe({**fields, "data": {**data, "held_out": "foreigner"}}, "x")


def test_whole_sources_are_held_out(shared_data: Path) -> None:
    there = [path.stem for path in (shared_data / "train" / "clean_video").iterdir()]
    for source, pieces in SOURCES.items():
        assert sorted(pieces) == sorted(name for name in there if name == source or name.startswith(f"{source}_"))
