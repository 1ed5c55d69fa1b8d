"""Measure the gradient norm of each loss of a run: it shows why a distillation method helps or not.

    python benchmarks/gradient_norms.py RUN [RUN ...] [--batches 8] [--at start] [--json FILE]

RUN is the folder of a run, finished or not. docs/training.md explains the tables.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from restill.errors import RestillError
from restill.training.gradient_norms import GradientNorms, gradient_norms


def number(value: float | None, form: str = ".3g") -> str:
    """A number for a table; a dash for None."""
    return "-" if value is None else format(value, form)


def losses(found: GradientNorms) -> list[str]:
    """The table of gradients, line by line."""
    head = ("loss", "value", "weight", "norm", "over reconstruction's", "in a step", "cosine with it", "steady")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, loss in found.losses.items():
        sizes = map(number, (loss.value, loss.weight, loss.norm, loss.ratio, loss.step_ratio))
        cells = [name, *sizes, number(loss.cosine, "+.2f"), number(loss.steady, ".2f")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def rest(found: GradientNorms) -> list[str]:
    """Everything else, line by line."""
    lines = []
    teacher, student = found.teacher_psnr, found.student_psnr
    if student is not None:
        line = f"validation_psnr_rgb_crops: student {student:.2f} dB"
        if teacher is not None:
            line += f", teacher {teacher:.2f} dB, margin {teacher - student:+.2f} dB"
        lines.append(line)
    for role, size in found.features.items():
        for side, path in size.paths.items():
            squares = size.mean_square[side], size.channel_mean_square[side]
            text = "mean square {:.3g}, squared channel mean {:.3g}".format(*squares)
            lines.append(f"{role} of the {side} ({path}): {text}")
    for name, cell in found.cells.items():
        lines.append(f"cell {name}: spread {cell.spread:.3g}, mean abs {cell.mean_abs:.3g}, {cell.runs} runs")
    if found.metrics:
        lines.append("the method's own: " + ", ".join(f"{name} {v:.3g}" for name, v in found.metrics.items()))
    return lines


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--batches", type=int, default=8, help="number of batches, from the run's first on")
    parser.add_argument(
        "--at", choices=("start", "end"), default="end", help="before training, or the newest checkpoint"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    every = []
    try:
        for run in options.runs:
            found = gradient_norms(run, options.batches, options.at)
            every.append(asdict(found))
            where = f"{found.at}, step {found.step} of {found.steps}; {found.batches} batches"
            print(f"{found.name}: method {found.method}, at the {where}\n", flush=True)
            print("\n".join([*losses(found), "", *rest(found), ""]), flush=True)
    except RestillError as error:
        parser.exit(1, f"{error}\n")
    if options.json:
        options.json.write_text(json.dumps(every, indent=2) + "\n")


if __name__ == "__main__":
    main()
