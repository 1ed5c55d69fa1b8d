"""SLKD's losses against plain arithmetic, and each option; what all methods must do is in test_every_method.py.

Teachers and networks: test_slkd_teachers.py. Extractors: test_natural_statistics.py, test_block_statistics.py.
"""

from __future__ import annotations

import math

import pytest
import torch
from slkd_reference import PLACES, clip, plain_kl, plain_valid_kl, seen, standard, tiny
from torch import Tensor, nn

from restill.distillation.block_statistics import piqe_planes
from restill.distillation.methods.slkd import ScaleConversion, valid_kl
from restill.distillation.natural_statistics import brisque_planes
from restill.errors import RestillError

torch.set_num_threads(1)


# --- (2) L_NC, (3) L_ET, (4) L_KL, (5) L_pixel, (6) L_all -------------------------------------------------------------


def test_each_loss_is_its_equation():
    method, batch = tiny(), clip()
    losses = method(batch, 0)
    (s, f_s), (ta, f_a) = seen(method.student, batch["degraded"]), seen(method.teacher, batch["degraded"])  # type: ignore[arg-type]
    tb, f_b = seen(method.teacher, batch["clean"])  # type: ignore[arg-type]
    assert losses["reconstruction"].item() == pytest.approx((s - tb).abs().mean().item(), rel=1e-5)  # (5) L_pixel
    p_s, p_t = (x.clamp(1e-4, 1) / x.clamp(1e-4, 1).sum((2, 3), keepdim=True) for x in (s, ta))
    want = (p_s * (p_s / p_t).log()).sum((2, 3)).mean().item()
    assert losses["image_kl"].item() == pytest.approx(want, abs=1e-6)  # (4) L_KL
    levels = []
    for role, f_t, extract in (("encoder", f_a, brisque_planes), ("decoder", f_b, piqe_planes)):
        for name, adapter in zip(PLACES[role], method.scm[role].adapters, strict=True):  # type: ignore[union-attr, arg-type]
            u_s, u_t = standard(adapter(f_s[name])), standard(f_t[name])
            levels.append(plain_valid_kl(extract(u_s), extract(u_t)))
    assert losses["nc"].item() == pytest.approx(levels[0] + levels[1], rel=1e-3)  # (2) L_NC
    assert losses["et"].item() == pytest.approx(levels[2] + levels[3], rel=1e-3)  # (3) L_ET
    assert list(method.metrics()) == ["nc_1", "nc_2", "et_1", "et_2"]
    assert list(method.metrics().values()) == pytest.approx(levels, rel=1e-3)
    assert method.default_weights == {"reconstruction": 1.0, "image_kl": 0.5, "nc": 0.1, "et": 0.1}  # (6) L_all


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


# --- the scale conversion and the softmax ----------------------------------------------------------------------------


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
