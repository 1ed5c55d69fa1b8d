"""Measure the cost of a training step of each method, relative to plain training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from restill.distillation import METHODS, create_method, method_class
from restill.networks import create

RECORD = "costs.json"  # beside this file: the recorded result of `restill methods --measure`
FULLY_ON = 10**9  # a step after every warm-up


@dataclass(frozen=True)
class Costs:
    """Forward and backward of one batch, as a multiple of the plain method's, and how that was measured.

    Attributes:
        teacher: Name of the teacher; the ratio includes its run in every step.
        student: Name of the student.
        batch: Samples in a batch.
        crop: Their height and width in pixels.
        machine: Kind of machine.
        command: The command that gives these numbers.
        ratios: Cost of each method's step over plain's.
    """

    teacher: str
    student: str
    batch: int
    crop: int
    machine: str
    command: str
    ratios: dict[str, float]

    def __str__(self) -> str:
        return (
            f"step: forward and backward, as a multiple of plain training's; {self.student} from {self.teacher}, "
            f"{self.batch} crops of {self.crop}x{self.crop}; on {self.machine}; measured by: {self.command}"
        )

    def write(self) -> None:
        """Save these as the recorded costs."""
        Path(str(files("restill.distillation").joinpath(RECORD))).write_text(json.dumps(asdict(self), indent=2) + "\n")


def recorded() -> Costs:
    """The costs that were measured for this version."""
    return Costs(**json.loads(files("restill.distillation").joinpath(RECORD).read_text(encoding="utf-8")))


def measure(
    teacher: str = "restormer",
    student: str = "res-sl",
    batch: int = 2,
    crop: int = 64,
    repeats: int = 3,
    on_method: Callable[[], Any] | None = None,
) -> Costs:
    """Measure every method and plain training on this machine, on one thread; take the best of several repeats.

    Args:
        teacher: A name from ``restill networks``; it needs every feature that methods use (an encoder and a decoder).
        student: The same.
        batch: Samples in a batch.
        crop: Their height and width in pixels.
        repeats: How often each method is measured.
        on_method: Called after each method.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = create(teacher), create(student)
    clips = {key: torch.rand(batch, 1, 3, crop, crop) for key in ("degraded", "clean", "unpaired")}
    plain = _Timed("plain", *networks)
    ratios = {}
    try:
        for name in METHODS:
            timed = _Timed(name, *networks)
            pairs = [(timed.seconds(clips), plain.seconds(clips)) for _ in range(repeats)]
            ratios[name] = round(min(a for a, _ in pairs) / min(b for _, b in pairs), 2)
            if on_method:
                on_method()
    finally:
        torch.set_num_threads(before)
    return Costs(teacher, student, batch, crop, "this machine, one thread", "restill methods --measure", ratios)


class _Timed:
    """A method with timed steps, in CPU seconds."""

    def __init__(self, name: str, teacher: nn.Module, student: nn.Module) -> None:
        context = max(teacher.spec.frames_before, student.spec.frames_before)  # type: ignore[union-attr]
        self.method = create_method(name, teacher if method_class(name).has_teacher else None, student, context)

    def seconds(self, clips: dict[str, torch.Tensor]) -> float:
        began = time.process_time()
        for losses in self.method.loss_groups(clips, FULLY_ON):
            self.method.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
        return time.process_time() - began
