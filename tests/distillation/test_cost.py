"""The costs that `restill methods` shows, and how they come about."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from restill.cli import app
from restill.distillation import METHODS, cost
from restill.networks import create


def test_what_is_shown_was_measured_of_methods_that_exist():
    costs = cost.recorded()
    assert set(costs.ratios) <= set(METHODS)
    assert costs.ratios["plain"] == 1.0
    shown = CliRunner().invoke(app, ["methods"], env={"COLUMNS": "200"}).output
    assert f"{costs.ratios['cstd']:.1f}x" in shown
    assert "res-sl from restormer, 2 crops of 64x64" in " ".join(shown.split())


@pytest.mark.slow
def test_every_method_is_measured_beside_plain_training(monkeypatch):
    threads, seen, steps = torch.get_num_threads(), [], itertools.count()
    monkeypatch.setattr(cost, "create", lambda name: _counting(create(name), steps))
    monkeypatch.setattr(cost.time, "process_time", lambda: float(next(steps)))  # a clock that counts forward passes
    costs = cost.measure("res-sl", "res-sl", batch=1, crop=16, repeats=1, on_method=lambda: seen.append(1))
    assert set(costs.ratios) == set(METHODS)
    assert len(seen) == len(METHODS)
    assert costs.ratios["mse"] > costs.ratios["plain"] == 1  # it runs the teacher too
    assert costs.ratios["dckd"] > costs.ratios["mse"]  # and this runs each network twice
    assert torch.get_num_threads() == threads


def _counting(network: nn.Module, steps: Iterator[int]) -> nn.Module:
    """The network, which takes one step of the clock each time it runs."""
    network.register_forward_hook(lambda *_: next(steps) and None)
    return network


def test_measured_costs_are_printed_for_machines(monkeypatch):
    made = cost.Costs("t", "s", 1, 8, "this machine", "restill methods --measure", {"plain": 1.0, "mse": 2.5})
    monkeypatch.setattr(cost, "measure", lambda **_: made)
    done = CliRunner().invoke(app, ["methods", "--measure", "--json"])
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["mse"]["step"] == 2.5
    assert rows["cstd"]["step"] is None
    assert "s from t, 1 crops of 8x8" in rows["mse"]["measured"]
