"""Every loss that has a weight reaches the student; numbers that are not finite are never saved."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import restill
from restill.errors import RestillError
from restill.training.checkpoint import checkpoints

RUN = {"quiet": True, "threads": 1, "seed": 1}


class Net(nn.Module):
    """The body runs as it is told to."""

    def __init__(self, how: str = "") -> None:
        super().__init__()
        self.how = how
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(4, 3, 3, padding=1)
        if how == "frozen":
            self.first.requires_grad_(False)
            self.body.requires_grad_(False)

    def forward(self, window: Tensor) -> Tensor:
        f = self.first(window[:, 0])
        if self.how == "no_grad":
            with torch.no_grad():
                f = self.body(f)
        elif self.how == "detached":
            f = self.body(f.detach()).detach()
        elif self.how in ("reentrant", "not reentrant") and self.training:
            f = checkpoint(self.body, f, use_reentrant=self.how == "reentrant")
        else:
            f = self.body(f)
        return self.last(f) + window[:, 0]


def data() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 16, 16, generator=generator)
    return [((clean + 0.1).clamp(0, 1), clean)]


def feature(how: str, place: str = "body", **more: object) -> nn.Module:
    places = {"teacher_feature": "body", "student_feature": place}
    return restill.distill(Net(), Net(how), "mse", data=data(), steps=2, **places, **RUN, **more)


@pytest.mark.parametrize(
    ("how", "place"), [("frozen", "body"), ("no_grad", "body"), ("reentrant", "body.0"), ("detached", "first")]
)
def test_a_loss_that_does_not_reach_the_student_is_named(how, place):
    reaches = how == "detached"  # what comes before the cut is trained by the loss
    if reaches:
        feature(how, place)
        return
    with pytest.raises(RestillError, match=r"loss 'feature' does not reach the student.*weights=\{'feature': 0\}"):
        feature(how, place)
    feature(how, place, weights={"feature": 0})


@pytest.mark.parametrize("how", ["", "not reentrant", "reentrant"])
def test_a_loss_that_does_is_not(how):
    feature(how, "body")


def test_weights_that_teacher_and_student_share_are_named(capsys):
    teacher, student = Net(), Net()
    student.first = teacher.first
    restill.distill(teacher, student, "output", data=data(), steps=1, **RUN)
    assert "shares 2 of its 6 weights with the teacher; they stay frozen: first.weight, first.bias" in (
        capsys.readouterr().err
    )
    with pytest.raises(RestillError, match=r"shares all of its 6 weights.*copy\.deepcopy"):
        restill.distill(teacher, teacher, "output", data=data(), steps=1, **RUN)


class Breaks(torch.autograd.Function):
    """Nothing, whose gradient is NaN."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * torch.nan


class Broken(Net):
    """Breaks in a step: its gradient, or its weights."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__()
        self.at, self.what, self.runs = at, what, 0

    def forward(self, window: Tensor) -> Tensor:
        self.runs += self.training  # not where it is only tried
        picture = super().forward(window)
        if self.runs == self.at and self.what == "gradient":
            return Breaks.apply(picture)
        if self.runs == self.at and self.what == "weight":
            with torch.no_grad():
                self.unused = self.last.bias.data.fill_(0)  # not what the loss saw
                self.first.bias.data[0] = torch.inf
        return picture


@pytest.mark.parametrize("what", ["gradient", "weight"])
@pytest.mark.parametrize("at", [1, 3, 4, 6])
def test_numbers_that_are_not_finite_are_never_saved(at, what, tmp_path):
    output = tmp_path / "run"
    student = Broken(at, what)
    with pytest.raises(RestillError, match=r"is not finite|no longer finite") as caught:
        restill.distill(None, student, "plain", data=data(), steps=6, save_every=2, output=output, **RUN)
    if what == "gradient":  # it stops before the weights take it in
        assert all(parameter.isfinite().all() for parameter in student.parameters())
    kept = checkpoints(output)
    assert len(kept) == min((at - 1) // 2, 2)
    assert str(kept[-1]) in str(caught.value) if kept else "checkpoint" not in str(caught.value)
    assert not (output / "student.safetensors").exists()
    for folder in kept:
        for file in folder.iterdir():
            assert all(v.isfinite().all() for k, v in load_file(file).items() if not k.startswith("rng/"))
    if kept:
        restill.distill(None, Net(), "plain", data=data(), steps=6, save_every=2, output=output, resume=True, **RUN)
        assert (output / "student.safetensors").exists()
