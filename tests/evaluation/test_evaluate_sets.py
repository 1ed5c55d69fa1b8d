"""The verdict over sets of pictures and of clips to enlarge; and that a run is not scored on what it was trained on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.datasets import open_paired
from restill.datasets.leaks import TRAINED_ON, digest, digests, find_leaks
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.runtime import Model, ModelInfo

SIZE = (24, 32)


def level(error: float) -> float:
    return 20 * math.log10(255 / error)


def pairs(root: Path, count: int, split: str = "test") -> Path:
    """Pictures of which the degraded one is n levels brighter than the clean one, n from 1."""
    ramp = np.tile(np.arange(SIZE[1], dtype=np.uint8) * 3, (SIZE[0], 1))
    for n in range(1, count + 1):
        for side, more in (("input", n), ("target", 0)):
            path = root / split / side / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.dstack([np.roll(ramp, n, 1) + more] * 3))
    return root


def larger(scale: int) -> Model:
    """Repeats every pixel."""
    info = ModelInfo(
        name="larger",
        task="vsr",
        network="none",
        frames_before=0,
        frames_after=0,
        scale=scale,
        size_multiple=1,
        align="none",
        parameters=0,
        macs_per_pixel=0,
    )
    return Model(info, Path("larger"), "fake", lambda window: window[:, 0].repeat(scale, 2).repeat(scale, 3))


def test_pictures_each_and_their_mean(tmp_path: Path) -> None:
    report = evaluate("none", "gopro", pairs(tmp_path, 3), quiet=True)
    assert [row["psnr"] for row in report.clips.values()] == pytest.approx([level(n) for n in (1, 2, 3)])
    assert report.mean["psnr"] == pytest.approx(np.mean([level(n) for n in (1, 2, 3)]))
    assert report.protocol.name == "gopro"


def test_a_thousand_pictures_do_not_fill_the_screen(tmp_path: Path) -> None:
    line = ["evaluate", "none", "--dataset", "rain200h", "--data", str(pairs(tmp_path / "set", 30)), "--quiet"]
    done = CliRunner().invoke(app, [*line, "--json", str(tmp_path / "all.json")], env={"COLUMNS": "100"})
    assert done.exit_code == 0, done.output
    rows = done.stdout.splitlines()
    assert sum(row.split()[:1] in ([str(n)] for n in range(1, 31)) for row in rows) == 20
    assert any("... 10 more" in row for row in rows)
    assert any("mean of images" in row for row in rows)
    assert len(json.loads((tmp_path / "all.json").read_text())["clips"]) == 30


def test_options_reach_the_set(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    both = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "test" / "1.png"), both[..., ::-1])
    seen: list[np.ndarray] = []
    model = Model(larger(1).info, Path(), "test", lambda window: seen.append(window) or window[:, 0])
    for order in ("clean-first", "rainy-first"):
        evaluate(model, "rain1200", tmp_path, options={"order": order}, quiet=True)
    right, left = ((window[0, 0].transpose(1, 2, 0) * 255).round() for window in seen)
    np.testing.assert_array_equal(np.hstack([left, right]), both)
    line = ["evaluate", "none", "--dataset", "rain1200", "--data", str(tmp_path), "--quiet", "--set"]
    assert CliRunner().invoke(app, [*line, "order=rainy-first"]).exit_code == 0
    done = CliRunner().invoke(app, [*line, "order"])
    assert isinstance(done.exception, RestillError)
    assert "OPTION=VALUE" in str(done.exception)


def vid4(root: Path) -> Path:
    (root / "walk").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for t in range(2):
        cv2.imwrite(str(root / "walk" / f"{t}.png"), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    return root


def test_small_frames_are_enlarged(tmp_path: Path) -> None:
    root = vid4(tmp_path)
    report = evaluate(larger(4), "vid4", root, protocol="all-frames", quiet=True)
    clip = open_paired("vid4", root).clips[0]
    wanted = []
    for t in range(2):
        small, clean = clip.read(t)
        assert clean is not None
        error = small.repeat(4, 0).repeat(4, 1).astype(float) - clean
        wanted.append(10 * math.log10(255**2 / np.mean(error**2)))
    assert report.mean["psnr"] == pytest.approx(np.mean(wanted), abs=1e-6)
    with pytest.raises(RestillError, match=r"larger enlarges its input by a factor of 2, but vid4 needs a factor of 4"):
        evaluate(larger(2), "vid4", root, quiet=True)
    with pytest.raises(RestillError, match="use the model bicubic to score the input"):
        evaluate("none", "vid4", root, quiet=True)


def test_no_clean_side(tmp_path: Path) -> None:
    (tmp_path / "rain").mkdir()
    cv2.imwrite(str(tmp_path / "rain" / "1.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(RestillError, match="clip '1' has no clean frames"):
        evaluate("none", "real275", tmp_path, quiet=True)


def test_what_was_scored_is_known_as_a_test_picture(tmp_path: Path) -> None:
    evaluate("none", "rain200h", pairs(tmp_path / "test", 3), clips=["2"], quiet=True)
    train = pairs(tmp_path / "train", 3, "train")
    (leak,) = find_leaks([open_paired("rain200h", train, "train")])
    assert leak.training == str(train / "train" / "input" / "2.png")
    evaluate("none", "rain200h", train, split="train", quiet=True)  # scoring what one trains on tells nothing about it
    assert len(find_leaks([open_paired("rain200h", train, "train")])) == 1


def test_a_run_is_not_scored_on_what_it_was_trained_on(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set", 2)
    run = tmp_path / "run"
    run.mkdir()
    (run / TRAINED_ON).write_bytes(digests(open_paired("rain200h", root))[1])
    model = larger(1)
    model.path = run / "student.safetensors"
    with pytest.raises(RestillError, match=r"input/2\.png: .*student\.safetensors was trained on this very picture"):
        evaluate(model, "rain200h", root, quiet=True)
    assert len(evaluate(model, "rain200h", root, clips=["1"], quiet=True).clips) == 1
    assert len(evaluate(model, "rain200h", root, allow_test_images=True, quiet=True).clips) == 2
    assert digest(np.zeros((2, 2, 3), np.uint8)) not in digests(open_paired("rain200h", root))


def test_bicubic_by_its_name(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    report = evaluate("bicubic", "vid4", vid4(tmp_path), quiet=True)
    assert (report.model, report.protocol.name) == ("bicubic", "vsr")
    assert 5 < report.mean["psnr"] < 20  # of noise
