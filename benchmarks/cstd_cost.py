"""Measure the cost of a CSTD step on one CPU core: python benchmarks/cstd_cost.py [--denormals]

With ``--denormals``, denormal numbers are computed with, as before training turned that off.
Each time is also given relative to the minimum for any method with a teacher: a plain step plus the teacher's
forward pass.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

from restill.distillation import create_method
from restill.networks import create

PAIRS = (
    ("rill-l", "rill-s", 2, 96),
    ("rill-l", "rill-m", 2, 96),
    ("prednet-teacher", "prednet-student1", 3, 32),
)  # context frames, crop


def step_seconds(teacher: str | None, student: str, context: int, crop: int, **options: Any) -> float:
    """CPU seconds of forward and backward, two clips with five centers, the best of five."""
    torch.manual_seed(0)
    networks = create(teacher) if teacher else None, create(student)
    method = create_method("cstd" if teacher else "plain", *networks, context, **options)
    batch = {key: torch.rand(2, 2 * context + 5, 3, crop, crop) for key in ("degraded", "clean")}
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for losses in method.loss_groups(batch, 0):
            torch.stack(
                [method.default_weights.get(name, 1.0) * loss for name, loss in losses.items()]
            ).sum().backward()
        best = min(best, time.process_time() - began)
    return best


def teacher_seconds(teacher: str, crop: int) -> float:
    """CPU seconds of the teacher alone on the same ten windows."""
    network: Any = create(teacher)
    windows = torch.rand(10, network.spec.frames, 3, crop, crop)
    best = float("inf")
    with torch.no_grad():
        for _ in range(5):
            began = time.process_time()
            network(windows)
            best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    torch.set_flush_denormal("--denormals" not in sys.argv)  # as training does
    print("| teacher | student | crop | plain step | teacher | CSTD | with l1 | shrink 2 | shrink 4 | alternate |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for teacher, student, context, crop in PAIRS:
        plain = step_seconds(None, student, context, crop)
        alone = teacher_seconds(teacher, crop)
        same: dict[str, Any] = {"reconstruction": "l1", "recon_weights": (1.0,)}  # as the plain step
        choices: tuple[dict[str, Any], ...] = (
            {},
            same,
            same | {"shrink": 2},
            same | {"shrink": 4},
            {"optim": "alternate"},
        )
        steps = [step_seconds(teacher, student, context, crop, **options) for options in choices]
        times = [f"{seconds * 1000:.0f} ms, {seconds / (plain + alone):.2f}" for seconds in steps]
        print(
            f"| {teacher} | {student} | {crop} | {plain * 1000:.0f} ms | {alone * 1000:.0f} ms | {' | '.join(times)} |"
        )


if __name__ == "__main__":
    main()
