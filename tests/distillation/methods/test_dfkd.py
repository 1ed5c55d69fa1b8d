"""DFKD against plain arithmetic; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import doctest

import pytest
import torch
from foreign_networks import ForeignStudent, ForeignTeacher, TinyUnet, clip
from method_cases import optimizer, step
from torch import Tensor, nn

from restill.distillation import create_method
from restill.distillation.methods import dfkd
from restill.distillation.methods.dfkd import DFKD, NOISE, Generator, bring_back, every_second
from restill.errors import RestillError
from restill.networks import create

torch.set_num_threads(1)
SMALL = {"generator_channels": 8}


def make(teacher: nn.Module | None = None, student: nn.Module | None = None, context: int = 1, **options) -> DFKD:
    torch.manual_seed(0)
    teacher, student = teacher or TinyUnet(6), student or TinyUnet(4)
    return create_method("dfkd", teacher, student, context, **SMALL, **options)  # type: ignore[return-value]


def noise(count: int, height: int, width: int, seed: int = 5) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(count, NOISE, height, width)


def student_loss(method: DFKD, batch: dict[str, Tensor], seed: int = 5) -> float:
    torch.manual_seed(seed)
    return method.student_losses(batch)["student"].item()


@pytest.fixture
def all_real(monkeypatch):
    """No coin decides: every input is the batch's own."""
    monkeypatch.setattr(dfkd, "every_second", lambda samples, n: torch.ones(n, 1, 1, 1, 1, dtype=torch.bool))


def windows(batch: dict[str, Tensor]) -> Tensor:
    """(B * 2, 3, 3, H, W) of four frames."""
    return torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)


# --- the equations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "coin"), [(6, 0), (5, 1)])
def test_the_student_does_what_the_teacher_does_on_real_and_made_frames(seed: int, coin: int):
    batch, method = clip(2, 4, 8, 8), make()
    loss = student_loss(method, batch, seed)
    made, own = method.generator(noise(4, 2, 2, seed)), windows(batch)
    assert torch.randint(2, ()) == coin
    real = [1, 2] if coin else [0, 3]  # sample 0: centers 0, 1; sample 1: centers 2, 3
    x = torch.stack([own[i] if i in real else made[i] for i in range(4)])
    teacher, student = method.teacher, method.student
    assert teacher is not None
    assert loss == pytest.approx((student(x) - teacher(x)).abs().mean().item(), rel=1e-5)


def test_the_generator_looks_for_pictures_that_tell_them_apart_and_that_the_teacher_leaves_alone():
    batch, method = clip(2, 4, 8, 8), make(w_r=0.3)
    torch.manual_seed(5)
    losses = method.generator_losses(batch)
    x = method.generator(noise(4, 2, 2))  # (4, 3, 3, 8, 8)
    y_t, y_s = method.teacher(x), method.student(x)  # type: ignore[misc]
    expected = [-torch.log(1 + (t - s).abs().mean()) for t, s in zip(y_t, y_s, strict=True)]
    assert losses["generator"].item() == pytest.approx(sum(e.item() for e in expected) / 4, rel=1e-5)
    assert losses["consistency"].item() == pytest.approx((y_t - x[:, 1]).abs().mean().item(), rel=1e-5)
    assert method.default_weights == {"student": 1.0, "generator": 1.0, "consistency": 0.3}


class Twice(nn.Module):
    """Each pixel four times, and a number that is learned."""

    def __init__(self, more: float = 0.0, scale: int = 2) -> None:
        super().__init__()
        self.more, self.scale = nn.Parameter(torch.tensor(more)), scale

    def forward(self, window: Tensor) -> Tensor:
        center = window[:, window.shape[1] // 2]
        return center.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2) + self.more


def test_larger_pictures_are_brought_back_before_they_are_compared():
    ramp = torch.arange(16.0).expand(1, 3, 16, 16)
    back = bring_back(ramp, (8, 8))
    assert back[0, 0, 3, 2:6].tolist() == pytest.approx([4.5, 6.5, 8.5, 10.5])  # the means of pairs
    assert bring_back(ramp, (16, 16)) is ramp
    method = make(Twice(0.25), Twice(), context=0)
    losses = method.generator_losses(clip(1, 1, 12, 8))
    assert losses["consistency"].item() == pytest.approx(0.25, abs=0.1)  # what repeating adds is small
    assert losses["generator"].item() == pytest.approx(-torch.tensor(1.25).log().item(), rel=1e-5)
    with pytest.raises(RestillError, match=r"pictures are \(\d+, 3, 24, 16\) and the student's \(\d+, 3, 36, 24\)"):
        make(Twice(), Twice(scale=3), context=0).student_losses(clip(1, 1, 12, 8))


@pytest.mark.usefixtures("all_real")
def test_what_padding_adds_is_not_compared():
    """8 is the size multiple of both; 12 x 10 becomes 16 x 16."""
    tiny = {"channels": 4, "blocks": [0, 0, 0, 0], "refinement": 1}
    batch = clip(1, 1, 12, 10)
    method = make(create("restormer", **tiny), create("res-sl", **tiny), context=0)
    x = torch.nn.functional.pad(batch["degraded"][:, 0], (0, 6, 0, 4), mode="replicate")[:, None]
    y_t, y_s = (net(x)[..., :12, :10] for net in (method.teacher, method.student))  # type: ignore[misc]
    assert student_loss(method, batch) == pytest.approx((y_s - y_t).abs().mean().item(), rel=1e-5)


# --- who learns from what --------------------------------------------------------------------------------------------


def moved(module: nn.Module) -> bool:
    return any(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


def test_neither_moves_the_other():
    method, batch = make(), clip(2, 4, 8, 8)
    method.student.last.bias.requires_grad_(False)  # type: ignore[union-attr]
    trained = [p.requires_grad for p in method.student.parameters()]
    for losses, learns, rests in (
        (method.student_losses(batch), method.student, method.generator),
        (method.generator_losses(batch), method.generator, method.student),
    ):
        method.zero_grad(set_to_none=True)
        sum(losses.values()).backward()  # type: ignore[union-attr]
        assert moved(learns)
        assert all(p.grad is None for p in rests.parameters())
        assert [p.requires_grad for p in method.student.parameters()] == trained
    assert set(method(batch, 0)) == {"student", "generator", "consistency"}


class Broken(TinyUnet):
    def forward(self, window: Tensor) -> Tensor:
        assert not any(p.requires_grad for p in self.parameters())
        raise RuntimeError("out of memory")


def test_the_student_is_trained_again_after_a_failure():
    method = make(student=Broken(4))
    with pytest.raises(RuntimeError, match="out of memory"):
        method.generator_losses(clip(1, 3, 8, 8))
    assert all(p.requires_grad for p in method.student.parameters())


class Normalized(ForeignStudent):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, window: Tensor) -> Tensor:
        return self.norm(super().forward(window))


def test_the_students_running_statistics_are_those_of_what_it_learns_from():
    method, batch = make(ForeignTeacher(), Normalized()), clip(2, 3)
    norm: nn.BatchNorm2d = method.student.norm  # type: ignore[assignment]
    method.generator_losses(batch)
    assert not norm.running_mean.any()  # type: ignore[union-attr]
    assert norm.track_running_stats
    method.student_losses(batch)
    assert norm.running_mean.all()  # type: ignore[union-attr]
    assert norm.num_batches_tracked == 1


# --- the options -----------------------------------------------------------------------------------------------------


def test_generated_data_alone_take_nothing_of_the_batch_but_its_shape():
    batch, method = clip(2, 4, 8, 8), make(dfkd_data="generated")
    nothing = {"degraded": torch.zeros(2, 4, 3, 8, 8)}  # and no clean frames
    assert student_loss(method, batch) == student_loss(method, nothing)
    assert student_loss(make(), batch) != student_loss(make(), nothing)
    assert set(method(nothing, 0)) == {"student", "generator", "consistency"}


def test_half_is_real_and_each_frame_half_of_the_time():
    torch.manual_seed(0)
    taken = torch.stack([every_second(2, 6).flatten() for _ in range(100)])
    assert (taken.sum(1) == 3).all()
    assert taken.unique(dim=0).tolist() == [[False, True] * 3, [True, False] * 3]
    assert ((taken.float().mean(0) - 0.5).abs() < 0.2).all()
    assert 0.3 < torch.cat([every_second(1, 1).flatten() for _ in range(100)]).float().mean() < 0.7


@pytest.mark.usefixtures("all_real")
def test_aligned_windows_are_the_real_ones():
    batch, method = clip(1, 3, 8, 8), make()
    aligned = {**batch, "windows": torch.rand(1, 1, 3, 3, 8, 8)}
    x = aligned["windows"][:, 0]
    expected = (method.student(x) - method.teacher(x)).abs().mean().item()  # type: ignore[misc]
    assert student_loss(method, aligned) == pytest.approx(expected, rel=1e-5)


def test_the_task_has_a_loss_where_it_has_a_weight():
    batch, method = clip(2, 4, 8, 8), make(task_weight=0.5, reconstruction="mse")
    losses = method.student_losses(batch)
    error = method.student(windows(batch)) - batch["clean"][:, 1:3].flatten(0, 1)
    assert losses["reconstruction"].item() == pytest.approx(error.square().mean().item(), rel=1e-5)
    assert method.default_weights["reconstruction"] == 0.5
    assert "reconstruction" not in make().default_weights


def test_the_student_may_take_more_steps_than_the_generator():
    batch = clip(1, 3, 8, 8)

    def groups(method: DFKD) -> list[list[str]]:
        return [[next(iter(losses)) for losses in method.loss_groups(batch, step)] for step in range(4)]

    assert groups(make()) == [["student", "generator"]] * 4
    assert groups(make(student_steps=2)) == [["student"], ["student", "generator"]] * 2
    with pytest.raises(RestillError, match=r"option 'generator_channels'.*multiple of 8"):
        create_method("dfkd", TinyUnet(4), TinyUnet(4), 1, generator_channels=12)


def test_the_generator_makes_clips_of_any_size_in_which_samples_do_not_meet():
    generator = Generator(5, 8)
    z = torch.randn(2, NOISE, 3, 4)
    both = generator(z)
    assert both.shape == (2, 5, 3, 12, 16)
    assert both.min() >= 0
    assert both.max() <= 1
    assert torch.allclose(generator(z[1:]), both[1:], atol=1e-6)
    method = make(ForeignTeacher(), ForeignStudent())
    assert method._generated(method._own(clip(1, 3, 13, 9))).shape == (1, 3, 3, 13, 9)


def test_a_student_can_grow():
    """The page's loop: what was learned at one depth is where the next one starts."""
    torch.manual_seed(0)
    tiny = {"channels": 4, "refinement": 1}
    teacher, before, depths = create("restormer", **tiny, blocks=[0, 0, 0, 1]), None, ([0, 0, 0, 1], [0, 1, 0, 2])
    batch = {"degraded": torch.zeros(1, 1, 3, 8, 8)}
    for blocks in depths:
        student = create("res-sl", **tiny, blocks=blocks)
        if before is not None:
            fit = student.load_state_dict(before, strict=False)
            assert not fit.unexpected_keys
            assert {key.split(".")[0] for key in fit.missing_keys} == {"encoder_level2", "latent", "decoder_level2"}
            assert all(torch.equal(student.state_dict()[key], value) for key, value in before.items())
        start = {key: value.clone() for key, value in student.state_dict().items()}
        method = make(teacher, student, context=0, dfkd_data="generated")
        step(method, optimizer(method), batch, 0)
        before = student.state_dict()
        assert any(not torch.equal(start[key], value) for key, value in before.items())


def test_examples_in_docstrings():
    assert doctest.testmod(dfkd).failed == 0
