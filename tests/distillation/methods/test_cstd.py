"""CSTD: its values against an independent implementation, its switches and options, its promises."""

from __future__ import annotations

import copy
from typing import Any

import cstd_reference
import pytest
import torch
from foreign_networks import FOREIGN, ForeignStudent, ForeignTeacher, clip, fill, foreign, total, wave
from torch import Tensor, nn

from restill.distillation.methods.cstd import CSTD, CSTDOptions
from restill.networks import create
from restill.networks.spec import NetworkSpec

torch.set_num_threads(1)


def tiny(name: str) -> nn.Module:
    return create(name, channels=4)


# --- values --------------------------------------------------------------------------------------------------------


def known(order: Any = "paper") -> tuple[CSTD, dict[str, Tensor]]:
    """Everything by formula: weights, pictures."""
    method = CSTD(ForeignTeacher(), ForeignStudent(), 1, CSTDOptions(hidden=4, order=order), **FOREIGN)
    fill(method.teacher, 1.3, 0.6)  # type: ignore[arg-type]
    fill(method.student, 0.9, 0.6)
    fill(method.connector, 0.37, 0.5)  # type: ignore[arg-type]
    fill(method.aggregator, 0.53, 0.5)  # type: ignore[arg-type]
    shape = (2, 5, 3, 12, 8)
    return method, {"degraded": wave(*shape, speed=0.71), "clean": wave(*shape, speed=0.73)}


@pytest.mark.parametrize("order", ["paper", "code"])
def test_the_losses_are_those_of_the_equations_frame_by_frame(order: str):
    method, batch = known(order)
    with torch.no_grad():
        got = {name: value.item() for name, value in method(batch, 0).items()}
        features_t, features_s, pictures, clean = [], [], [], []
        for b in range(2):
            rows: list[list[Any]] = [[], [], [], []]
            for t in range(1, 4):
                window = batch["degraded"][b : b + 1, t - 1 : t + 2]
                rows[0].append(method.teacher.encoder(window.flatten(1, 2))[0].double().numpy())  # type: ignore[union-attr]
                student: Any = method.student
                feature = student.layers[0](window.transpose(1, 2)).tanh()
                rows[1].append(feature[0, :, 0].double().numpy())
                scales = [feature[:, :, 0]]
                scales += [torch.nn.functional.avg_pool2d(scales[0], 2), torch.nn.functional.avg_pool2d(scales[0], 4)]
                rows[2].append([student.layers[1](f[:, :, None])[0, :, 0].double().numpy() for f in scales])
                rows[3].append(batch["clean"][b, t].double().numpy())
            for kept, row in zip((features_t, features_s, pictures, clean), rows, strict=True):
                kept.append(row)

        def weights(cell: Any) -> tuple[Any, Any]:
            return cell.gates.weight.double().numpy(), cell.gates.bias.double().numpy()

        connector: Any = method.connector
        want = cstd_reference.losses(
            features_t, features_s, pictures, clean, weights(connector.cell), weights(method.aggregator), order
        )
    assert got == pytest.approx(want, rel=1e-4)


FROZEN = {"reconstruction": -0.324216, "spatial": 3.409073, "temporal": 1.123147}  # numpy says the same


def test_the_losses_are_what_they_were():
    method, batch = known()
    losses = {name: value.item() for name, value in method(batch, 0).items()}
    assert losses == pytest.approx(FROZEN, rel=1e-4)


def test_the_same_networks_have_nothing_to_learn_from_each_other():
    student = tiny("prednet-student1")
    for options in ({}, {"order": "code"}, {"scale_source": "frames"}, {"csc": False, "sta": False}):
        method = CSTD(copy.deepcopy(student), student, 1, CSTDOptions(**options))
        losses = method(clip(frames=5), 0)
        assert losses["spatial"].item() < 1e-6
        assert losses["temporal"].item() < 1e-6


def test_a_clip_in_one_run_is_its_frames_one_by_one():
    method = foreign(sta=False, csc=False, detach_state=True)
    batch = clip(frames=5)
    whole = method(batch, 0)
    each = [method({key: value[:, t : t + 3] for key, value in batch.items()}, 0) for t in range(3)]
    for name in ("reconstruction", "spatial"):
        assert whole[name].item() == pytest.approx(sum(losses[name].item() for losses in each) / 3, rel=1e-5)
    assert whole["temporal"].item() != pytest.approx(sum(losses["temporal"].item() for losses in each) / 3, rel=1e-5)


# --- promises ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.5, 1e6])
@pytest.mark.parametrize("agg", ["mean_sq", "sum_sq"])
def test_losses_and_gradients_are_finite_for_any_feature(value: float, agg: str):
    method = foreign(agg=agg, sta=True)
    method.student.layers[0].weight.data.mul_(1 if value else 0)  # type: ignore[union-attr]
    shape = (1, 4, 3, 8, 8)
    losses = method({"degraded": torch.full(shape, value), "clean": torch.full(shape, 0.5)}, 0)
    total(losses, method).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


def test_the_teacher_is_frozen_in_eval_mode_and_never_gets_a_gradient():
    method = foreign()
    method.train()
    assert isinstance(method.teacher, nn.Module)
    assert not method.teacher.training
    assert method.student.training
    total(method(clip(), 0), method).backward()
    assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())
    assert all(p.grad is not None for p in method.student.parameters())
    assert all(p.grad is not None for p in [*method.connector.parameters(), *method.aggregator.parameters()])  # type: ignore[union-attr]


def test_the_student_ships_nothing_of_the_method():
    student = ForeignStudent()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    method = CSTD(ForeignTeacher(), student, 1, **FOREIGN)
    method(clip(), 0)
    assert student.state_dict().keys() == before.keys()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in student.modules())
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(
    "pair",
    [
        ("prednet-teacher", "prednet-student1"),
        ("prednet-teacher", "prednet-student2"),
        ("prednet-teacher", "prednet-student3"),
        ("rill-l", "rill-s"),
        ("prednet-teacher", "rill-s"),
        ("rill-l", "prednet-student1"),
    ],
)
@pytest.mark.parametrize("size", [(8, 8), (13, 10)])
def test_any_teacher_teaches_any_student_at_any_size(pair: tuple[str, str], size: tuple[int, int]):
    teacher, student = (tiny(name) for name in pair)
    specs: list[NetworkSpec] = [teacher.spec, student.spec]  # type: ignore[list-item]
    context = max(spec.frames_before for spec in specs)
    method = CSTD(teacher, student, context)
    batch = clip(frames=2 * context + 2, h=size[0], w=size[1])
    losses = method(batch, 0)
    total(losses, method).backward()
    assert set(losses) == {"reconstruction", "spatial", "temporal"}
    assert all(loss.dim() == 0 and torch.isfinite(loss) for loss in losses.values())
    for network, shown in ((student, method.shown(batch)), (teacher, method.shown_to_teacher(batch))):
        assert network(shown).shape[0] == 2


def test_ten_lines_teach_a_network_of_your_own():
    """What docs/methods/cstd.md shows."""

    class Mine(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Conv2d(9, channels, 3, padding=1)
            self.last = nn.Conv2d(channels, 3, 3, padding=1)

        def forward(self, window: Tensor) -> Tensor:  # (B, 3, 3, H, W) -> (B, 3, H, W)
            return self.last(self.body(window.flatten(1, 2)).relu())

    method = CSTD(Mine(32), Mine(8), 1, teacher_feature="last:input", student_feature="last:input", student_head="last")
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=1e-2)
    batch, seen = clip(batch=2), []
    for step in range(20):
        loss = total(method(batch, step), method)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert seen[-1] < seen[0] - 0.02


def test_a_seed_says_everything():
    a, b = (foreign()(clip(), 0) for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_under_bfloat16_the_cells_stay_float32():
    method = foreign()
    with torch.autocast("cpu", torch.bfloat16):
        losses = method(clip(), 0)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


# --- the guard -----------------------------------------------------------------------------------------------------


def test_collapsed_cells_freeze_and_stay_frozen_after_a_resume():
    method = foreign()
    method.after_step({"reconstruction": -0.9, "total": -0.9, "spatial": 1e-3, "temporal": 1e-3})
    assert method.metrics()["cells_frozen"] == 0
    total(method(clip(), 0), method).backward()
    method.after_step({"reconstruction": -0.9, "spatial": 1e-3, "temporal": 9e-9})
    resumed = foreign()
    resumed.load_state_dict(method.state_dict())
    for frozen in (method, resumed):
        assert frozen.metrics()["cells_frozen"] == 1
        cells = [*frozen.connector.parameters(), *frozen.aggregator.parameters()]  # type: ignore[union-attr]
        assert all(not p.requires_grad and p.grad is None for p in cells)
        assert all(p.requires_grad for p in frozen.student.parameters())


def test_metrics_tell_how_much_the_cells_say():
    method = foreign()
    method(clip(), 0)
    assert {"std_C_T", "std_C_S", "std_C_M", "cells_frozen"} == method.metrics().keys()
