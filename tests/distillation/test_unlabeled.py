"""Unlabeled clips beside any method: their target is the teacher's picture, the mean over its looks."""

from __future__ import annotations

import pytest
import torch
from foreign_networks import TinyUnet
from method_cases import make, names, networks
from torch import Tensor, nn

from restill.distillation import create_method
from restill.distillation.method import Method
from restill.distillation.unlabeled import TARGET, learn_unlabeled, looked_at, loss_groups, teacher_pictures
from restill.errors import RestillError

torch.set_num_threads(1)
SEES_CLEAN = {"pisr", "pisr-teacher"}


def clips(rows: int = 1, side: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(rows, 5, 3, side, side, generator=torch.Generator().manual_seed(seed))


def batch(rows: int = 1, side: int = 16) -> dict[str, Tensor]:
    paired = {key: clips(2, 32, seed) for seed, key in enumerate(("degraded", "clean", "unpaired"))}
    return paired | {"unlabeled": clips(rows, side, 3)}


def taught(name: str) -> Method:
    teacher, student = networks()
    return learn_unlabeled(make(name, teacher, student), teacher)


@pytest.mark.parametrize("name", [name for name in names() if name not in SEES_CLEAN])
def test_every_method_learns_unlabeled_clips_once_a_batch(name: str):
    method = taught(name).train()
    groups = list(loss_groups(method, batch(), 0))
    assert [("unlabeled" in group) for group in groups] == [True, *[False] * (len(groups) - 1)]
    assert groups[0].keys() - {"unlabeled"} <= method.default_weights.keys()
    method.zero_grad(set_to_none=True)
    groups[0]["unlabeled"].backward()
    assert sum(p.grad is not None for p in method.student.parameters()) > 0
    assert method.teacher is not None
    assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())
    assert not any(module.training for module in method.teacher.modules())


@pytest.mark.parametrize("name", sorted(SEES_CLEAN))
def test_a_network_of_clean_frames_has_nothing_to_see(name: str):
    teacher, student = networks()
    with pytest.raises(RestillError, match=f"method '{name}' shows a network the 'clean' frames"):
        learn_unlabeled(make(name, teacher, student), teacher)


def test_it_is_the_methods_own_distance_between_the_two_pictures():
    teacher, student = networks()
    method = create_method("plain", teacher, student, 1, unlabeled=True, reconstruction="mse", recon_weights=[1.0])
    (losses,) = loss_groups(method, batch(), 0)
    windows = torch.stack([clips(1, 16, 3)[:, t - 1 : t + 2] for t in (1, 2, 3)], 1).flatten(0, 1)
    wanted = (student(windows) - teacher(windows)).square().mean()
    assert losses["unlabeled"].item() == pytest.approx(wanted.item(), rel=1e-5)
    (alone,) = loss_groups(create_method("plain", None, student, 1, reconstruction="mse"), batch(), 0)
    assert alone.keys() == {"reconstruction"}
    target = {TARGET: student(windows).detach()}
    (found,) = loss_groups(method, batch() | target, 0)
    assert found["unlabeled"].item() == 0  # pictures that were asked before are not asked again


def test_a_teacher_of_another_scale_or_none_is_refused():
    teacher, student = networks()
    with pytest.raises(RestillError, match="unlabeled clips need a teacher"):
        create_method("plain", None, student, 1, unlabeled=True)
    with pytest.raises(RestillError, match="takes no teacher"):
        create_method("plain", teacher, student, 1)
    larger = nn.Sequential(teacher, nn.Upsample(scale_factor=2))
    method = create_method("plain", larger, student, 1, unlabeled=True)
    with pytest.raises(RestillError, match="both networks must restore at one scale"):
        list(loss_groups(method, batch(), 0))
    with pytest.raises(RestillError, match="no 'unlabeled' clips"):
        list(loss_groups(method, {key: clips(2, 32) for key in ("degraded", "clean")}, 0))


def test_the_looks_of_a_teacher():
    teacher = TinyUnet(4)
    windows = clips(2)[:, :3]
    plain, mirror, turns = (looked_at(teacher, windows, flips) for flips in ("none", "mirror", "turns"))
    assert torch.equal(plain, teacher(windows))
    assert torch.allclose(mirror, (plain + teacher(windows.flip(-1)).flip(-1)) / 2)
    assert torch.allclose(looked_at(teacher, windows.flip(-1), "mirror"), mirror.flip(-1), atol=1e-6)
    assert torch.allclose(looked_at(teacher, windows.rot90(1, (-2, -1)), "turns"), turns.rot90(1, (-2, -1)), atol=1e-6)
    assert not torch.allclose(looked_at(teacher, windows.rot90(1, (-2, -1)), "mirror"), mirror.rot90(1, (-2, -1)))
    assert not turns.requires_grad


def test_padding_is_cut_off_after_every_look():
    """A teacher that needs whole multiples of 4 gives pictures of the clips' own size."""

    class Blocky(TinyUnet):
        def forward(self, window: Tensor) -> Tensor:
            assert not any(side % 4 for side in window.shape[-2:])
            return super().forward(window)

    method = create_method("output", Blocky(4), TinyUnet(4), 1, unlabeled=True)
    method.teacher_net.size_multiple = 4  # type: ignore[union-attr]
    given = {"degraded": torch.rand(1, 3, 3, 10, 14)}
    assert teacher_pictures(method, given, "turns").shape == (1, 3, 10, 14)


def test_bf16_is_for_the_student_only():
    """The teacher's picture is a target, and is asked for in float32."""
    seen = []
    teacher, student = networks()
    teacher.register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    method = create_method("plain", teacher, student, 1, unlabeled=True)
    with torch.autocast("cpu", torch.bfloat16):
        list(loss_groups(method, batch(), 0))
    assert seen == [torch.float32]
