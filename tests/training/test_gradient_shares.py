"""The share of the task's gradient that a method's losses pull: measured, told, and held by ``weights: balanced``."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import restill
from restill.distillation.method import Losses
from restill.distillation.supervised import Supervised
from restill.distillation.windows import Batch
from restill.errors import RestillError
from restill.training.checkpoint import checkpoints
from restill.training.gradient_shares import GradientShares
from restill.training.recipe import Run


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 3, 1)

    def forward(self, window: Tensor) -> Tensor:
        return self.body(window[:, 0])


class Toy(Supervised[Any]):
    """Losses whose pulls are known: the bias is pulled by 1 in one channel by the task, by 0.004 and 0.003 by hints."""

    name = "toy"
    has_teacher = False
    groups = 1
    size = 1.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0, "near": 1.0, "far": 2.0}

    def forward(self, batch: Batch, step: int) -> Losses:
        bias = next(p for p in self.student.parameters() if p.dim() == 1)
        return {"reconstruction": bias[0], "near": 0.004 * self.size * bias[1], "far": 0.0015 * self.size * bias[2]}

    def loss_groups(self, batch: Batch, step: int) -> Any:
        if self.groups == 1:
            yield self(batch, step)
            return
        losses = self(batch, step)
        far = losses.pop("far")
        yield losses
        yield {"far": far}


class InTwo(Toy):
    groups = 2


def plan(**fields: Any) -> Run:
    return Run(name="run", steps=100, **fields)


def one_batch(shares: GradientShares, method: Toy, step: int = 0) -> None:
    shares.start(step)
    for parts in method.loss_groups({}, step):
        shares.look(parts)
    shares.finish()


@pytest.mark.parametrize("kind", [Toy, InTwo])
def test_a_share_is_the_norm_of_the_weighted_gradient_over_the_tasks(kind: type[Toy]):
    method = kind(Net(), 0)
    shares = GradientShares(method, plan(weights={"reconstruction": 2.0}))
    one_batch(shares, method)
    assert shares.take() == pytest.approx({"share_near": 0.002, "share_far": 0.0015, "share": 0.0025})
    assert shares.take() == {}
    assert all(p.grad is None for p in method.parameters())
    one_batch(shares, method, step=1)
    assert shares.take() == {}  # not in every step


@pytest.mark.parametrize("kind", [Toy, InTwo])
@pytest.mark.parametrize("given", ["balanced", {"balanced": 0.5}])
def test_balanced_losses_pull_at_their_share_and_keep_their_proportions(kind: type[Toy], given: Any):
    wanted = 0.2 if given == "balanced" else 0.5
    method = kind(Net(), 0)
    shares = GradientShares(method, plan(weights=given))
    one_batch(shares, method)
    weights = shares.weights()
    assert (weights["near"] * 0.004) ** 2 + (weights["far"] * 0.0015) ** 2 == pytest.approx(wanted**2)
    assert weights["far"] == pytest.approx(2 * weights["near"])
    assert weights["reconstruction"] == 1
    found = shares.take()
    assert found["share"] == pytest.approx(wanted)
    assert found["balance"] == pytest.approx(weights["near"])


def test_the_average_is_slow_and_goes_on_after_a_resume(monkeypatch):
    method = Toy(Net(), 0)
    shares = GradientShares(method, plan(weights="balanced"))
    for step in range(0, 400, 20):
        one_batch(shares, method, step)
    before = shares.weights()["near"]
    monkeypatch.setattr(Toy, "size", 10.0)
    again = GradientShares(method, plan(weights="balanced"), shares.state())
    for kept in (shares, again):
        one_batch(kept, method, 400)
    assert shares.weights() == again.weights()
    assert before / 3 < shares.weights()["near"] < before  # one measurement moves it, but not to a tenth
    for step in range(420, 3000, 20):
        one_batch(shares, method, step)
    assert shares.weights()["near"] == pytest.approx(before / 10, rel=1e-3)


def batches(count: int = 3) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [{side: torch.rand(2, 3, 8, 8, generator=generator) for side in ("degraded", "clean")} for _ in range(count)]


def run(tmp_path: Any, method: Any = "output", steps: int = 45, **fields: Any) -> nn.Module:
    torch.manual_seed(0)
    teacher, student = Net(), Net()
    fields = {"log_every": 1, "save_every": 15, "quiet": True, "seed": 3, "optimizer": {"lr": 1e-3}} | fields
    return restill.distill(
        teacher if method == "output" else None, student, method, data=batches(), steps=steps, output=tmp_path, **fields
    )


def logged(folder: Any) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_run_logs_the_shares_and_is_not_changed_by_that(tmp_path, monkeypatch):
    run(tmp_path / "a")
    lines = logged(tmp_path / "a")
    assert lines[0]["share_picture"] == pytest.approx(lines[0]["share"])
    assert lines[0]["share"] > 0
    assert "share" not in lines[1]
    monkeypatch.setattr("restill.training.gradient_shares.EVERY", 7)
    run(tmp_path / "b")
    assert sum("share" in line for line in logged(tmp_path / "b")) == 7
    a, b = (load_file(tmp_path / name / "student.safetensors") for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_balanced_run_resumes_to_the_same_bits(tmp_path):
    for name in ("whole", "split"):
        run(tmp_path / name, weights={"balanced": 0.3})
    newest = checkpoints(tmp_path / "split")[-1]
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    run(tmp_path / "split", weights={"balanced": 0.3}, resume=True)
    a, b = (load_file(tmp_path / name / "student.safetensors") for name in ("whole", "split"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    logs = [logged(tmp_path / name) for name in ("whole", "split")]
    balances = [[line["balance"] for line in log if "balance" in line] for log in logs]
    assert balances[0] == balances[1]
    assert len(set(balances[0])) == 3


def test_a_method_without_effect_says_so_once(tmp_path, capsys):
    run(tmp_path / "weak", Toy)
    run(tmp_path / "weak", Toy, steps=50, resume=True)
    said = capsys.readouterr().err
    assert said.count("will hardly change the student") == 1
    assert "method 'toy' (near, far) together have 0.005" in said
    assert "weights: {balanced: 0.2}" in said
    run(tmp_path / "balanced", Toy, weights="balanced")
    run(tmp_path / "strong")
    assert "hardly" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        ("plain", "balanced", r"weights: balanced is for a method with losses beside 'reconstruction'; 'plain' has"),
        ("output", {"balanced": 0}, r"field 'weights': 'balanced' is the share of the task's gradient, more than 0"),
        ("output", "balance", r"field 'weights': input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_balanced_is_refused(tmp_path, method, weights, message):
    with pytest.raises(RestillError, match=message):
        run(tmp_path, method, weights=weights)
