"""CSTD's switches and options: what each leaves on, that each runs, that the pieces add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_networks import clip, foreign, total
from torch.nn.functional import l1_loss

from restill.distillation import method_class
from restill.distillation.methods.cstd import CSTD, CSTDOptions
from restill.distillation.scales import channel_map
from restill.networks import create
from restill.training.recipe import load_recipe

torch.set_num_threads(1)

RECIPES = Path(__file__).parents[2] / "recipes" / "cstd"
TABLE5 = {  # setting: switches that are on
    1: {"ms"},
    2: {"ms", "csc"},
    3: {"ita"},
    4: {"cta"},
    5: {"ita", "cta"},
    6: {"ms", "csc", "ita", "cta"},
    7: {"ms", "csc", "ita", "cta", "sta"},
}


@pytest.mark.parametrize("setting", TABLE5)
def test_table_5(setting: int):
    on = TABLE5[setting]
    method = foreign(**{switch: switch in on for switch in ("ms", "csc", "ita", "cta", "sta")})
    assert (method.connector is not None) == ("csc" in on)
    assert (method.aggregator is not None) == bool(on & {"ita", "cta"})
    if method.aggregator is not None:
        assert method.aggregator.hint == (4 if "sta" in on else 0)
    losses = method(clip(), 0)
    names = (
        {"reconstruction"} | ({"spatial"} if "ms" in on else set()) | ({"temporal"} if on & {"ita", "cta"} else set())
    )
    assert set(losses) == names
    total(losses, method).backward()
    assert all(p.grad is not None for p in method.student.parameters())


def test_the_terms_of_table_5_add_up():
    batch, off = clip(), {"sta": False, "csc": False, "ms": False}

    def temporal(**switches: bool) -> float:
        return foreign(**off, **switches)(batch, 0)["temporal"].item()

    assert temporal(ita=True, cta=True) == pytest.approx(temporal(ita=True, cta=False) + temporal(ita=False, cta=True))


OPTIONS = [
    {"agg": "mean_sq"},
    {"agg": "unit_mean_sq"},
    {"shrink": 2},
    {"picture": 0.5},
    {"hidden": 3},
    {"connector_shared": False},
    {"g2l_init": "zeros"},
    {"order": "code"},
    {"adaptor": "none"},
    {"adaptor": "none", "order": "code"},
    {"scale_source": "frames"},
    {"t_reduction": "sum"},
    {"cells": "frozen_random"},
    {"detach_state": True},
    {"recon_weights": (1.0, 0.5, 0.5)},
    {"recon_weights": (1.0,)},
    {"reconstruction": "mse"},
    {"reconstruction": "neg_psnr"},
    {"reconstruction": "charbonnier"},
    {"reconstruction": "l1"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_runs_and_changes_something(options: dict[str, Any]):
    method, usual = foreign(**options), foreign()
    batch = clip(frames=5)
    losses = method(batch, 0)
    total(losses, method).backward()
    total(usual(batch, 0), usual).backward()
    gradients = [
        torch.stack([p.grad.abs().sum() for p in m.student.parameters() if p.grad is not None]) for m in (method, usual)
    ]
    assert torch.isfinite(gradients[0]).all()
    assert not torch.equal(*gradients) or "cells" in options
    trained = [p.requires_grad for p in method.connector.parameters()]  # type: ignore[union-attr]
    assert not any(trained) if options.get("cells") == "frozen_random" else all(trained)


def test_the_teachers_picture_is_compared_under_the_tasks_loss():
    """What method output compares (ours), beside all that CSTD has."""
    batch = clip(frames=5)
    method, usual = foreign(picture=0.5, reconstruction="l1"), foreign(reconstruction="l1")
    losses = method(batch, 0)
    windows = method.shown(batch)
    expected = l1_loss(method.student(windows), method.teacher(windows))  # type: ignore[misc]
    assert losses.pop("picture").item() == pytest.approx(expected.item())
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {name: value.item() for name, value in usual(batch, 0).items()}
    )
    assert method.default_weights == usual.default_weights | {"picture": 0.5}


def test_the_default_counts_of_cells_are_the_papers():
    method = CSTD(create("rill-l", channels=4), create("rill-s", channels=4), 2)
    assert sum(p.numel() for p in method.connector.parameters()) == 9856  # type: ignore[union-attr]
    assert sum(p.numel() for p in method.aggregator.parameters()) == 19072  # type: ignore[union-attr]
    two = CSTD(
        create("rill-l", channels=4),
        create("rill-s", channels=4),
        2,
        CSTDOptions(connector_shared=False, adaptor="none"),
    )
    assert sum(p.numel() for p in two.connector.parameters()) == 2 * 9856  # type: ignore[union-attr]
    assert sum(p.numel() for p in two.aggregator.parameters()) == 9856  # type: ignore[union-attr]


@pytest.mark.parametrize("setting", TABLE5)
def test_alternating_steps_are_the_joint_loss_in_pieces(setting: int):
    switches = {switch: switch in TABLE5[setting] for switch in ("ms", "csc", "ita", "cta", "sta")}
    batch = clip(frames=5)
    joint = foreign(**switches, picture=0.5, detach_state=True)(batch, 0)
    method = foreign(**switches, picture=0.5, optim="alternate")
    groups = list(method.loss_groups(batch, 0))
    assert len(groups) == 3 * (6 if switches["csc"] else 3)
    for name, value in joint.items():
        assert sum(group[name].item() for group in groups if name in group) == pytest.approx(value.item(), rel=1e-4)


def test_alternating_steps_train():
    method = foreign(optim="alternate")
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    batch = clip()
    before = total(method(batch, 0), method).item()
    for step in range(4):
        for losses in method.loss_groups(batch, step):
            optimizer.zero_grad()
            total(losses, method).backward()
            optimizer.step()
    assert total(method(batch, 0), method).item() < before


@pytest.mark.parametrize("setting", TABLE5)
def test_each_recipe_of_table_5_is_its_setting(setting: int):
    recipe = load_recipe(RECIPES / f"table5_setting{setting}.yaml")
    options = CSTDOptions(**recipe.options)
    assert {switch for switch in ("ms", "csc", "ita", "cta", "sta") if getattr(options, switch)} == TABLE5[setting]
    switches = {"ms", "csc", "ita", "cta", "sta"}
    assert options.model_dump(exclude=switches) == CSTDOptions(preset="code").model_dump(exclude=switches)


@pytest.mark.parametrize("name", ["std", "srkd"])
def test_the_recipes_of_cstds_table_4(name):
    recipe = load_recipe(RECIPES / f"table4_{name}.yaml")
    options: Any = method_class(name).Options(**recipe.options)
    assert recipe.method == name
    assert (options.reconstruction, options.recon_weights) == ("neg_ssim", CSTDOptions(preset="code").recon_weights)
    assert getattr(options, "warmup", 0) < recipe.steps
    assert recipe.student.checkpoint == recipe.output / load_recipe(RECIPES / "student1.yaml").name
    assert recipe.teacher is not None
    assert recipe.teacher.checkpoint == recipe.output / load_recipe(RECIPES / "teacher.yaml").name
    fair = load_recipe(RECIPES / "table5_setting7.yaml")  # what CSTD trains with
    assert (recipe.data, recipe.optimizer, recipe.schedule, recipe.steps) == (
        fair.data,
        fair.optimizer,
        fair.schedule,
        fair.steps,
    )


def test_the_preset_code_is_what_the_authors_ran():
    code = CSTDOptions(preset="code")
    assert (code.agg, code.order, code.scale_source, code.optim) == ("sum_sq", "code", "frames", "alternate")
    assert code.recon_weights == (1.0, 0.5, 0.5)
    assert CSTDOptions(preset="code", optim="joint", agg="mean_sq").model_dump(include={"optim", "agg", "order"}) == {
        "optim": "joint",
        "agg": "mean_sq",
        "order": "code",
    }
    method = foreign(preset="code", sta=True)
    cells = {id(cell) for cell in (method.connector.cell, method.connector.own_back)}  # type: ignore[union-attr]
    assert len(cells) == 2
    assert len(list(method.loss_groups(clip(frames=5), 0))) == 6 * 3  # three centers


def test_the_default_map_is_the_square_of_the_channels_sum():
    feature = torch.randn(2, 5, 4, 6)
    default = CSTDOptions().agg
    same = torch.ones(1, 7, 1, 1) * feature[:, :1]  # seven channels that are alike
    assert torch.allclose(channel_map(same, default), 7**2 * feature[:, :1] ** 2)
    assert torch.allclose(channel_map(feature, default), 5**2 * channel_map(feature, "mean_sq"), rtol=1e-4)


def test_a_unit_map_does_not_know_the_scale_of_its_feature():
    feature = torch.rand(2, 3, 4, 5)
    one, other = channel_map(feature, "unit_mean_sq"), channel_map(100 * feature, "unit_mean_sq")
    assert torch.allclose(one, other, rtol=1e-4)
    assert one.mean().item() == pytest.approx(1, abs=1e-4)
    assert not channel_map(torch.zeros(1, 3, 4, 4), "unit_mean_sq").any()
