"""A run is stopped before it trains on a test picture, and says afterwards what it was trained on."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import cv2
import pytest
import yaml
from typer.testing import CliRunner

import restill
from restill.cli import app
from restill.datasets.leaks import TRAINED_ON, trained_on
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.training.experiment import train
from restill.training.recipe import parse_recipe

SMALL = {"network": "rill-s", "options": {"channels": 8, "pairs": 1}}


@pytest.fixture(autouse=True)
def unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))


def recipe(root: Path, output: Path, **data) -> dict:
    return {
        "name": "never",
        "steps": 2,
        "batch": 2,
        "threads": 1,
        "student": SMALL,
        "output": str(output),
        "data": {"root": str(root), "crop": 32, "centres": 1, "workers": 0, **data},
    }


@pytest.fixture
def test_set(clips: Path, tmp_path: Path) -> Path:
    """NTURain's layout; its clean frames are those of clip "two"."""
    for side in ("gt", "rain"):
        (tmp_path / "test" / "a1" / side).mkdir(parents=True)
    for path in sorted((clips / "two").iterdir()):
        shutil.copy(path, tmp_path / "test" / "a1" / "gt" / path.name)
        frame = cv2.imread(str(path))
        cv2.imwrite(str(tmp_path / "test" / "a1" / "rain" / path.name), frame[::-1])
    return tmp_path / "test"


def run(fields: dict, **how) -> Path:
    return train(parse_recipe(fields, "test"), quiet=True, **how).folder


def test_a_test_set_that_the_recipe_names(clips: Path, test_set: Path, tmp_path: Path) -> None:
    never = [{"dataset": "nturain", "root": str(test_set)}]
    with pytest.raises(RestillError, match=r"two.* is the same picture as .*a1/gt/.*--allow-test-images") as stopped:
        run(recipe(clips, tmp_path / "runs", never=never))
    assert "\n" not in str(stopped.value)
    assert not (tmp_path / "runs").exists()
    run(recipe(clips, tmp_path / "runs", never=never, clips=["one"]))
    run(recipe(clips, tmp_path / "other", never=never, held_out=["two"]))
    run(recipe(clips, tmp_path / "allowed", never=never), allow_test_images=True)


def test_a_test_set_that_was_evaluated_on(clips: Path, test_set: Path, tmp_path: Path) -> None:
    folder = run(recipe(clips, tmp_path / "before"))  # nobody knows of the test set yet
    assert len(trained_on(folder)) == 24
    with pytest.raises(RestillError, match="was trained on this very picture"):
        evaluate(folder, "nturain", test_set, quiet=True)
    evaluate(folder, "nturain", test_set, allow_test_images=True, quiet=True)
    with pytest.raises(RestillError, match="is the same picture as"):
        run(recipe(clips, tmp_path / "after"))
    with pytest.raises(RestillError, match="is the same picture as"):
        restill.distill(None, "rill-s", "plain", data={"root": clips, "crop": 32, "centres": 1}, steps=1, quiet=True)


def test_the_unpaired_side_counts_too(clips: Path, test_set: Path, tmp_path: Path) -> None:
    evaluate("none", "nturain", test_set, quiet=True)
    unpaired = {"dataset": "nturain", "root": str(test_set), "split": "test"}
    with pytest.raises(RestillError, match=r"a1/rain/.* is the same picture as .*a1/rain/"):
        run(recipe(clips, tmp_path / "runs", clips=["one"], unpaired=unpaired))


def test_command(clips: Path, test_set: Path, tmp_path: Path) -> None:
    evaluate("none", "nturain", test_set, quiet=True)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(clips, tmp_path / "runs")))
    gc.collect()  # or what it finalizes while PyTorch parses its own source makes CPython 3.11's parser fail
    stopped = CliRunner().invoke(app, ["train", str(path), "--quiet"])
    assert isinstance(stopped.exception, RestillError)
    done = CliRunner().invoke(app, ["train", str(path), "--quiet", "--allow-test-images"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs" / "never" / TRAINED_ON).is_file()


def test_a_benchmark_to_train_on_with_its_options(tmp_path: Path, clips: Path) -> None:
    place = tmp_path / "set" / "train"
    place.mkdir(parents=True)
    frame = cv2.imread(str(sorted((clips / "one").iterdir())[0]))
    cv2.imwrite(str(place / "1.png"), cv2.hconcat([frame, frame[::-1]]))
    data = {"dataset": "rain200h", "root": str(tmp_path / "set")}
    fields = recipe(clips, tmp_path / "runs") | {"student": {"network": "prenet", "options": {"channels": 4}}}
    fields["data"] |= data
    folder = run(fields | {"name": "halves"})
    assert len(trained_on(folder)) == 2
    fields["data"]["options"] = {"order": "rainy-last"}
    with pytest.raises(RestillError, match="clean-first or rainy-first"):
        run(fields)
    fields["data"] |= {"options": {}, "split": "test"}
    with pytest.raises(RestillError, match="has no clip of the test split"):
        run(fields)
