"""Every table that ships: it parses, its recipes are there, and its numbers are those of the paper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from restill.datasets import DATASETS
from restill.distillation import method_class
from restill.errors import RestillError
from restill.evaluation.protocols import PROTOCOLS
from restill.networks import NETWORKS
from restill.tables.measure import NIQE, counted
from restill.tables.plan import Job, Plan, by_name
from restill.tables.table import Table, find_table, load_table, table_names
from restill.training.recipe import load_recipe, read_fields

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = table_names(RECIPES)
ELSEWHERE = {"rill", "pisr"}  # folders of recipes that belong to no table of the papers


@pytest.mark.parametrize("name", NAMES)
def test_a_table_names_what_there_is(name):
    table = find_table(name, RECIPES)
    for test in table.sets:
        assert table.sets[test].dataset in DATASETS
        assert table.protocol_of(test) in {*PROTOCOLS, NIQE}
    for row in table.rows:
        assert row.recipe is None or (RECIPES / row.recipe).is_file(), row.label
        assert row.network is None or row.network in NETWORKS
        assert row.note is None or row.note.endswith((".", ")"))


def test_every_recipe_is_in_a_table_or_is_needed_by_one(monkeypatch):
    library = by_name(RECIPES)
    monkeypatch.setattr("restill.tables.plan.by_name", lambda _: library)  # read once
    used: set[str] = set()
    for name in NAMES:
        table = find_table(name, RECIPES)
        plan = Plan(table, table.written, RECIPES, Path("nowhere"), {})
        for row in table.rows:
            for training in {column.training for column in table.columns} if row.recipe else ():
                jobs = [plan.of_row(row, training, None)]
                while jobs:
                    job = jobs.pop()
                    if isinstance(job, Job):
                        used.add(job.recipe.name.removesuffix(f"-{job.mark}").removesuffix(f"-{training}"))
                        jobs += job.needs
    by_hand = {name for name, path in library.items() if path.parent.name in ELSEWHERE}
    allowed = {"ssid-kd-code", "ssid-kd-effective"}  # other readings of a row
    assert set(library) - by_hand - allowed == used - by_hand


def test_recipes_are_read_and_know_their_methods_options():
    for path in by_name(RECIPES).values():
        recipe = load_recipe(path)
        method_class(recipe.method or "plain").Options(**recipe.options)


def test_averages_of_the_papers_are_those_of_their_columns():
    """A digit that was copied wrongly would show: only the deviations that a footnote tells are there."""
    for name, first, last, tolerance in [
        ("cstd-table1", 0, 8, 0.006),
        ("cstd-table3", 0, 4, 0.006),
        ("std-table1", 0, 4, 0.06),
        ("std-table2", 0, 4, 0.02),
        ("std-table3", 0, 4, 0.02),
        ("std-table5", 0, 4, 0.02),
    ]:
        table = find_table(name, RECIPES)
        for row in table.rows:
            for metric in row.paper:
                numbers = [n for n in table.numbers(row, metric) if n is not None]
                mean = sum(numbers[first:last]) / (last - first)
                assert mean == pytest.approx(numbers[last], abs=tolerance), (name, row.label)


@pytest.mark.slow
def test_complexity_is_counted_as_the_papers_count():
    for name in ("cstd-table2", "slkd-table1", "ssid-table4"):
        table = find_table(name, RECIPES)
        assert table.complexity is not None
        for row in table.rows:
            if row.network is not None:
                ours = counted(row, table.complexity)
                assert ours["gmacs"] == pytest.approx(row.paper["gmacs"], rel=1e-3), (name, row.label)


def test_what_is_no_table_is_listed_without_pytorch():
    code = (
        "import sys; from rich.console import Console; from restill.tables.show import overview; "
        "Console(width=300).print(overview()); assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=RECIPES.parent)
    for what in ("SSID-KD, Table III", "SSID-KD, Table V", "SSID-KD, Table VI", "ssid-table7", "std-fig1"):
        assert f" {what} " in run.stdout, what


def test_scales():
    table = find_table("cstd-table1", RECIPES)
    assert table.scale("paper").recipe == {}
    assert table.scale("smoke").recipe["steps"] == 2
    small = find_table("small-cstd", RECIPES)
    assert small.scale("small").recipe == {}
    with pytest.raises(RestillError, match="--scale paper: the scales of this table are: small, smoke"):
        small.scale("paper")


def test_a_wrong_table_is_one_sentence(tmp_path):
    def wrong(text: str, match: str) -> None:
        path = tmp_path / "wrong.yaml"
        path.write_text(text)
        with pytest.raises(RestillError, match=match):
            load_table(path)

    head = "title: t\npaper: p\nmetrics: [psnr]\nsets: {a: {dataset: rain12}}\ncolumns: [{name: a, set: a}]\n"
    wrong(head + "rows: [{label: x, recpie: y}]", "field 'rows.0.recpie' is not known; the fields are: label")
    wrong(head + "rows: [{label: x}, {label: x}]", "two rows are called 'x'")
    wrong(head + "rows: [{label: x, paper: {psnr: [1, 2]}}]", "needs a number, or null, for each column")
    wrong(head.replace("set: a", "set: b") + "rows: []", "column 'a': there is no set 'b'")
    with pytest.raises(RestillError, match="table 'cstd' is not known; the tables are: cstd-table1, "):
        find_table("cstd", RECIPES)


def test_smoke_makes_every_network_small():
    scale = Table.model_validate(
        {**read_fields(RECIPES / "tables/parts/scales.yaml"), "title": "", "paper": "", "metrics": [], "rows": []}
    ).scale("smoke")
    trained = {load_recipe(path).student.network for path in by_name(RECIPES).values()} - {None, "pisr-teacher"}
    assert trained <= set(scale.networks)
