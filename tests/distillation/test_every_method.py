"""Tests that run for every distillation method, on networks that are not part of the package."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.multiprocessing
from method_cases import CASES, case, make, names, networks, optimizer, step, total
from torch import Tensor, nn

from restill.degradations.rain import rain_frames
from restill.degradations.rain_settings import named_rain
from restill.distillation import METHODS, create_method, method_class
from restill.distillation.method import Method
from restill.networks import create
from restill.training.checkpoint import load_network, save_network

torch.set_num_threads(1)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods"
STEPS = 3


def rainy_batch(seed: int = 0, samples: int = 2, side: int = 32) -> dict[str, Tensor]:
    """Clips of a moving picture with rendered rain, (B, 5, 3, side, side), three centers; "unpaired" has other rain."""
    rng = np.random.default_rng(seed)
    clips: dict[str, list[np.ndarray]] = {"degraded": [], "clean": [], "unpaired": []}
    for sample in range(samples):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (side + 16, side + 16, 3)).astype(np.uint8), (0, 0), 2)
        frames = [np.ascontiguousarray(picture[t : t + side, 2 * t : 2 * t + side]) for t in range(5)]
        clips["clean"].append(np.stack(frames))
        for key, strength in (("degraded", "moderate"), ("unpaired", "heavy")):
            settings = named_rain(strength, {}, sample, None)
            clips[key].append(np.stack(list(rain_frames(iter(frames), settings, sample, 25.0))))
    return {k: torch.from_numpy(np.stack(v)).permute(0, 1, 4, 2, 3).float() / 255 for k, v in clips.items()}


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    return rainy_batch()


@pytest.fixture(params=names())
def name(request) -> str:
    return request.param


def page_of(name: str) -> str:
    """The text of a method's page."""
    page = DOCS / f"{name}.md"
    assert page.is_file(), f"method '{name}' has no page: write docs/methods/{name}.md and link it in docs/index.md"
    return page.read_text(encoding="utf-8")


def test_every_method_is_here_with_its_page():
    assert set(CASES) <= set(METHODS), "CASES in tests/distillation/method_cases.py names a method that METHODS lacks"
    for name in METHODS:
        cls = method_class(name)
        for attribute in ("name", "paper", "needs"):
            assert getattr(cls, attribute, None), f"the class of method '{name}' has no '{attribute}'"
        assert cls.name == name, f"the class of method '{name}' has name = '{cls.name}'"
        if name != "plain":
            page = page_of(name)
            for heading in ("When to use it", "On your own networks", "Options", "What it costs"):
                assert f"## {heading}\n" in page, f"docs/methods/{name}.md has no part '{heading}'"
            assert f'"{name}"' in page, f'docs/methods/{name}.md shows no restill.distill(..., method="{name}")'
            index = (DOCS.parent / "index.md").read_text(encoding="utf-8")
            assert f"(methods/{name}.md)" in index, f"docs/index.md does not link methods/{name}.md"


@pytest.mark.parametrize("name", [name for name in METHODS if name != "plain"])
def test_the_page_says_where_each_equation_is(name):
    """Rows `| (n) | ... | `Class.function` |`: the source of the function contains "(n)"."""
    page = page_of(name)
    rows = re.findall(r"^\| \((\d+)\)(?: to \((\d+)\))? .*\| `([\w.]+)` \|$", page, re.M)
    numbers = [number for first, last, _ in rows for number in range(int(first), int(last or first) + 1)]
    assert rows, f"docs/methods/{name}.md has no row '| (1) | symbol | what it is | `Class.function` |'"
    assert numbers == list(range(1, len(numbers) + 1)), f"docs/methods/{name}.md must number its equations from 1"
    for first, _, place in rows:
        text = inspect.getsource(found_at(name, place))
        assert f"({first})" in text, f"docs/methods/{name}.md: the source of {place} does not contain '({first})'"


def found_at(name: str, place: str) -> Any:
    """The object that a page calls `Class.function` (in the method's module) or `module.Class.function`."""
    home, *parts = place.split(".")
    found = importlib.import_module(METHODS[name].partition(":")[0])
    if not hasattr(found, home):
        packages = [p for p in ("losses", "networks", "networks.blocks") if find_spec(f"restill.{p}.{home}")]
        assert packages, f"docs/methods/{name}.md names {place}, but the method's module has no {home}"
        found = importlib.import_module(f"restill.{packages[0]}.{home}")
    else:
        found = getattr(found, home)
    for part in parts:
        assert hasattr(found, part), f"docs/methods/{name}.md names {place}, which does not exist"
        found = getattr(found, part)
    return found


def test_nothing_to_learn_from_an_equal_teacher(name, batch):
    how = case(name)
    if not how.distances:
        pytest.skip(how.why_not_zero)
    method = make(name, *networks(same=True)).eval()
    losses = {}
    for group in method.loss_groups(batch, 0):
        losses |= group
    for loss in how.distances:
        assert loss in losses, f"method '{name}' returns no loss '{loss}', which its default_weights or CASES name"
        value = losses[loss].item()
        assert abs(value) < 1e-6, f"loss '{loss}' is {value} for an equal teacher; CASES can say why it is not 0"


def spoil(network: nn.Module, how: str) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_({"zero": 0.0, "constant": 0.0, "huge": 1e2}[how])  # four layers deep: up to 1e8
            if how == "constant" and parameter.dim() == 1:
                parameter.fill_(0.7)


@pytest.mark.parametrize("how", ["zero", "constant", "huge"])
@pytest.mark.parametrize("who", ["teacher", "student", "both"])
def test_finite_whatever_the_features(name, batch, how, who):
    teacher, student = networks()
    for network, side in ((teacher, "teacher"), (student, "student")):
        if who in (side, "both"):
            spoil(network, how)
    method = make(name, teacher, student)
    for group in method.loss_groups(batch, 0):
        for loss, value in group.items():
            assert torch.isfinite(value), loss
        method.zero_grad(set_to_none=True)
        total(method, group).backward()
        for parameter_name, parameter in method.named_parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), parameter_name


def test_the_teacher_learns_nothing_and_stays_in_eval(name, batch):
    teacher, student = networks()
    method = make(name, teacher, student)
    method.train()
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    student_before = [p.detach().clone() for p in student.parameters()]
    step(method, optimizer(method), batch, 0)
    if method.teacher is not None:
        assert not any(module.training for module in teacher.modules())
        assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
        assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(module.training for module in student.modules())
    assert not all(torch.equal(p, b) for p, b in zip(student.parameters(), student_before, strict=True))


def test_only_the_student_is_shipped(name, batch, tmp_path):
    """No adapter, cell, or hook stays in the student: the saved network gives exactly the same output."""
    torch.manual_seed(0)
    cls = method_class(name)
    teacher, student = create("restormer", **SMALL_IMAGE) if cls.has_teacher else None, create("res-sl", **SMALL_IMAGE)
    keys = student.state_dict().keys()
    method = create_method(name, teacher, student, 1, **case(name).options)
    step(method, optimizer(method), batch, 0)
    assert method.student is student
    assert student.state_dict().keys() == keys
    assert not any(module._forward_hooks for module in method.modules())
    info = {"network": "res-sl", "options": SMALL_IMAGE, "align": "none", "name": "x"}
    save_network(tmp_path / "student.safetensors", method.student, info)
    shipped, _ = load_network(tmp_path)
    with torch.no_grad():
        assert torch.equal(shipped(batch["degraded"][:, :1]), student.eval()(batch["degraded"][:, :1]))


def trained(name: str, batch: dict[str, Tensor], steps: int = STEPS) -> tuple[dict[str, Tensor], dict[str, float]]:
    teacher, student = networks()
    method = make(name, teacher, student)
    adam, losses = optimizer(method), {}
    for number in range(steps):
        losses = step(method, adam, batch, number)
    return {key: value for key, value in method.state_dict().items() if not key.startswith("teacher.")}, losses


def test_one_seed_one_result(name, batch):
    torch.manual_seed(3)
    first, _ = trained(name, batch)
    torch.manual_seed(3)
    again, _ = trained(name, batch)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)


def plain_descent(method: Method, batch: dict[str, Tensor], processes: int = 1) -> Tensor:
    """The change of all parameters after steps of plain gradient descent, as one vector.

    Gradients are averaged over processes, as in the training loop. Adam would turn rounding errors into full steps.
    """
    torch.manual_seed(3)
    parameters = [p for p in method.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    descent = torch.optim.SGD(parameters, lr=0.02)
    for number in range(STEPS):
        for group in method.loss_groups(batch, number):
            descent.zero_grad(set_to_none=True)
            total(method, group).backward()
            for parameter in parameters:
                if parameter.grad is not None and processes > 1:
                    torch.distributed.all_reduce(parameter.grad)
                    parameter.grad /= processes
            descent.step()
    return torch.cat([(p.detach() - b).flatten() for p, b in zip(parameters, before, strict=True)])


def half_of_the_work(rank: int, folder: str) -> None:
    """Runs every method in one of two processes, with half of the batch."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    half = {key: value.chunk(2)[rank] for key, value in rainy_batch().items()}
    moved = {name: plain_descent(make(name, *networks()), half, processes=2) for name in names()}
    if rank == 0:
        torch.save(moved, f"{folder}/moved.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> dict[str, Tensor]:
    folder = tmp_path_factory.mktemp("gloo")
    torch.multiprocessing.spawn(half_of_the_work, (str(folder),), nprocs=2)
    return torch.load(folder / "moved.pt", weights_only=True)


@pytest.mark.slow
def test_two_processes_are_one_on_the_whole_batch(name, batch, two_processes):
    moved = plain_descent(make(name, *networks()), batch)
    assert moved.norm() > 0
    assert (two_processes[name] - moved).norm() < 1e-3 * moved.norm()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("slkd", "dfkd", "dckd") else name for name in names()],
)
def test_it_lowers_its_own_loss(name, batch):
    how = case(name)
    own = how.falls or how.distances
    method = make(name, *networks())
    method.default_weights = {loss: weight * (loss in own) for loss, weight in method.default_weights.items()}
    adam = optimizer(method, 3e-3)
    torch.manual_seed(0)
    losses = [step(method, adam, batch, number) for number in range(40)]
    for loss in own:
        first, last = losses[0][loss], losses[-1][loss]
        assert last < first - 0.1 * abs(first), (loss, first, last)


SMALL_IMAGE = {"channels": 8}
