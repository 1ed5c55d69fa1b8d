"""Made-up data: every set of a shipped table can be stood in for, in its own layout, and what is there is taken."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from restill.datasets import DATASETS, TO_TRAIN_ON, dataset_class, open_paired, open_source
from restill.datasets.leaks import digest
from restill.tables.plan import fingerprint
from restill.tables.synthetic_sets import MARK, SyntheticSets, write_synthetic_set
from restill.tables.table import find_table, table_names
from restill.training.recipe import parse_recipe, read_fields

RECIPES = Path(__file__).parents[2] / "recipes"
CLIPS = {name: getattr(dataset_class(name), "members", {}).get("test", ()) for name in ("nturain", "vid4")}


def wanted() -> dict[str, set[str]]:
    """By set, the splits that the shipped tables test on, and "train" where a recipe trains on it."""
    found: dict[str, set[str]] = {}
    for name in table_names(RECIPES):
        for test in find_table(name, RECIPES).sets.values():
            found.setdefault(test.dataset, set()).add(test.split)
    for path in RECIPES.rglob("*.yaml"):
        text = path.read_text()
        for dataset in re.findall(r"\bdataset: ([\w-]+)", text) if "tables" not in path.parts else ():
            found.setdefault(dataset, set()).add("train" if dataset not in ("real275",) else "test")
    return found


WANTED = wanted()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("synthetic")


@pytest.mark.parametrize("dataset", sorted(WANTED))
def test_a_set_is_written_in_its_layout(dataset, folder):
    assert dataset in DATASETS
    root = write_synthetic_set(dataset, folder / dataset)
    codes: list[bytes] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing without a partner
        for split in sorted(WANTED[dataset]):
            source = (
                open_source(dataset, root, rain="none") if dataset in TO_TRAIN_ON else open_paired(dataset, root, split)
            )
            assert set(CLIPS.get(dataset, ()) if split == "test" else ()) <= set(source.names)
            if dataset != "vimeo90k":  # its parts share clips
                pictures = [p for clip in range(len(source.names)) for p in source.pictures(clip).read()]  # type: ignore[attr-defined]
                codes += map(digest, pictures)
    assert len(set(codes)) == len(codes)  # a picture to train on is none to test on
    before = (root / MARK).stat().st_mtime_ns
    assert write_synthetic_set(dataset, folder / dataset) == root
    assert (root / MARK).stat().st_mtime_ns == before


def test_what_is_there_is_taken_and_what_lacks_a_split_is_stood_in_for(folder, tmp_path):
    """The test clips alone are given: they are tested on, and what is trained on is made up."""
    mine = tmp_path / "mine"
    write_synthetic_set("nturain", mine)
    for path in mine.glob("t*"):
        path.rename(tmp_path / path.name)
    synthetic_sets = SyntheticSets(folder)
    assert synthetic_sets.to_test_on("nturain", mine, "test") == mine
    assert synthetic_sets.used == []
    assert synthetic_sets.to_train_on("nturain", mine) == folder / "nturain"
    assert synthetic_sets.used == ["nturain (to train on)"]
    assert synthetic_sets.to_test_on("nturain", tmp_path / "nowhere", "test") == folder / "nturain"
    assert synthetic_sets.used == ["nturain"]


def test_a_run_on_synthetic_data_is_not_the_run_on_real_data(folder, tmp_path):
    fields = read_fields(RECIPES / "cstd" / "teacher.yaml")

    def mark(root: Path) -> str:
        return fingerprint(parse_recipe({**fields, "data": {**fields["data"], "root": str(root)}}, ""), ())

    assert mark(tmp_path) == mark(Path("data/nturain"))
    assert mark(write_synthetic_set("nturain", folder / "nturain")) != mark(tmp_path)
