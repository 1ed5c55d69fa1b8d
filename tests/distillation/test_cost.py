"""The costs that `restill methods` shows, and how they come about."""

from __future__ import annotations

import json

import torch
from typer.testing import CliRunner

from restill.cli import app
from restill.distillation import METHODS, cost


def test_what_is_shown_was_measured_of_methods_that_exist():
    costs = cost.recorded()
    assert set(costs.ratios) <= set(METHODS)
    assert costs.ratios["plain"] == 1.0
    shown = CliRunner().invoke(app, ["methods"], env={"COLUMNS": "200"}).output
    assert f"{costs.ratios['cstd']:.1f}x" in shown
    assert "res-sl from restormer, 2 crops of 64x64" in " ".join(shown.split())


def test_every_method_is_measured_beside_plain_training():
    threads, seen = torch.get_num_threads(), []
    costs = cost.measure("res-sl", "res-sl", batch=1, crop=16, repeats=1, on_method=lambda: seen.append(1))
    assert set(costs.ratios) == set(METHODS)
    assert len(seen) == len(METHODS)
    assert costs.ratios["mse"] > 1.1  # it runs the teacher too
    assert costs.ratios["dckd"] > costs.ratios["mse"]  # and this runs each network twice
    assert torch.get_num_threads() == threads


def test_measured_costs_are_printed_for_machines(monkeypatch):
    made = cost.Costs("t", "s", 1, 8, "this machine", "restill methods --measure", {"plain": 1.0, "mse": 2.5})
    monkeypatch.setattr(cost, "measure", lambda **_: made)
    done = CliRunner().invoke(app, ["methods", "--measure", "--json"])
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["mse"]["step"] == 2.5
    assert rows["cstd"]["step"] is None
    assert "s from t, 1 crops of 8x8" in rows["mse"]["measured"]
