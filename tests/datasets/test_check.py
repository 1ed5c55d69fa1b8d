"""Whether a download is whole, said in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_trees import CLEAN, DEGRADED, plant, write
from typer.testing import CliRunner

from restill.cli import app
from restill.datasets import DATASETS, TO_TRAIN_ON
from restill.datasets.check import check
from restill.errors import RestillError

D, C = DEGRADED, CLEAN


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))


def rain12(root: Path, count: int = 12) -> Path:
    return plant(
        root, {f"{n:03d}_{side}.png": (value, n) for n in range(1, count + 1) for side, value in (("in", D), ("GT", C))}
    )


def test_a_whole_set(tmp_path: Path) -> None:
    (done,) = check("rain12", rain12(tmp_path / "set"))
    assert not done.problems
    assert str(done) == "test: 12 of 12 pictures; all can be read"


def test_everything_that_is_wrong_is_said(tmp_path: Path) -> None:
    root = rain12(tmp_path / "set", 11)
    (root / "001_GT.png").unlink()
    (root / "002_in.png").write_bytes(b"no picture")
    write(root / "003_GT.png", C, size=(4, 4))
    (done,) = check("rain12", root)
    assert done.found == 10
    text = "\n".join(done.problems)
    for part in (
        "001_in.png: its clean",
        "2 of 12",
        "002_in.png: cannot be read",
        "003_GT.png: its size differs from that",
    ):
        assert part in text
    assert len(done.problems) == 4


def test_at_most_twenty_sentences(tmp_path: Path) -> None:
    plant(tmp_path / "set", {f"test/input/{n}.png": (D, n) for n in range(40)} | {"test/target/0.png": (C, 0)})
    (done,) = check("rain200h", tmp_path / "set", ["test"])
    assert len(done.problems) == 40
    lines = str(done).splitlines()
    assert len(lines) == 22
    assert lines[-1].strip() == "and 20 problems more"


def test_clips_and_frames_that_are_missing_are_named(tmp_path: Path) -> None:
    for t in range(12):
        write(tmp_path / "set" / "walk" / f"{t}.png", C, number=t, size=(8, 8))
    (done,) = check("vid4", tmp_path / "set")
    assert "calendar, city, foliage are missing" in done.problems[0]
    assert done.problems[1] == "clip 'walk': has 12 of 47 frames"


def test_the_darker_half_is_hinted_at(tmp_path: Path) -> None:
    plant(tmp_path / "set", {f"test/{n}.png": (C, D, n) for n in range(3)})
    right, wrong = (
        check("rain200h", tmp_path / "set", ["test"], {"order": order})[0] for order in ("clean-first", "rainy-first")
    )
    assert not right.notes
    assert "darker one in 3 of 3" in wrong.notes[0]
    assert right.problems == wrong.problems  # a hint, no verdict


def test_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    root = rain12(tmp_path / "set")
    done = run(app, ["data", "check", str(root), "--dataset", "rain12"])
    assert (done.exit_code, done.stdout.strip()) == (0, "test: 12 of 12 pictures; all can be read")
    (root / "012_in.png").unlink()
    done = run(app, ["data", "check", str(root), "--dataset", "rain12", "--quiet"])
    assert done.exit_code == 1
    assert "012_GT.png: its degraded picture is missing" in done.stdout
    done = run(app, ["data", "check", str(root), "--dataset", "rain200h", "--split", "test,train"])
    assert done.exit_code == 1
    assert done.stdout.count("is expected as") == 2


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in TO_TRAIN_ON])
def test_layout(name: str) -> None:
    done = CliRunner().invoke(app, ["data", "layout", name])
    assert done.exit_code == 0
    assert "splits: " in done.stdout


def test_each_mistake_gets_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(RestillError, match="dataset 'vid5' is not known"):
        check("vid5", tmp_path)
    with pytest.raises(RestillError, match="no such folder; Vid4"):
        check("vid4", tmp_path / "nowhere")
    with pytest.raises(RestillError, match="has no split 'train'"):
        check("vid4", tmp_path, ["train"])
    with pytest.raises(RestillError, match="'clean-clips' has no degraded frames"):
        check("clean-clips", tmp_path)
