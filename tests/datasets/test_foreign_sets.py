"""The sets foreign-rendered and foreign-pictures: rain of other packages' renderers, made by one command each."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from test_foreign import lines
from typer.testing import CliRunner

from restill.cli import app
from restill.datasets import foreign_renderers, make_foreign_pictures, open_paired
from restill.datasets.check import check
from restill.datasets.foreign_rain import KINDS, OVERLAY, STREAKS, streak_angle
from restill.datasets.foreign_renderers import RENDERED, rendered
from restill.datasets.held_out import PHOTOGRAPHS, SCORED
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.video import transcode

FRAME = 2


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Folders of clean clips, photographs and layers."""
    monkeypatch.setattr(make_foreign_pictures, "FRAME", FRAME)
    folders = {part: tmp_path / part for part in ("clean", "photos", "layers")}
    smooth = [cv2.resize(np.random.default_rng(i).integers(20, 120, (4, 6, 3), np.uint8), (65, 60)) for i in range(30)]
    for picture, name in zip(smooth, SCORED, strict=False):
        (folders["clean"] / name).mkdir(parents=True)
        for index in range(FRAME + 1):
            cv2.imwrite(str(folders["clean"] / name / f"{index:02d}.png"), picture + np.uint8(index))
    for picture, name in zip(smooth, PHOTOGRAPHS, strict=False):
        (folders["photos"] / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folders["photos"] / name), picture)
    (folders["layers"] / STREAKS).mkdir(parents=True)
    cv2.imwrite(str(folders["layers"] / STREAKS / "1.png"), lines())
    transcode(folders["layers"] / STREAKS, folders["layers"] / OVERLAY, lambda frames: frames)
    return folders


def make(name: str, output: Path, *arguments: str, **folders: Path) -> str:
    given = [word for part, folder in folders.items() for word in (f"--{part}", str(folder))]
    result = CliRunner().invoke(app, ["data", "make", name, *given, "-o", str(output), "--quiet", *arguments])
    if isinstance(result.exception, RestillError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("kind", RENDERED)
def test_rendered_rain_brightens_leans_both_ways_and_is_new_in_each_frame(kind: str) -> None:
    dark = [np.full((120, 160, 3), 30, np.uint8)] * 2
    before = torch.random.get_rng_state()
    sides = set()
    for seed in range(5):
        first, second = rendered(kind, dark, np.random.default_rng(seed))
        assert first.shape == (120, 160, 3)
        assert first.min() == 30
        assert first.max() > 80
        assert (first != second).any()
        np.testing.assert_array_equal(first, rendered(kind, dark, np.random.default_rng(seed))[0])
        sides.add(np.sign(streak_angle(first[..., 0].astype(np.float32))))
    assert sides == {-1, 1}
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_missing_renderer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(foreign_renderers, "import_module", missing)
    with pytest.raises(RestillError, match=r"package kornia, which is not installed: pip install kornia$"):
        rendered("kornia-light", [np.zeros((64, 64, 3), np.uint8)], np.random.default_rng(0))


def test_clips_in_rendered_rain_are_made_and_scored(parts: dict[str, Path], tmp_path: Path) -> None:
    assert make("foreign-rendered", tmp_path / "one", clean=parts["clean"]).endswith("one: 22 clips\n")
    (whole,) = check("foreign-rendered", tmp_path / "one", quiet=True)
    assert not whole.problems
    report = evaluate("none", "foreign-rendered", tmp_path / "one", limit=1, quiet=True)
    assert report.protocol.name == "foreign"
    assert report.by_kind.keys() == set(RENDERED)


def test_pictures_in_rain_are_made_and_scored(
    parts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("one", "0"), ("same", "0"), ("other", "1")):
        make("foreign-pictures", tmp_path / name, "--seed", seed, **parts)
        monkeypatch.setattr(make_foreign_pictures, "RENDERED", {})  # they take long, and repeat: see above
    (whole,) = check("foreign-pictures", tmp_path / "one", quiet=True)
    assert not whole.problems
    assert whole.found == 19 * 12
    one, same, other = (open_paired("foreign-pictures", tmp_path / name) for name in ("one", "same", "other"))
    assert same.names == other.names == [name for name in one.names if one.kind_of(name) in KINDS]
    for b, c in zip(same.clips, other.clips, strict=True):
        a = one.clips[one.names.index(b.name)]
        rainy, clean = a.read(0)
        np.testing.assert_array_equal(rainy, b.read(0)[0])
        assert (rainy != c.read(0)[0]).any()
        assert clean is not None
        assert rainy.mean() > clean.mean()
    frame = cv2.imread(str(parts["clean"] / SCORED[0] / f"{FRAME:02d}.png"))[:, :64]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "one" / "gt" / f"{SCORED[0]}.png")), frame)
    report = evaluate("none", "foreign-pictures", tmp_path / "one", quiet=True)
    assert report.protocol.name == "rain-y"
    assert report.by_kind.keys() == {*KINDS, *RENDERED}


def test_each_set_has_its_own_parts(parts: dict[str, Path], tmp_path: Path) -> None:
    clean, photos, layers = parts["clean"], parts["photos"], parts["layers"]
    for name, message, given in (
        ("foreign", "needs --layers", {}),
        ("foreign-pictures", "needs --layers and --photos", {}),
        ("foreign-rendered", "no use for --layers and --photos", {"layers": layers, "photos": photos}),
        ("foreign-pictures", "no use for --static", {**parts, "static": tmp_path}),
        ("foreign-pictures", "does not exist", {"photos": tmp_path, "layers": layers}),
    ):
        with pytest.raises(RestillError, match=message):
            make(name, tmp_path / "out", **{"clean": clean, **given})
    assert not (tmp_path / "out").exists()


def test_the_photographs_are_there(shared_data: Path) -> None:
    assert all((shared_data / "train" / "photos" / name).is_file() for name in PHOTOGRAPHS)
