"""How test_every_method.py runs each method: with its defaults, or as a line here says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from foreign_networks import UNET_PLACES, TinyUnet
from torch import nn

from restill.distillation import METHODS, create_method, method_class
from restill.distillation.method import Method


@dataclass(frozen=True)
class Case:
    """Settings for the tests of one method.

    Attributes:
        distances: Names of its losses that are zero when the student is the teacher; all but ``reconstruction`` if
            neither these nor ``why_not_zero`` is given.
        options: Options that make it small, or switch everything on at once (no warm-up).
        falls: Names of the losses that training must lower; default: the distances.
        why_not_zero: Why it has no loss that is zero for an equal teacher.
    """

    distances: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    falls: tuple[str, ...] = ()
    why_not_zero: str = ""


CASES: dict[str, Case] = {
    "plain": Case(options={"reconstruction": "mse"}, falls=("reconstruction",), why_not_zero="it has no teacher"),
    "cstd": Case(("spatial", "temporal"), {"hidden": 4}),
    # a small weight: masks jump, so long steps of plain gradient descent amplify rounding errors
    "slkd": Case(("image_kl", "nc"), {"alpha2": 0.01}, falls=("reconstruction", "image_kl", "nc", "et")),
    "std": Case(("space", "time"), {"warmup": 0, "hidden": 4}),
    "ssid-kd": Case(
        options={"lambda_kl": 1e3, "lambda_dc": 1.0, "lambda_tv": 10.0},  # large enough to matter
        falls=("kl", "dark_channel", "tv"),
        why_not_zero="it has no teacher; test_ssid_kd.py gives it the same frames on both sides",
    ),
    "output": Case(options={"reconstruction": "l1"}),
    "fakd": Case(("picture", "affinity"), {"max_pixels": 64}),
    "pisr-teacher": Case((), {"weight": 1.0}, ("reconstruction", "imitation"), "it has no teacher"),
    "pisr": Case((), {"weight": 1.0}, ("variational",), "a likelihood is not zero at its best, see test_pisr.py"),
    "dfkd": Case(
        ("student", "generator"), {"generator_channels": 8}, falls=("student",)
    ),  # adversaries: only one falls
}


def case(name: str) -> Case:
    """The settings of a method, with the distances filled in."""
    found = CASES.get(name, Case())
    if found.distances or found.why_not_zero:
        return found
    losses = make(name, *networks()).default_weights
    return replace(found, distances=tuple(loss for loss in losses if loss != "reconstruction"))


def networks(seed: int = 0, *, same: bool = False) -> tuple[nn.Module, nn.Module]:
    """A teacher and a student that are not part of the package; with ``same``, they are equal."""
    torch.manual_seed(seed)
    teacher, student = TinyUnet(16), TinyUnet(16 if same else 8)
    if same:
        student.load_state_dict(teacher.state_dict())
    return teacher, student


def make(name: str, teacher: nn.Module, student: nn.Module, **options: Any) -> Method:
    """The method with two :class:`TinyUnet`, with features given by path."""
    cls = method_class(name)
    roles = getattr(cls, "roles", ("feature",))
    unknown = [role for role in roles if role not in UNET_PLACES]
    assert not unknown, f"add the role '{unknown[0]}' to UNET_PLACES in tests/distillation/foreign_networks.py"
    options = CASES.get(name, Case()).options | options
    places = {role: UNET_PLACES[role] for role in roles}
    if not cls.has_teacher:
        return create_method(name, None, student, 1, student_feature=places, **options)
    return create_method(
        name,
        teacher,
        student,
        1,
        teacher_feature=places,
        student_feature=places,
        student_head="last",
        **options,
    )


def names() -> list[str]:
    return list(METHODS)


def total(method: Method, losses: dict[str, torch.Tensor]) -> torch.Tensor:
    """The weighted sum that the training loop minimizes."""
    return torch.stack([method.default_weights.get(name, 1.0) * value for name, value in losses.items()]).sum()


def step(method: Method, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor], number: int) -> dict:
    """Makes one training step and returns its losses."""
    losses: dict[str, float] = {}
    for group in method.loss_groups(batch, number):
        optimizer.zero_grad(set_to_none=True)
        total(method, group).backward()
        optimizer.step()
        for name, value in group.items():
            losses[name] = losses.get(name, 0.0) + float(value.detach())
    method.after_step(losses)
    return losses


def optimizer(method: Method, lr: float = 1e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=lr)
