"""SLKD's losses against plain arithmetic, each option, its teachers; what all methods must do: test_every_method.py.

The extractors have tests of their own: test_natural_statistics.py, test_block_statistics.py.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_networks import UNET_PLACES, TinyUnet
from torch import Tensor, nn

from restill.distillation import create_method, method_class
from restill.distillation.block_statistics import piqe_planes
from restill.distillation.natural_statistics import brisque_planes
from restill.distillation.slkd import SLKD, ScaleConversion, valid_kl
from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.networks.saved import load_network, save_network
from restill.training.recipe import load_recipe

torch.set_num_threads(1)
PLACES = {role: UNET_PLACES[role] for role in ("encoder", "decoder")}
SMALL = {"channels": 4, "blocks": [1, 1, 1, 1], "refinement": 1}
UFORMER_ENCODER = ("encoder.0", "encoder.1", "encoder.2", "encoder.3")
RECIPES = Path(__file__).parents[2] / "recipes" / "slkd"


def clip(side: int = 16, frames: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {key: torch.rand(2, frames, 3, side, side) for key in ("degraded", "clean")}


def around(teacher: nn.Module, student: nn.Module, **options: Any) -> SLKD:
    method = create_method(
        "slkd", teacher, student, 1, teacher_feature=PLACES, student_feature=PLACES, student_head="last", **options
    )
    assert isinstance(method, SLKD)
    return method


def tiny(student: int = 4, **options: Any) -> SLKD:
    torch.manual_seed(0)
    return around(TinyUnet(8), TinyUnet(student), **options)


def seen(network: nn.Module, window: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """A network's picture, and what came out of each of its modules."""
    found: dict[str, Tensor] = {}
    modules = dict(network.named_children())
    handles = [m.register_forward_hook(lambda *a, name=n: found.update({name: a[2]})) for n, m in modules.items()]
    with torch.no_grad():
        picture = network(window)
    for handle in handles:
        handle.remove()
    return picture, found


def standard(u: Tensor) -> Tensor:
    flat = u.flatten(1)
    mean, var = flat.mean(1), flat.var(1, correction=0)
    return (u - mean.view(-1, 1, 1, 1)) / (var + 1e-6).sqrt().view(-1, 1, 1, 1)


def plain_kl(student: np.ndarray, teacher: np.ndarray) -> float:
    """sum P_S log(P_S / P_T) of two softmaxes, mean over rows."""
    p, q = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in (student, teacher))
    return float((p * np.log(p / q)).sum(-1).mean())


def plain_valid_kl(student: Tensor, teacher: Tensor, tau: float = 1.0, forward: bool = False) -> float:
    s, t = student.detach().double().numpy(), teacher.detach().double().numpy()
    z_s, z_t = np.empty_like(s), np.empty_like(t)
    for plane in range(t.shape[2]):
        mean, std = t[:, :, plane].mean(), t[:, :, plane].std()
        for x, z in ((s, z_s), (t, z_t)):
            z[:, :, plane] = np.clip((x[:, :, plane] - mean) / (std + 1e-3), -6, 6) / tau
    rows_s, rows_t = (z.reshape(z.shape[0] * z.shape[1], -1) for z in (z_s, z_t))
    return plain_kl(rows_t, rows_s) if forward else plain_kl(rows_s, rows_t)


# --- (1) to (5) ------------------------------------------------------------------------------------------------------


def test_each_loss_is_its_equation():
    method, batch = tiny(), clip()
    losses = method(batch, 0)
    (s, f_s), (ta, f_a) = seen(method.student, batch["degraded"]), seen(method.teacher, batch["degraded"])  # type: ignore[arg-type]
    tb, f_b = seen(method.teacher, batch["clean"])  # type: ignore[arg-type]
    assert losses["reconstruction"].item() == pytest.approx((s - tb).abs().mean().item(), rel=1e-5)  # (2)
    p_s, p_t = (x.clamp(1e-4, 1) / x.clamp(1e-4, 1).sum((2, 3), keepdim=True) for x in (s, ta))
    want = (p_s * (p_s / p_t).log()).sum((2, 3)).mean().item()
    assert losses["image_kl"].item() == pytest.approx(want, abs=1e-6)  # (3)
    levels = []
    for role, f_t, extract in (("encoder", f_a, brisque_planes), ("decoder", f_b, piqe_planes)):
        for name, adapter in zip(PLACES[role], method.scm[role].adapters, strict=True):  # type: ignore[union-attr, arg-type]
            u_s, u_t = standard(adapter(f_s[name])), standard(f_t[name])
            levels.append(plain_valid_kl(extract(u_s), extract(u_t)))
    assert losses["nc"].item() == pytest.approx(levels[0] + levels[1], rel=1e-3)  # (4)
    assert losses["et"].item() == pytest.approx(levels[2] + levels[3], rel=1e-3)  # (5)
    assert list(method.metrics()) == ["nc_1", "nc_2", "et_1", "et_2"]
    assert list(method.metrics().values()) == pytest.approx(levels, rel=1e-3)
    assert method.default_weights == {"reconstruction": 1.0, "image_kl": 0.5, "nc": 0.1, "et": 0.1}  # (1)


def test_weights_and_their_scales():
    method = tiny(alpha1=0.2, alpha2=0.3, nc_scale=2.0, et_scale=0.5)
    assert method.default_weights == pytest.approx({"reconstruction": 1.0, "image_kl": 0.2, "nc": 0.6, "et": 0.15})


def test_nothing_to_learn_where_both_teachers_see_what_the_student_sees():
    method, batch = tiny(8, teacher_b_input="degraded"), clip()
    method.student.load_state_dict(method.teacher.state_dict())  # type: ignore[union-attr]
    assert [value.item() for value in method(batch, 0).values()] == [0, 0, 0, 0]
    assert all(isinstance(adapter, nn.Identity) for scm in method.scm.values() for adapter in scm.adapters)  # type: ignore[union-attr]


def test_pictures_as_softmax_and_the_clean_frame_as_target():
    batch = clip()
    method = tiny(pixel_target="gt", img_kl="softmax", kl_dir="forward")
    losses = method(batch, 0)
    (s, _), (ta, _) = seen(method.student, batch["degraded"]), seen(method.teacher, batch["degraded"])  # type: ignore[arg-type]
    assert losses["reconstruction"].item() == pytest.approx((s - batch["clean"][:, 1]).abs().mean().item(), rel=1e-5)
    rows_s, rows_t = (x.double().flatten(2).numpy() for x in (s, ta))
    assert losses["image_kl"].item() == pytest.approx(plain_kl(rows_t, rows_s), abs=1e-6)


# --- (6) and (11) ----------------------------------------------------------------------------------------------------


def test_valid_kl_by_hand():
    teacher = torch.tensor([0.0, 2.0]).view(1, 1, 1, 1, 2)  # mean 1, deviation 1
    student = torch.tensor([1.0, 1.0]).view(1, 1, 1, 1, 2)
    z = 1 / 1.001
    p = 1 / (1 + math.exp(-2 * z))
    want = 0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p))
    assert valid_kl(student, teacher, 1.0, "reverse").item() == pytest.approx(want, rel=1e-5)
    want = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    assert valid_kl(student, teacher, 1.0, "forward").item() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("tau", [1.0, 4.0])
def test_valid_kl_is_the_definition(tau):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 3, 5, 4, 2) * 3, torch.randn(2, 3, 5, 4, 2) + torch.arange(5.0).view(5, 1, 1)
    assert valid_kl(student, teacher, tau, "reverse").item() == pytest.approx(
        plain_valid_kl(student, teacher, tau), rel=1e-4
    )
    assert valid_kl(student, teacher, tau, "forward").item() == pytest.approx(
        plain_valid_kl(student, teacher, tau, forward=True), rel=1e-4
    )
    assert valid_kl(teacher, teacher, tau, "reverse").item() == 0


def test_what_the_scale_conversion_gives():
    torch.manual_seed(0)
    scm = ScaleConversion([(2, 4), (4, 4)], None)
    students, teachers = [torch.rand(2, 2, 4, 4), torch.rand(2, 4, 3, 3)], [torch.rand(2, 4, 8, 8) * 9 + 5] * 2
    for (u_s, u_t), student, adapter in zip(scm(students, teachers), students, scm.adapters, strict=True):
        resized = nn.functional.interpolate(adapter(student), (8, 8), mode="bilinear", align_corners=False)
        assert torch.allclose(u_s, standard(resized), atol=1e-5)
        assert torch.allclose(u_t, standard(teachers[0]), atol=1e-5)
        assert u_t.flatten(1).mean(1).abs().max() < 1e-5
        assert u_t.flatten(1).var(1).tolist() == pytest.approx([1, 1], abs=0.01)
    assert [type(adapter) for adapter in scm.adapters] == [nn.Conv2d, nn.Identity]


def test_one_size_for_all_levels():
    scm = ScaleConversion([(2, 5), (2, 2)], (2, 4, 6))
    teacher = torch.rand(1, 5, 4, 6)
    ((u_s, u_t), (u_s2, u_t2)) = scm([torch.rand(1, 2, 8, 8)] * 2, [teacher, torch.rand(1, 2, 9, 9)])
    assert u_s.shape == u_t.shape == u_s2.shape == u_t2.shape == (1, 2, 4, 6)
    groups = torch.stack([teacher[:, :3].mean(1), teacher[:, 3:].mean(1)], 1)
    assert torch.allclose(u_t, standard(groups), atol=1e-5)
    assert [type(adapter) for adapter in scm.adapters] == [nn.Conv2d, nn.Identity]
    losses = tiny(scm_common=(8, 16, 16))(clip(), 0)
    assert all(torch.isfinite(value) for value in losses.values())
    with pytest.raises(RestillError, match=r"'scm_common': 9 channels are more than a level of the teacher has \(8\)"):
        tiny(scm_common=(9, 16, 16))


@pytest.mark.parametrize("kind", ["random", "zero", "constant", "huge"])
@pytest.mark.parametrize("extract", [brisque_planes, piqe_planes])
def test_finite_for_any_features(kind, extract):
    torch.manual_seed(0)
    noise, teacher = torch.randn(2, 8, 16, 16), torch.randn(2, 8, 16, 16)
    student = {"random": noise, "zero": noise * 0, "constant": noise * 0 + 7, "huge": noise * 1e4}[kind]
    student.requires_grad_()
    scm = ScaleConversion([(8, 8)], None)
    for s, t in ((student, teacher), (student, student.detach())):
        ((u_s, u_t),) = scm([s], [t])
        loss = valid_kl(extract(u_s), extract(u_t), 1.0, "reverse")
        (gradient,) = torch.autograd.grad(loss, student)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        assert (loss.item() == 0) == (t is not teacher)


@pytest.mark.parametrize("extract", [brisque_planes, piqe_planes])
def test_the_gradient_is_that_of_finite_differences(extract):
    torch.manual_seed(0)
    student, teacher, towards = torch.randn(3, 2, 8, 16, 16, dtype=torch.float64)

    def loss(at: Tensor) -> Tensor:
        return valid_kl(extract(standard(at)), extract(teacher), 1.0, "reverse")

    at = student.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at)
    numeric = (loss(student + 1e-6 * towards) - loss(student - 1e-6 * towards)) / 2e-6
    assert (gradient * towards).sum().item() == pytest.approx(numeric.item(), rel=1e-3)


def test_two_scales_of_brisque():
    one, two = (tiny(brisque_scales=scales)(clip(), 0)["nc"].item() for scales in (1, 2))
    assert one != two
    assert math.isfinite(two)


def test_half_precision_changes_little():
    method, batch = tiny(), clip()
    want = method(batch, 0)
    with torch.autocast("cpu", torch.bfloat16):
        found = method(batch, 0)
    for name in ("nc", "et"):
        assert found[name].item() == pytest.approx(want[name].item(), rel=0.1)
        assert found[name].dtype == torch.float32


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
        recipe = load_recipe(path)
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
    places = method.student_net.places
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
    with pytest.raises(RestillError, match="'decoder' has 1 places in teacher_b but 4 in the student"):
        create_method("slkd", *restormers, 0, teacher_b=create("uformer-b", depths=[1] * 3, **small))
    with pytest.raises(RestillError, match="the teacher_b TinyUnet has no spec"):
        create_method("slkd", *restormers, 0, teacher_b=TinyUnet(4))
    batch = clip() | {"clean": torch.rand(2, 3, 3, 32, 32)}
    with pytest.raises(RestillError, match="must restore at scale 1"):
        tiny()(batch, 0)
