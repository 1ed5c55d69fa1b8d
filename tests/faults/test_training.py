"""Training that is killed, damaged files, and full disks."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from processes import ended, killed
from safetensors.torch import load_file

from restill.errors import RestillError
from restill.training import checkpoint as saving
from restill.training.checkpoint import STATE, STUDENT, checkpoints, newest_readable, save_state
from restill.video.pictures import write_picture

RECIPE = {
    "seed": 1,
    "steps": 40,
    "batch": 2,
    "student": {"network": "rill-s", "options": {"channels": 8, "pairs": 1}},
    "data": {"dataset": "clean-clips", "crop": 32, "centres": 2, "align": "dis", "workers": 0},
    "threads": 1,
    "save_every": 4,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (60, 90, 3)).astype(np.uint8)
    (tmp_path / "clips" / "one").mkdir(parents=True)
    for number in range(8):
        write_picture(tmp_path / "clips" / "one" / f"{number}.png", base[:48, number : number + 64])
    return tmp_path


def command(place: Path, name: str, *more: str) -> list[str]:
    fields = {**RECIPE, "name": name, "output": str(place / "runs")}
    fields["data"] = {**RECIPE["data"], "root": str(place / "clips")}
    (place / f"{name}.yaml").write_text(yaml.safe_dump(fields))
    return ["train", str(place / f"{name}.yaml"), "--quiet", *more]


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_weights(place):
    whole = ended(command(place, "whole"))
    assert whole.returncode == 0, whole.stderr
    for number in (1, 3, 6):  # of ten checkpoints
        saved = lambda number=number: len(checkpoints(place / "runs" / "cut")) >= number  # noqa: E731
        killed(command(place, "cut", "--resume"), saved, signal.SIGKILL)
    done = ended(command(place, "cut", "--resume"))
    assert done.returncode == 0, done.stderr
    one, other = (load_file(place / "runs" / name / STUDENT) for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_damaged_picture_stops_the_run_or_its_clip_is_left_out(place):
    for name in ("two", "three"):
        (place / "clips" / name).mkdir()
        for file in (place / "clips" / "one").iterdir():
            (place / "clips" / name / file.name).write_bytes(file.read_bytes())
    bad = place / "clips" / "two" / "5.png"
    bad.write_bytes(bad.read_bytes()[:60])
    stopped = ended(command(place, "run", "--set", "steps=2"))
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("error: ")
    assert str(bad) in stopped.stderr
    assert not checkpoints(place / "runs" / "run")
    skipped = ended(command(place, "run", "--set", "steps=2", "--set", "data.damaged=skip"))
    assert skipped.returncode == 0, skipped.stderr
    assert f"left out two: '{bad}'" in skipped.stderr
    assert len(checkpoints(place / "runs" / "run")) == 1


def saved(folder: Path, step: int) -> Path:
    network = torch.nn.Conv2d(3, 4, 3)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    return save_state(folder, step, network, optimizer, network, {"network": "x"})


def test_the_newest_checkpoint_that_is_whole_is_taken(tmp_path, capsys):
    older, newer = saved(tmp_path, 1), saved(tmp_path, 2)
    assert newest_readable(tmp_path) == newer
    for name in (STATE, STUDENT):
        data = (newer / name).read_bytes()
        (newer / name).write_bytes(data[: len(data) // 2])
        assert newest_readable(tmp_path) == older
        assert f"{newer}: is damaged and skipped" in " ".join(capsys.readouterr().err.split())
        (newer / name).write_bytes(data)
    (tmp_path / ".checkpoint-000003.partial").mkdir()  # an unfinished checkpoint
    assert newest_readable(tmp_path) == newer
    (newer / STATE).unlink()
    (older / STUDENT).unlink()
    assert newest_readable(tmp_path) is None


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    older = saved(tmp_path, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "save_network", full)
    with pytest.raises(RestillError, match=r"checkpoint-000002: cannot be written: .*No space left.*with --resume"):
        saved(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == [older.name]
    assert newest_readable(tmp_path) == older
