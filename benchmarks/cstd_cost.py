"""What a CSTD step costs beside a plain one, on one CPU core: python benchmarks/cstd_cost.py"""

from __future__ import annotations

import time
from typing import Any

import torch

from restill.distillation import create_method
from restill.networks import create

PAIRS = (("rill-l", "rill-s", 2, 96), ("prednet-teacher", "prednet-student1", 3, 32))  # context frames, crop


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
            torch.stack(list(losses.values())).sum().backward()
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
    print("| teacher | student | crop | plain step | the teacher's share | CSTD step | ratio | alternate |")
    print("|---|---|---|---|---|---|---|---|")
    for teacher, student, context, crop in PAIRS:
        plain = step_seconds(None, student, context, crop)
        cstd = step_seconds(teacher, student, context, crop)
        alternate = step_seconds(teacher, student, context, crop, optim="alternate")
        share = teacher_seconds(teacher, crop)
        print(
            f"| {teacher} | {student} | {crop} | {plain * 1000:.0f} ms | {share * 1000:.0f} ms "
            f"| {cstd * 1000:.0f} ms | {cstd / plain:.1f} | {alternate / plain:.1f} |"
        )


if __name__ == "__main__":
    main()
