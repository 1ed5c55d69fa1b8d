"""Every recipe that ships runs two steps at the smoke scale, on made-up data in its data set's layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.tables.plan import Job, Plan, by_name
from restill.tables.table import Table
from restill.training.experiment import train
from restill.training.recipe import read_fields

RECIPES = Path(__file__).parents[2] / "recipes"
ALL = by_name(RECIPES)
# where a file of each set goes; {} is a number
LAYOUTS = {
    "nturain": ("t1_Rain_01/{:05d}.png", "t1_GT/{:05d}.png"),
    "rain1400": ("training/rainy_image/{}_1.png", "training/ground_truth/{}.png"),
    "rain200h": ("train/input/{}.png", "train/target/{}.png"),
    "vimeo90k": ("sequences/00001/0001/im{}.png",),
    "clean-clips": ("one/{:05d}.png",),
    "clean-photos": ("{}.png",),
    "unpaired": ("{}.png",),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, places in LAYOUTS.items():
        for place in places:
            # every set has scenes of its own, or what one trains on would stand in another's test
            scene = cv2.GaussianBlur(rng.integers(0, 255, (120, 150, 3)).astype(np.uint8), (0, 0), 2)
            for number in range(1, 8 if name == "vimeo90k" else 14):
                path = root / name / place.format(number)
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), scene[number : number + 96, 2 * number : 2 * number + 112])
    (root / "vimeo90k" / "sep_trainlist.txt").write_text("00001/0001\n")
    return {name: root / name for name in LAYOUTS}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Shared: what one recipe needs, another may have made."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_two_steps(name, data, runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no runs of anybody's
    vsr = "std" in ALL[name].relative_to(RECIPES).parts[:1]
    parts = read_fields(RECIPES / "tables/parts" / ("vsr.yaml" if vsr else "scales.yaml"))
    table = Table.model_validate({**parts, "title": "", "paper": "", "metrics": ["psnr"], "rows": []})
    plan = Plan(table, "smoke", RECIPES, runs, data)

    def run(job) -> None:
        assert isinstance(job, Job)
        for need in job.needs:
            run(need)
        if not job.done:
            assert not job.missing()
            result = train(job.recipe, resume=True, quiet=True)
            assert result.steps == 2
            assert np.isfinite(result.losses["total"])
        assert job.done

    run(plan.of_recipe(ALL[name]))
