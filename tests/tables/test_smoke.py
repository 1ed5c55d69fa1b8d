"""Every recipe that ships runs two steps at the smoke scale, on made-up data; and a table of each paper runs whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from restill.tables import reproduce
from restill.tables.plan import Job, Plan, by_name
from restill.tables.synthetic_sets import SyntheticSets
from restill.tables.table import Table
from restill.training.experiment import train
from restill.training.recipe import read_fields

RECIPES = Path(__file__).parents[2] / "recipes"
ALL = by_name(RECIPES)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Shared: what one recipe needs, another may have made."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_two_steps(name, runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no runs of anybody's
    vsr = "std" in ALL[name].relative_to(RECIPES).parts[:1]
    parts = read_fields(RECIPES / "tables/parts" / ("vsr.yaml" if vsr else "scales.yaml"))
    table = Table.model_validate({**parts, "title": "", "paper": "", "metrics": ["psnr"], "rows": []})
    plan = Plan(table, "smoke", RECIPES, runs, {}, SyntheticSets(runs / "synthetic"))

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


# a table of each paper: which rows, whether test pictures are trained on too, what is made up
TABLES = {
    "cstd-table4": (["baseline"], False, ["nturain"]),
    "std-table2": (None, False, ["vid4 (to test on)", "vimeo90k (to train on)"]),
    "slkd-table4": (None, False, ["rain1400"]),
    "ssid-table7": (["SID: no-SC", "SSID-KD: no-SC"], True, ["rain200h", "real275", "NIQE's model"]),
    "small-cstd": (["student alone", "SRKD"], False, ["nturain (to test on)", "clean-clips (to train on)"]),
}
FAST, *SLOW = TABLES


@pytest.mark.parametrize("name", [FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_table_runs_with_no_data_at_all(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no data of anybody's
    rows, allow, synthetic = TABLES[name]
    result = reproduce(name, rows, scale="smoke", allow_test_images=allow, recipes=RECIPES, quiet=True)
    assert sorted(result.made_up) == sorted(synthetic)
    assert f"Synthetic data replace the missing data sets: {', '.join(result.made_up)}." in result.head()
    for row in result.rows:
        if row.row.recipe or row.row.model:
            assert row.messages == []
            assert any(values for columns in row.ours.values() for values in columns), row.row.label
        if row.row.recipe:
            assert row.runs
            assert all((run / "student.safetensors").is_file() for run in row.runs)
