"""Batches of one's own: a run that was stopped goes on in its data, and every process gets its share of each batch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import restill
from restill.errors import RestillError
from restill.training.feed import check_loader

SAMPLES = 7


class Noisy(Dataset):
    """Samples with noise from every generator that people draw from."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = torch.rand(()) + random.random() + np.random.rand()  # noqa: S311, NPY002
        clean = torch.full((3, 8, 8), 0.1 * index)
        return clean + 0.02 * noise, clean


class Shuffled:
    """An iterable of one's own that shuffles by Python's generator."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        samples = list(range(SAMPLES))
        random.shuffle(samples)
        for i in samples:
            clean = torch.full((1, 3, 8, 8), 0.1 * i)
            yield clean + 0.02, clean


class Endless:
    """Made without end, by numpy."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            clean = torch.full((1, 3, 8, 8), float(np.random.rand()))  # noqa: NPY002
            yield {"degraded": clean * 0.9, "clean": clean}


def in_order() -> list[tuple[Tensor, Tensor]]:
    return [(torch.full((1, 3, 8, 8), 0.1 * i), torch.full((1, 3, 8, 8), 0.12 * i)) for i in range(SAMPLES)]


DATA = {
    "a list": in_order,
    "a loader": lambda: DataLoader(Noisy(), 2),
    "a shuffled loader": lambda: DataLoader(Noisy(), 2, shuffle=True),
    "a loader with its own generator": lambda: DataLoader(
        Noisy(), 2, shuffle=True, generator=torch.Generator().manual_seed(4)
    ),
    "a loader with weights": lambda: DataLoader(
        Noisy(), 2, sampler=torch.utils.data.WeightedRandomSampler([1.0] * SAMPLES, SAMPLES)
    ),
    "workers": lambda: DataLoader(Noisy(), 2, shuffle=True, num_workers=1),
    "an iterable": Shuffled,
    "endless": Endless,
}


class Net(nn.Module):
    """It draws from all generators too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.drop = nn.Dropout(0.3)

    def forward(self, window: Tensor) -> Tensor:
        return self.drop(self.conv(window[:, 0])) + 0.01 * random.random() + 0.01 * np.random.rand()  # noqa: S311, NPY002


def train(data: object, steps: int, output: Path, **more: object) -> list[Tensor]:
    student = restill.distill(
        None, Net(), "plain", data=data, steps=steps, output=output, quiet=True, **{"seed": 3, "threads": 1, **more}
    )
    return [p.detach().clone() for p in student.parameters()]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([name for name in DATA if name != "workers"]), st.integers(1, 8), st.integers(2, 4))
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(tmp_path_factory, form, stop, every):
    folder = tmp_path_factory.mktemp("runs")
    whole = train(DATA[form](), 9, folder / "whole", save_every=every)
    train(DATA[form](), stop, folder / "split", save_every=100)
    split = train(DATA[form](), 9, folder / "split", save_every=100, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole, split, strict=True))


def test_so_it_is_with_workers(tmp_path):
    whole = train(DATA["workers"](), 6, tmp_path / "whole")
    train(DATA["workers"](), 5, tmp_path / "split")
    split = train(DATA["workers"](), 6, tmp_path / "split", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole, split, strict=True))


def test_the_seed_of_a_resumed_run_is_its_first_parts(tmp_path):
    torch.manual_seed(1)
    train(in_order(), 2, tmp_path / "run", seed=9)
    torch.manual_seed(2)
    restill.distill(None, Net(), "plain", data=in_order(), steps=3, output=tmp_path / "run", resume=True, quiet=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "seed was 3 and is 4"),
        ({"optimizer": {"lr": 1e-2}}, r"optimizer\.lr was 0\.0001 and is 0\.01"),
        ({"optimizer": {"name": "adamw"}}, r"optimizer\.name was 'adam' and is 'adamw'"),
        ({"weights": {"reconstruction": 2.0}}, r"weights\.reconstruction was None and is 2\.0"),
        ({"options": {"recon_weights": [1.0]}}, r"options\.recon_weights was \[0\.6, 0\.2, 0\.2\] and is \[1\.0\]"),
        ({"precision": "bf16"}, "precision was 'fp32' and is 'bf16'"),
        ({"schedule": {"name": "cosine"}}, r"schedule\.name was 'constant' and is 'cosine'"),
        ({"steps": 1}, "2 steps are done, so a resumed run cannot stop at 1"),
    ],
)
def test_a_resumed_run_with_other_settings_is_refused_by_name(changes, words, tmp_path):
    train(in_order(), 2, tmp_path / "run")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.safetensors")}
    with pytest.raises(RestillError, match=words):
        train(in_order(), **({"steps": 3, "output": tmp_path / "run", "resume": True} | changes))
    assert before == {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.safetensors")}


def test_another_method_or_frozen_part_is_another_run(tmp_path):
    train(in_order(), 2, tmp_path / "run")
    how = {"data": in_order(), "steps": 3, "output": tmp_path / "run", "resume": True, "quiet": True, "seed": 3}
    with pytest.raises(RestillError, match=r"method was 'plain' and is 'output'\. To resume"):
        restill.distill(Net(), Net(), "output", **how)
    frozen = Net()
    frozen.conv.bias.requires_grad_(False)
    with pytest.raises(RestillError, match="trained weights was 84 and is 81"):
        restill.distill(None, frozen, "plain", **how)


def test_what_may_change_may(tmp_path):
    train(in_order(), 2, tmp_path / "run")
    train(in_order(), 4, tmp_path / "run", resume=True, log_every=1, save_every=1, threads=2)


class Stopping:
    """Batches, before the fourth of which a signal comes."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for i, batch in enumerate(in_order()):
            if i == 3:
                os.kill(os.getpid(), self.number)
            yield batch


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, RestillError)])
def test_a_run_that_is_stopped_saves_and_raises(number, raised, output, tmp_path):
    how = {"steps": 9, "quiet": True, "threads": 1, "seed": 3} | ({"output": tmp_path / "run"} if output else {})
    kept = rf"saved in {tmp_path}.*resume=True" if output else "nothing is saved, since 'output' is not given"
    with pytest.raises(raised, match=f"stopped after 4 steps; .*{kept}"):
        restill.distill(None, Net(), "plain", data=Stopping(number), **how)
    if output:
        again = restill.distill(None, Net(), "plain", data=in_order(), resume=True, **how)
        whole = train(in_order(), 9, tmp_path / "whole")
        assert all(torch.equal(a, b) for a, b in zip(again.parameters(), whole, strict=True))


def test_batches_that_processes_do_not_divide_are_refused_before_the_first(tmp_path):
    check_loader(DataLoader(Noisy(), 4, drop_last=True), 2)
    check_loader(in_order(), 2)
    check_loader(DataLoader(Noisy(), 3), 1)
    with pytest.raises(
        RestillError, match=r"a batch of 3 samples cannot be split equally over 2 .* multiple of 2 \(the DataLoader's"
    ):
        check_loader(DataLoader(Noisy(), 3), 2)
    with pytest.raises(
        RestillError, match=r"a batch of 3 samples cannot be split equally .* \(the last batch of each pass; drop_last"
    ):
        check_loader(DataLoader(Noisy(), 4), 2)


TWO = """
import os, sys, torch, restill
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler
import torch.distributed as dist
rank = int(os.environ["RANK"])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meet", rank=rank, world_size=2)
class Net(nn.Module):
    def __init__(self, case):
        super().__init__()
        torch.manual_seed(rank if case == "weights" else 0)
        self.case, self.conv, self.more = case, nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
    def forward(self, window):
        y = self.conv(window[:, 0])
        return y + self.more(y) if self.case == "branch" and rank == 0 else y
pairs = [(torch.full((3, 8, 8), 0.1 * i), torch.full((3, 8, 8), 0.12 * i)) for i in range(8)]
torch.manual_seed(0)
usual = lambda: DataLoader(pairs, 4, shuffle=True)
data = {
    "sampler": lambda: DataLoader(pairs, 2, sampler=DistributedSampler(pairs)),
    "generator": lambda: DataLoader(pairs, 4, shuffle=True, generator=torch.Generator().manual_seed(rank)),
    "own": lambda: [(torch.rand(2, 3, 8, 8) * (rank + 1) / 2, torch.rand(2, 3, 8, 8))],
    "odd": lambda: DataLoader(pairs[:7], 4),
    "weights": usual, "branch": usual, "shuffled": usual,
}
for case, made in data.items():
    net = Net(case)
    try:
        restill.distill(None, net, "plain", data=made(), steps=3, quiet=True, threads=1, seed=1)
        print(case, "trained", sum(p.double().sum().item() for p in net.parameters()))
    except restill.RestillError as error:
        print(case, error)
"""


@pytest.mark.slow
def test_two_processes_are_given_one_batch_or_a_sentence(tmp_path):
    """Both say the same of each case, and have the same weights in the end."""
    command = [sys.executable, "-c", TWO, str(tmp_path)]
    common = {**os.environ, "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=common | {"RANK": str(rank)})
        for rank in range(2)
    ]
    said = [process.communicate(timeout=240)[0].splitlines() for process in both]
    assert said[0] == said[1]
    expected = [
        "sampler the DataLoader has a DistributedSampler",
        "generator the processes were given different batches",
        "own the processes were given different batches",
        "odd a batch of 3 samples cannot be split equally",
        "weights the processes start from different weights or seeds",
        "branch trained",
        "shuffled trained",
    ]
    for line, words in zip(said[0], expected, strict=True):
        assert line.startswith(words)
