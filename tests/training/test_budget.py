"""A budget in epochs: steps by the size of the training set, milestones with them, and one budget at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from restill.errors import RestillError
from restill.training.budget import in_steps
from restill.training.recipe import Recipe, load_recipe, merge, parse_recipe, set_field

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(**changes: Any) -> Recipe:
    data = {"dataset": "rain200h", "root": "nowhere", "crop": 32, "centres": 1, "workers": 0}
    fields = {"name": "x", "epochs": 10, "batch": 2, "student": {"network": "rill-p"}, "data": data}
    fields["schedule"] = {"name": "step", "milestones": [4, 8]}
    return parse_recipe(merge(fields, changes), "here")


@pytest.fixture
def five(tmp_path):
    """Rain200H with five pictures to train on."""
    for number in range(5):
        for side in ("input", "target"):
            path = tmp_path / "train" / side / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((32, 32, 3), number, np.uint8))
    return tmp_path


def test_steps_and_milestones_follow_the_size_of_the_set(five):
    done = in_steps(recipe(data={"root": str(five)}))
    assert (done.steps, done.epochs, done.schedule.milestones) == (25, None, [10, 20])
    assert in_steps(done) == done
    held_out = in_steps(recipe(data={"root": str(five), "held_out": ["4"]}, epochs=3))
    assert held_out.steps == 6


def test_without_the_data_the_published_size_counts():
    assert in_steps(recipe()).steps == 10 * 1800 / 2
    unknown = recipe(data={"dataset": "clean-photos"})
    assert in_steps(unknown) is unknown


@pytest.mark.parametrize(
    ("path", "dataset", "steps", "milestones"),
    [
        ("ssid/stage1.yaml", "rain200h", 78_000, [46_800, 62_400]),
        ("ssid/stage1.yaml", "rain1200", 520_000, [312_000, 416_000]),
        ("ssid/stage1.yaml", "rain1400", 546_000, [327_600, 436_800]),
        ("ssid/stage2_paper.yaml", "rain200h", 9_000, []),
        ("slkd/res_sl.yaml", "rain1400", 157_500, []),
        ("slkd/res_sl.yaml", "sidd", 4_000, []),
        ("slkd/teachers/restormer.yaml", "sidd", 300_000, []),
    ],
)
def test_the_papers_budgets(path, dataset, steps, milestones):
    """520 epochs by 12 (SSID-KD), 10 by 2 in its second stage, 100 by 8 (SLKD)."""
    done = in_steps(load_recipe(RECIPES / path, [f"data.dataset={dataset}", f"data.root=data/{dataset}"]))
    assert (done.steps, done.schedule.milestones) == (steps, milestones)


def test_the_later_of_two_budgets_counts():
    assert merge({"epochs": 5}, {"steps": 3}) == {"steps": 3}
    assert merge({"steps": 3}, {"epochs": 5}) == {"epochs": 5}
    fields = {"epochs": 5}
    set_field(fields, "steps=7")
    assert fields == {"steps": 7}
    for changes in ({"steps": 0}, {"epochs": 0}):
        with pytest.raises(RestillError, match=r"here: .*(give 'steps', 1 or more, or 'epochs'|greater than 0)"):
            recipe(**changes)
    both = {"name": "x", "steps": 1, "epochs": 1, "student": {"network": "rill-p"}, "data": {"root": "."}}
    with pytest.raises(RestillError, match="give 'steps', 1 or more, or 'epochs', and not both"):
        parse_recipe(both, "here")
