"""Unlabeled clips of a recipe: mixed with the paired samples, the teacher's picture their only target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

import restill
from restill.errors import RestillError
from restill.networks import create
from restill.tables.plan import fingerprint
from restill.training.budget import in_steps
from restill.training.checkpoint import checkpoints, save_network
from restill.training.experiment import build, train
from restill.training.feed import Place
from restill.training.recipe import Recipe, parse_recipe
from restill.training.recipe_feed import feed_from
from restill.training.samples import check_test_pictures, loader, samples_of, training_clips, unlabeled_sources
from restill.training.unlabeled_samples import Mixed, UnlabeledSamples

SMALL = {"channels": 8, "pairs": 1}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    info = {"network": "rill-s", "options": SMALL, "align": "none", "name": "teacher"}
    save_network(tmp_path / "teacher.safetensors", create("rill-s", **SMALL), info)
    return tmp_path / "teacher.safetensors"


def recipe(clips: Path, teacher: Path, unlabeled: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    data = {"root": str(clips), "crop": 32, "centres": 2, "align": "dis", "workers": 0, "held_out": ["two"]}
    data |= {"unlabeled": {"root": str(clips), "share": 0.5} | (unlabeled or {})}
    fields = {
        "name": "run",
        "seed": 1,
        "steps": 6,
        "batch": 4,
        "student": {"network": "rill-s", "options": SMALL},
        "teacher": {"checkpoint": str(teacher)},
        "data": data | changes.pop("data", {}),
        "validation": {"every": 3, "samples": 2},
        "optimizer": {"lr": 1e-3},
        "options": {"reconstruction": "l1"},
        "threads": 1,
        "log_every": 1,
        "save_every": 3,
        "output": str(teacher.parent),
    }
    return parse_recipe(fields | changes, "test")


def first_batch(made: Recipe) -> dict[str, Tensor]:
    feed, _ = feed_from(made.data, made, made.batch, build(made)[0])
    return feed.prepare(next(iter(feed.batches(0, Place()))))


def test_a_batch_holds_its_share_and_the_paired_samples_stay_the_same(clips, teacher):
    for share, rows in ((0.25, 1), (0.5, 2)):
        made = recipe(clips, teacher, {"share": share}, batch=4)
        batch = first_batch(made)
        alone = samples_of(made.data, training_clips(made.data), 8, made.seed, 1, plain=False)
        assert [len(batch[key]) for key in ("degraded", "windows", "clean")] == [4 - rows] * 3
        assert torch.equal(batch["degraded"], torch.stack([alone[i]["degraded"] for i in range(4 - rows)]) / 255)
        assert batch["unlabeled"].shape == (rows, 4, 3, 32, 32)
        assert batch["unlabeled_windows"].shape == (rows, 2, 3, 3, 32, 32)
        assert batch["unlabeled_target"].shape == (rows * 2, 3, 32, 32)


def test_they_are_spread_evenly_over_a_batch_and_none_is_left_out():
    class Numbers(torch.utils.data.Dataset):
        def __init__(self, name: str) -> None:
            self.name = name

        def __len__(self) -> int:
            return 24

        def __getitem__(self, index: int) -> tuple[str, int]:
            return self.name, index

    mixed: Any = Mixed(Numbers("paired"), Numbers("unlabeled"), 8, 2)  # type: ignore[arg-type]
    taken = [mixed[i] for i in range(24)]
    assert [index for name, index in taken if name == "paired"] == list(range(18))
    assert [index for name, index in taken if name == "unlabeled"] == list(range(6))
    for half in range(0, 24, 4):  # each of two processes takes half of a batch
        assert sum(name == "unlabeled" for name, _ in taken[half : half + 4]) == 1


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({}, {}),
        ({"method": "output", "weights": "balanced"}, {"distinct": 3}),
        ({"method": "output"}, {"distinct": 3, "cache": False}),
    ],
)
def test_a_resumed_run_ends_in_the_same_weights_to_the_bit(clips, teacher, changes, data):
    made = recipe(clips, teacher, {"teacher_flips": "mirror", "zoom": (0.7, 1.5)}, data=data, **changes)
    whole = train(made.model_copy(update={"name": "whole"}), quiet=True)
    split = made.model_copy(update={"name": "split"})
    train(split, quiet=True)
    newest = checkpoints(split.folder)[-1]
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    resumed = train(split, resume=True, quiet=True)
    a, b = (load_file(run.folder / "student.safetensors") for run in (whole, resumed))
    assert all(torch.equal(a[key], b[key]) for key in a)
    lines = [json.loads(line) for line in (whole.folder / "log.jsonl").read_text().splitlines()]
    assert all("unlabeled" in line for line in lines if "total" in line)
    assert lines[0]["share_unlabeled"] > 0
    if "weights" in changes:
        assert lines[0]["share"] == pytest.approx(0.2, rel=1e-3)


def asked(monkeypatch) -> list[int]:
    """Counts the rows that the teacher looks at."""
    from restill.distillation import unlabeled

    rows: list[int] = []
    original = unlabeled.looked_at

    def counted(network: nn.Module, windows: Tensor, flips: Any) -> Tensor:
        rows.append(len(windows))
        return original(network, windows, flips)

    monkeypatch.setattr(unlabeled, "looked_at", counted)
    return rows


@pytest.mark.parametrize("cache", [True, False])
def test_the_teacher_is_asked_once_for_each_sample_that_comes_again(clips, teacher, monkeypatch, tmp_path, cache):
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    rows = asked(monkeypatch)
    made = recipe(clips, teacher, data={"distinct": 3, "cache": cache})  # half of a batch: three unlabeled ones too
    first = train(made, quiet=True)
    probe = [2] if cache else []
    assert rows == [2, 2, 2, *probe]  # one clip of two centers each
    rows.clear()
    again = train(made, overwrite=True, quiet=True)
    assert rows == (probe if cache else [2, 2, 2])
    assert first.losses == again.losses
    if cache:
        torch.manual_seed(8)  # another teacher
        info = {"network": "rill-s", "options": SMALL, "align": "none", "name": "teacher"}
        save_network(teacher, create("rill-s", **SMALL), info)
        rows.clear()
        train(made, overwrite=True, quiet=True)
        assert rows == [2, 2, 2, 2]


def test_kept_pictures_are_those_of_the_teacher(clips, teacher):
    plain, kept = (first_batch(recipe(clips, teacher, data=data)) for data in ({}, {"distinct": 3}))
    assert torch.equal(plain["unlabeled"], kept["unlabeled"])
    assert torch.allclose(plain["unlabeled_target"], kept["unlabeled_target"], atol=5e-4)  # float16


def test_new_samples_are_asked_for_every_time(clips, teacher, monkeypatch):
    rows = asked(monkeypatch)
    train(recipe(clips, teacher, steps=2), quiet=True)
    assert rows == [4, 4]  # two clips of two centers together


def ramp(side: int) -> Tensor:
    """Frames (2, 3, side, side) whose brightness is the column."""
    return torch.arange(side, dtype=torch.uint8).expand(2, 3, side, side)


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_zoom_enlarges_a_part_of_the_degraded_frames(zoom):
    class Ramp(torch.utils.data.Dataset):
        def __getitem__(self, index: int) -> dict[str, Tensor]:
            return {"degraded": ramp(64), "windows": ramp(64)[None].expand(1, -1, -1, -1, -1), "clean": ramp(64)}

    samples = UnlabeledSamples([Ramp()], [1.0], 32, (zoom, zoom), seed=0)
    found = [samples[i] for i in range(8)]
    assert found[0].keys() == {"unlabeled", "unlabeled_windows"}
    for sample in found:
        assert sample["unlabeled"].shape == (2, 3, 32, 32)
        assert torch.equal(sample["unlabeled_windows"][0], sample["unlabeled"])
        row = sample["unlabeled"][0, 0, 16].double()
        assert (row[27] - row[4]).item() == pytest.approx(23 / zoom, abs=1.1)
    if zoom > 0.5:
        assert len({sample["unlabeled"][0, 0, 0, 0].item() for sample in found}) > 3  # other places
    same = interpolate(ramp(64), (32, 32), mode="bicubic", antialias=True)
    assert zoom > 0.5 or torch.equal(found[0]["unlabeled"], same)


def test_zoom_and_neighbors_fit_a_recipe(clips, teacher):
    made = recipe(clips, teacher, {"zoom": (0.5, 2.0), "weather": {"shares": {"snow": 1}, "video": 0}})
    batch = first_batch(made)
    assert batch["unlabeled"].shape == (2, 4, 3, 32, 32)
    assert batch["unlabeled_windows"].shape == (2, 2, 3, 3, 32, 32)


def test_frames_stay_as_they_are_or_it_rains_on_them(clips, teacher):
    """Without weather the teacher sees the clip itself, not resampled; 'rainy' is a second folder of such clips."""

    def pictures(**unlabeled: Any) -> list[Tensor]:
        made = recipe(clips, teacher, unlabeled, data={"align": "none", "scale": (0.5, 1.1), "augment": False}, batch=8)
        return list(next(iter(loader(made.data, made, 8, 1, 0)))["unlabeled"])

    from restill.datasets import open_source

    source = open_source("clean-clips", clips, ["one"], "none")
    frames = [torch.from_numpy(frame.copy()).movedim(-1, 0) for frame in source.clean(0, range(12))]  # type: ignore[attr-defined]

    def untouched(clip: Tensor) -> bool:
        rows = [frame.unfold(2, 32, 1) for frame in frames]  # (3, 72, 49, 32)
        return any((row == clip[0][:, :1, None]).all(-1).all(0).any() for row in rows)

    heavy = {"shares": {"rendered": 1}, "heavy": 1, "video": 0}
    assert all(map(untouched, pictures()))
    assert not any(map(untouched, pictures(weather=heavy)))
    assert not any(map(untouched, pictures(rain="heavy")))
    both = [
        *map(untouched, pictures(weather=heavy, rainy={"root": str(clips), "clips": ["one"], "share": 0.5}, share=0.9))
    ]
    assert 0 < sum(both) < len(both)


def test_held_out_clips_are_not_learned_and_all_are_recorded(clips, teacher, tmp_path):
    made = recipe(clips, teacher, {"rainy": {"root": str(clips), "clips": ["two"]}})
    assert [source.names for source in unlabeled_sources(made.data)] == [["one"], ["two"]]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, data in (("a", made.data), ("b", made.data.model_copy(update={"unlabeled": None}))):
        check_test_pictures(data, quiet=True)(tmp_path / folder)
    a, b = ((tmp_path / name / "pictures.digests").read_bytes() for name in "ab")
    assert len(a) > len(b)


def test_the_cache_of_paired_samples_is_shared_with_other_runs(clips, teacher):
    def folders(**unlabeled: Any) -> tuple[Any, Any]:
        made = recipe(clips, teacher, unlabeled, data={"distinct": 3})
        mixed: Any = loader(made.data, made, 4, 1, 0).dataset.dataset  # type: ignore[attr-defined]
        return mixed.paired.store.folder, mixed.unlabeled.store.folder

    made = recipe(clips, teacher, data={"distinct": 3}).data.model_copy(update={"unlabeled": None})
    alone = samples_of(made, training_clips(made), 24, 1, 1, plain=False).store.folder
    usual = folders()
    assert usual[0] == alone != usual[1]
    weather = {"weather": {"shares": {"snow": 1}}}
    rainy = {"rainy": {"root": str(clips)}}
    others = [folders(**change) for change in ({"zoom": (0.9, 1.2)}, weather, {"rain": "heavy"}, rainy)]
    assert {paired for paired, _ in others} == {alone}
    assert len({usual[1], *(unlabeled for _, unlabeled in others)}) == 5
    assert folders(share=0.25, teacher_flips="turns") == usual  # the same samples


WRONG = [
    ({"shares": 0.5}, r"field 'data\.unlabeled\.shares' is not known; the fields are: .*teacher_flips"),
    ({"teacher_flips": "all"}, r"field 'data\.unlabeled\.teacher_flips'.*'none', 'mirror' or 'turns'"),
    ({"zoom": (2, 1)}, r"field 'data\.unlabeled\.zoom': should be two factors from 0\.1 to 10, the lower one first"),
    ({"photos": {"root": "photos"}}, r"field 'data\.unlabeled': 'photos' are dry"),
    ({"rain": "heavy", "weather": {}}, r"field 'data\.unlabeled\.weather': replaces 'rain'"),
    ({"dataset": "rain12", "weather": {}}, r"field 'data\.unlabeled\.weather'.*data sets that Restill degrades"),
    ({"share": 1.0}, r"field 'data\.unlabeled\.share'.*less than 1"),
]


@pytest.mark.parametrize(("unlabeled", "message"), WRONG)
def test_a_wrong_field_is_named(clips, teacher, unlabeled, message):
    with pytest.raises(RestillError, match=message):
        recipe(clips, teacher, unlabeled)


def test_what_cannot_be_trained_is_said_first(clips, teacher, monkeypatch):
    with pytest.raises(RestillError, match=r"0\.05 of a batch of 4 is 0 samples; it must be at least one and not all"):
        train(recipe(clips, teacher, {"share": 0.05}), quiet=True)
    with pytest.raises(RestillError, match="unlabeled clips need a teacher"):
        train(recipe(clips, teacher).model_copy(update={"teacher": None}), quiet=True)
    with pytest.raises(RestillError, match=r"no 'method' and no 'data\.unlabeled'"):
        recipe(clips, teacher, data={"unlabeled": None})
    with pytest.raises(
        RestillError, match="field 'weights' names 'picture'; the losses are: reconstruction, unlabeled"
    ):
        train(recipe(clips, teacher, weights={"picture": 1}), quiet=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RestillError, match=r"1 samples; .* for 2 processes a multiple of 2"):
        recipe(clips, teacher).data.unlabeled.rows(2)  # type: ignore[union-attr]


def test_an_epoch_counts_the_paired_samples(clips, teacher):
    made = in_steps(recipe(clips, teacher, steps=0, epochs=4))
    assert made.steps == 4 * 12 // 2  # twelve frames of the clip that is not held out, two paired samples in a step


def test_runs_without_unlabeled_clips_keep_their_marks_in_tables(clips, teacher):
    made = recipe(clips, teacher)
    moved = recipe(clips, teacher, {"root": "elsewhere"})
    without = recipe(clips, teacher, method="output", data={"unlabeled": None})
    assert fingerprint(made, ()) == fingerprint(moved, ()) != fingerprint(without, ())
    assert made.data.unlabeled is not None  # the recipe itself is not changed


def test_own_batches_may_have_unlabeled_clips_too():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 3, 1)

        def forward(self, window: Tensor) -> Tensor:
            return self.body(window[:, 0])

    torch.manual_seed(0)
    brighter, student = Net(), Net()
    rainy = torch.rand(4, 3, 8, 8)
    pairs = [{"degraded": torch.rand(2, 3, 8, 8), "clean": torch.rand(2, 3, 8, 8), "unlabeled": rainy}]
    wanted = brighter(rainy[:, None]).detach()
    fields: dict[str, Any] = {"steps": 150, "quiet": True, "seed": 1, "optimizer": {"lr": 2e-2}}
    fields["options"] = {"reconstruction": "mse", "recon_weights": [1.0]}
    trained = restill.distill(
        brighter, student, "plain", data=pairs, weights={"reconstruction": 0, "unlabeled": 1}, **fields
    )
    assert (trained(rainy[:, None]) - wanted).abs().mean() < 0.02
    gone = [*pairs, {key: pairs[0][key] for key in ("degraded", "clean")}]
    with pytest.raises(RestillError, match="no 'unlabeled' clips, but the first one had"):
        restill.distill(brighter, student, "plain", data=gone, **fields)
    with pytest.raises(RestillError, match="'unlabeled' holds numbers from"):
        restill.distill(brighter, student, "plain", data=[pairs[0] | {"unlabeled": rainy * 255}], **fields)


def test_distill_takes_the_fields_of_a_recipe(clips, teacher):
    data = recipe(clips, teacher).data.model_dump(mode="json")
    student = restill.distill(teacher, create("rill-s", **SMALL), "output", data=data, steps=2, quiet=True, seed=1)
    assert isinstance(student, nn.Module)


@pytest.mark.slow
def test_two_processes_train_as_one_does(clips, teacher, tmp_path):
    one = train(recipe(clips, teacher, name="one", steps=3), quiet=True)
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump(recipe(clips, teacher, name="two", steps=3).model_dump(mode="json")))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    run = subprocess.run(
        [*torchrun, "-m", "restill", "train", str(file), "--quiet"], capture_output=True, text=True, env=os.environ
    )
    assert run.returncode == 0, run.stderr
    a, b = (load_file(folder / "student.safetensors") for folder in (one.folder, tmp_path / "two"))
    differences = torch.cat([(a[key] - b[key]).abs().flatten() for key in a])
    assert (differences > 1e-6).float().mean() < 1e-3
