"""A call leaves its process as it found it: threads, random numbers, switches, signals, environment."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

import restill
from restill.errors import RestillError
from restill.training import process
from restill.training.gradient_norms import gradient_norms
from restill.training.process import random_state, restore_global_state, seed_all, set_random_state, usable_cpus


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():  # building it draws nothing from the caller's generator
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, window: Tensor) -> Tensor:
        return self.conv(window[:, 0])


def data() -> list[tuple[Tensor, Tensor]]:
    return [(torch.full((2, 3, 16, 16), 0.4), torch.full((2, 3, 16, 16), 0.5))]


RECIPE = """
name: run
steps: 2
batch: 1
seed: 3
student: {{network: rill-p, options: {{channels: 4}}}}
data: {{root: {clips}, crop: 32, centres: 1, workers: {workers}, held_out: [two]}}
output: {output}
"""


def recipe(clips: Path, folder: Path, workers: int = 0) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(clips=clips, workers=workers, output=folder))
    return file


def distil_wrongly() -> None:
    with pytest.raises(RestillError):
        restill.distill(Net(), Net(), "output", data=[(1, 2)], steps=1, quiet=True)


CALLS: dict[str, Callable[[Path, Path], object]] = {
    "distill": lambda clips, folder: restill.distill(Net(), Net(), "output", data=data(), steps=2, quiet=True),
    "distill, seed and threads": lambda clips, folder: restill.distill(
        Net(),
        Net(),
        "output",
        data=data(),
        steps=2,
        quiet=True,
        seed=5,
        threads=2,
        precision="bf16",
        output=folder / "x",
    ),
    "distill that fails": lambda clips, folder: distil_wrongly(),
    "distill of a folder": lambda clips, folder: restill.distill(
        None, "rill-p", "plain", data={"root": clips, "crop": 32, "centres": 1, "workers": 1}, steps=1, quiet=True
    ),
    "train and gradient norms": lambda clips, folder: gradient_norms(
        restill.train(recipe(clips, folder, 1), quiet=True).folder, 1
    ),
}


def draw() -> list[float]:
    """A few random numbers of every generator."""
    legacy = np.random  # what many data sets draw from
    return [float(torch.rand(())), legacy.rand(), legacy.normal(), random.random(), random.gauss(0, 1)]  # noqa: S311


def found() -> dict[str, object]:
    """Global state that a caller may have set, by name."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": [part.tolist() if isinstance(part, np.ndarray) else part for part in numpy_state],
        "python": random.getstate(),
        "threads": torch.get_num_threads(),
        "cv2": cv2.getNumThreads(),
        "dtype": torch.get_default_dtype(),
        "denormals": float(torch.tensor(1e-40) * 1),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "benchmark": torch.backends.cudnn.benchmark,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "environment": {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "folder": Path.cwd(),
    }


@pytest.fixture
def unusual():
    """Global state as a caller may have set it, which no default is equal to."""
    with restore_global_state():
        seed_all(77)
        draw()
        torch.set_num_threads(3)
        cv2.setNumThreads(2)
        torch.set_float32_matmul_precision("high")
        torch.use_deterministic_algorithms(True, warn_only=True)
        before = signal.signal(signal.SIGTERM, lambda number, frame: None)
        yield
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_all_is_left_as_it_was_found(call, unusual, clips, tmp_path):
    before = found()
    CALLS[call](clips, tmp_path)
    after = found()
    assert {name for name in before if before[name] != after[name]} == set()


def test_the_callers_own_accelerator_is_left_alone():
    with restore_global_state():
        own = Accelerator(cpu=True, mixed_precision="bf16")
        restill.distill(Net(), Net(), "output", data=data(), steps=1, quiet=True)
        assert own.mixed_precision == "bf16"


def test_random_states_come_back():
    state = random_state()
    drawn = draw()
    seed_all(1)
    set_random_state(state)
    again = draw()
    assert drawn == again


class Threads(Net):
    seen = 0
    smallest = 1.0

    def forward(self, window: Tensor) -> Tensor:
        self.seen = torch.get_num_threads()
        self.smallest = float(torch.tensor(1e-40) * 1)
        return super().forward(window)


def test_denormal_numbers_are_zero_while_a_network_is_trained():
    student = Threads()
    restill.distill(Net(), student, "output", data=data(), steps=1, quiet=True)
    assert student.smallest == 0
    assert torch.tensor(1e-40) * 1 > 0


@pytest.mark.parametrize(("asked", "of_torch", "allowed", "used"), [(None, 3, 8, 3), (None, 3, 2, 2), (2, 1, 1, 2)])
def test_threads_are_torchs_own_number_but_no_more_than_the_process_may_use(
    asked, of_torch, allowed, used, monkeypatch
):
    monkeypatch.setattr("restill.training.loop.usable_cpus", lambda: allowed)
    with restore_global_state():
        torch.set_num_threads(of_torch)
        student = Threads()
        restill.distill(Net(), student, "output", data=data(), steps=1, quiet=True, threads=asked)
    assert student.seen == used


@pytest.mark.parametrize(("text", "cpus"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 64), ("", 64)])
def test_a_containers_limit_counts(text, cpus, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path, *a, **k: text)
    monkeypatch.setattr(process.os, "sched_getaffinity", lambda pid: range(64), raising=False)
    assert usable_cpus() == cpus


class Order:
    """Remembers in which order a loader gave its samples."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.seen.append(index)
        return torch.full((3, 16, 16), 0.4), torch.full((3, 16, 16), 0.5)


def order(own: int | None, **seed: int) -> list[int]:
    samples = Order()
    with restore_global_state():
        if own is not None:
            torch.manual_seed(own)
        loader = torch.utils.data.DataLoader(samples, batch_size=4, shuffle=True)  # type: ignore[arg-type]
        restill.distill(None, Net(), "plain", data=loader, steps=4, quiet=True, **seed)
    return samples.seen


def test_the_seed_is_the_callers():
    """Given, or drawn from PyTorch's generator as the caller has seeded it; each pass has an order of its own."""
    assert order(1) == order(1) != order(2)
    assert order(1, seed=5) == order(2, seed=5) != order(1, seed=6)
    assert order(1)[:8] != order(1)[8:]
