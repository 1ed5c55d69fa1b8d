"""SLKD's ablation and recipes, the networks it was made for, and its second teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_networks import TinyUnet
from slkd_reference import PLACES, clip, plain_kl, seen, standard, tiny

from restill.distillation import create_method, method_class
from restill.distillation.methods.slkd import SLKD
from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.networks.saved import load_network, save_network
from restill.training.budget import in_steps
from restill.training.recipe import load_recipe

torch.set_num_threads(1)
SMALL = {"channels": 4, "blocks": [1, 1, 1, 1], "refinement": 1}
UFORMER_ENCODER = ("encoder.0", "encoder.1", "encoder.2", "encoder.3")
RECIPES = Path(__file__).parents[2] / "recipes" / "slkd"


# --- Table IV --------------------------------------------------------------------------------------------------------


def test_rows_1_and_2_compare_decoders_as_they_are():
    batch = clip()
    for shown in ("degraded", "clean"):
        f_s = f_t = {}
        for kind in ("kl", "mse"):
            method = tiny(encoder_loss="none", decoder_loss=kind, teacher_b_input=shown)
            losses = method(batch, 0)
            assert set(losses) == {"reconstruction", "image_kl", "et"}
            tb, f_t = seen(method.teacher, batch[shown])  # type: ignore[arg-type]
            s, f_s = seen(method.student, batch["degraded"])
            assert losses["reconstruction"].item() == pytest.approx((s - tb).abs().mean().item(), rel=1e-5)
            want = 0.0
            for name, adapter in zip(PLACES["decoder"], method.scm["decoder"].adapters, strict=True):  # type: ignore[arg-type]
                u_s, u_t = standard(adapter(f_s[name])).detach(), standard(f_t[name])
                rows_s, rows_t = (u.double().flatten(1).numpy() for u in (u_s, u_t))
                want += plain_kl(rows_s, rows_t) if kind == "kl" else (u_s - u_t).square().mean().item()
            assert losses["et"].item() == pytest.approx(want, rel=1e-4)


def test_rows_3_and_4_are_single_losses():
    assert set(tiny(decoder_loss="none")(clip(), 0)) == {"reconstruction", "image_kl", "nc"}
    assert set(tiny(encoder_loss="none")(clip(), 0)) == {"reconstruction", "image_kl", "et"}


def test_recipes_are_the_papers_training():
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(RECIPES.glob("*.yaml")):
        if path.stem == "common":
            continue
        recipe = in_steps(load_recipe(path))
        assert recipe.name == f"slkd-{path.stem.replace('_', '-')}"
        assert recipe.student.network in NETWORKS
        assert (recipe.method, recipe.batch, recipe.data.crop, recipe.data.centres) == ("slkd", 8, 128, 1)
        assert recipe.steps == 100 * 12_600 // 8
        assert recipe.optimizer.weight_decay == 1e-4
        assert recipe.schedule.lr(1e-4, recipe.steps, recipe.steps) == pytest.approx(1e-6)
        method_class("slkd").Options(**recipe.options)
        rows[path.stem] = recipe.options
    plain = {"encoder_loss": "none", "decoder_loss": "kl"}
    assert rows["table4_row1"] == {**plain, "teacher_b_input": "degraded"}
    assert rows["table4_row2"] == plain
    assert (rows["table4_row3"], rows["table4_row4"]) == ({"decoder_loss": "none"}, {"encoder_loss": "none"})
    assert rows["table4_row5"] == rows["res_sl"] == rows["ufor_sl"] == rows["drs_sl"] == {}


# --- networks and teachers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("teacher", "student", "options", "side", "encoder"),
    [
        ("restormer", "res-sl", SMALL, 16, ("encoder_level1", "encoder_level2", "encoder_level3", "latent")),
        ("drsformer", "drs-sl", {"channels": 4, "blocks": [1, 1, 1, 1], "mefc_steps": 1}, 16, None),
        (
            "uformer-b",
            "ufor-sl",
            {"channels": 2, "depths": [1] * 9, "window": 2},
            32,
            UFORMER_ENCODER,
        ),
    ],
)
def test_the_papers_networks_have_four_levels(teacher, student, options, side, encoder):
    torch.manual_seed(0)
    wide = {**options, "channels": 2 * options["channels"]}
    method = create_method("slkd", create(teacher, **wide), create(student, **options), 0)
    assert isinstance(method, SLKD)
    places = method.student_net.paths
    assert len(places["encoder"]) == len(places["decoder"]) == 4  # not Uformer's bottleneck
    assert encoder in (None, places["encoder"])
    losses = method(clip(side, frames=1), 0)
    assert all(torch.isfinite(value) for value in losses.values())
    assert len(method.metrics()) == 8


def test_another_second_teacher():
    torch.manual_seed(5)
    second, batch = TinyUnet(6), clip()
    method = tiny(teacher_b=second)
    losses = method(batch, 0)
    s, _ = seen(method.student, batch["degraded"])
    tb, _ = seen(second, batch["clean"])
    assert losses["reconstruction"].item() == pytest.approx((s - tb).abs().mean().item(), rel=1e-5)
    widths = [adapter.out_channels for adapter in method.scm["decoder"].adapters]  # type: ignore[union-attr]
    assert widths == [6, 6]  # of the second teacher's decoder
    torch.stack(list(losses.values())).sum().backward()
    method.train()
    assert not second.training
    assert all(p.grad is None and not p.requires_grad for p in second.parameters())
    assert not any(key.startswith("teacher_b") for key in method.state_dict())  # in no checkpoint
    shown = tiny(teacher_b=second, teacher_b_input="degraded")(batch, 0)["reconstruction"].item()
    tb, _ = seen(second, batch["degraded"])
    assert shown == pytest.approx((s - tb).abs().mean().item(), rel=1e-5)


def test_a_second_teacher_from_a_checkpoint(tmp_path):
    torch.manual_seed(0)
    second = create("restormer", **SMALL)
    path = tmp_path / "b.safetensors"
    save_network(path, second, {"network": "restormer", "options": SMALL, "align": "none", "name": "b"})
    networks = create("restormer", **SMALL), create("res-sl", **SMALL)
    method = create_method("slkd", *networks, 0, teacher_b=str(path))
    assert isinstance(method, SLKD)
    read = load_network(path)[0].state_dict()
    assert method.teacher_b is not None
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in read.items())
    assert all(torch.equal(value, read[key]) for key, value in method.teacher_b.state_dict().items())
    with pytest.raises(RestillError, match=r"none\.safetensors: no such checkpoint"):
        create_method("slkd", *networks, 0, teacher_b=str(tmp_path / "none.safetensors"))


def test_what_does_not_fit_is_one_sentence():
    with pytest.raises(RestillError, match="option 'teacher_b': must be the path of a checkpoint, or a module, not 3"):
        tiny(teacher_b=3)
    with pytest.raises(RestillError, match="option 'tau'"):
        tiny(tau=0)
    restormers = create("restormer", **SMALL), create("res-sl", **SMALL)
    small = {"channels": 4, "window": 2}
    with pytest.raises(RestillError, match=r"teacher_b takes sizes that are multiples of 32, but .* of 8"):
        create_method("slkd", *restormers, 0, teacher_b=create("uformer-b", depths=[1] * 9, **small))
    with pytest.raises(RestillError, match="'decoder' has 1 paths in teacher_b but 4 in the student"):
        create_method("slkd", *restormers, 0, teacher_b=create("uformer-b", depths=[1] * 3, **small))
    with pytest.raises(RestillError, match="the teacher_b TinyUnet has no spec"):
        create_method("slkd", *restormers, 0, teacher_b=TinyUnet(4))
    batch = clip() | {"clean": torch.rand(2, 3, 3, 32, 32)}
    with pytest.raises(RestillError, match="must restore at scale 1"):
        tiny()(batch, 0)
