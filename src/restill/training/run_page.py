"""The page that a run leaves: held-out samples, their PSNR, losses, shares of the gradient, and the recipe."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from restill.distillation.method import Method
from restill.html.chart import Points, chart
from restill.html.page import command_line, page, section, write_page
from restill.html.parts import code, pictures, side_by_side, text
from restill.networks.adapter import class_name
from restill.progress import say
from restill.training.feed import Feed
from restill.training.recipe import Run
from restill.training.run_log import TEACHER, VALIDATION

PAGE = "report.html"
MOST = 120  # points of a line; each is the mean of the steps around it

SHARES = (
    "How hard a loss pulls at the student: the norm of the gradient of weight x loss, divided by that of the task's "
    "loss (reconstruction), for one batch. share is that of all the method's losses together."
)

Lines = dict[str, list[tuple[float, float]]]  # by name in the log, (step, value)


def leave_page(folder: Path, run: Run, method: Method, feed: Feed, device: torch.device, losses: Iterable[str]) -> None:
    """Write :data:`PAGE` into the folder of a run. If that fails, a line says so: the run is done and saved.

    Args:
        folder: With ``log.jsonl`` and ``recipe.yaml``.
        run: The training settings.
        method: The method with its networks.
        feed: Where the held-out samples are.
        device: The device of the method.
        losses: The names of the losses in the log.
    """
    try:
        write_page(folder / PAGE, run_page(folder, run, method, feed, device, {*losses, *method.default_weights}))
    except Exception as error:
        say(f"{folder / PAGE} was not written: {type(error).__name__}: {error}")


def run_page(folder: Path, run: Run, method: Method, feed: Feed, device: torch.device, losses: set[str]) -> str:
    """The page as HTML."""
    logged = _read(folder / "log.jsonl")
    steps = int(max((points[-1][0] for points in logged.values()), default=0))
    teacher = "" if method.teacher is None else f", distilled from {class_name(method.teacher)} by method {method.name}"
    lead = f"{class_name(method.student)}{teacher}: {steps:,} of {run.steps:,} steps."
    sections = [
        *_samples(feed, device),
        *_validation(logged.pop(VALIDATION, []), logged.pop(TEACHER, [])),
        *_charts("Losses", "Before they are weighted; total is their weighted sum.", _take(logged, losses | {"total"})),
        *_shares(_take(logged, {name for name in logged if name.startswith("share")})),
        *_charts("Other numbers in the log", "Of the method, and the learning rate (lr).", logged),
        section("How this was made", *_command(), text("The recipe, with every field:"), _recipe(folder)),
    ]
    return page(f"Run {run.name}", text(lead, "lead"), sections)


def _read(log: Path) -> Lines:
    lines: Lines = defaultdict(list)
    for row in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        step = row.pop("step")
        for name, value in row.items():
            lines[name].append((step, value))
    return lines


def _take(logged: Lines, names: set[str]) -> Lines:
    return {name: logged.pop(name) for name in list(logged) if name in names}


def _samples(feed: Feed, device: torch.device) -> list[str]:
    shown = feed.show(device) if feed.show else []
    parts = [pictures(sample, f"held-out sample {number}") for number, sample in enumerate(shown, 1)]
    return [section("Held-out samples", text("Crops that were not trained on."), *parts)] if parts else []


def _validation(points: Points, teacher: Points) -> list[str]:
    if not points:
        return []
    lines: dict[str, Points] = {}
    if teacher:
        level = teacher[-1][1]
        lines["teacher"] = [(points[0][0], level), (points[-1][0], level)]
    lines["student"] = points
    words = (
        f"{VALIDATION}: mean PSNR, RGB, over fixed crops of held-out clips, not rounded. It compares steps of one run, "
        "and is not a benchmark."
    )
    drawn = chart("PSNR on the held-out crops", lines, "step", "dB", ending=True)
    return [section("Validation", text(words), side_by_side([drawn]))]


def _charts(title: str, words: str, lines: Lines) -> list[str]:
    drawn = (chart(name, {name: _means(points)}, "step", form=".4g", ending=True) for name, points in lines.items())
    return [section(title, text(words), side_by_side(drawn))] if lines else []


def _shares(lines: Lines) -> list[str]:
    if not lines:
        return []
    drawn = chart(
        "Share of the task's gradient", {n: _means(p) for n, p in lines.items()}, "step", form=".4g", ending=True
    )
    return [section("Shares of the gradient", text(SHARES), side_by_side([drawn]))]


def _means(points: Points) -> Points:
    """At most :data:`MOST` points, each the mean of those that it replaces."""
    parts = np.array_split(np.array(points, np.float64), min(MOST, len(points)))
    return [tuple(part.mean(axis=0).tolist()) for part in parts]


def _command() -> list[str]:
    command = command_line()
    return [text("The command:"), code(command, "command")] if command else []


def _recipe(folder: Path) -> str:
    return code((folder / "recipe.yaml").read_text(encoding="utf-8"))
