"""``make demo``: restore a clip, distill a student and write a report, in a few minutes.

The demo uses only the public features of Restill. See :mod:`demo.clips` for the clips and :mod:`demo.report` for the
report. You can run the recipes beside this file again by hand.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from demo import clips, report
from rich.console import Console

from restill.errors import RestillError

HERE = Path(__file__).parent
OUT = Path("demo_out")
HELD_OUT, RUNS = OUT / "held_out", OUT / "runs"
SEED = 5
RAIN = {"rate": 25, "opacity": 0.4, "wind": 1.0, "gust": 0.5, "mist": 0.02, "splash": 0.05}  # on the held-out clips
FRAMES, SHOWN = 48, 30
CONTEXT = 4  # frames on either side that affect a restored frame
SMOOTH = 9  # logged points in the moving mean of a curve
if TYPE_CHECKING:
    from torch import nn

console = Console(highlight=False)


class Stages:
    """Prints the current stage and the remaining time, estimated from the expected seconds of each stage."""

    def __init__(self, expected: dict[str, float]) -> None:
        self.expected, self.done, self.began = expected, 0.0, time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        number = list(self.expected).index(name) + 1
        passed = time.monotonic() - self.began
        pace = passed / self.done if self.done > 5 else 1.0
        left = (sum(self.expected.values()) - self.done) * pace
        console.print(f"[bold]\\[{number}/{len(self.expected)}] {name}[/bold]  about {report.clock(left)} to go")
        yield
        self.done += self.expected[name]


def main(steps: float = 1.0, frames: int = FRAMES) -> Path:
    """Run the demo.

    Args:
        steps: Share of the steps in the recipes to train.
        frames: Length of the clips.

    Returns:
        The path of the report.
    """
    os.environ["RESTILL_CACHE"] = str((OUT / "cache").resolve())
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    cv2.setNumThreads(1)  # OpenCV's threads do not survive in the worker processes
    teacher = shipped_teacher()
    stages = Stages(
        {
            "make clips with rendered rain from photographs": 12,
            "restore a clip with a model of Restill": 14,
            "train the start of two students": 23 * steps,
            "prepare a teacher": 75 * steps if teacher is None else 1,
            "continue one student without a teacher": 21 * steps,
            "distill the other with CSTD": 32 * steps,
            "measure both on held-out clips": 32,
        }
    )
    with stages.stage("make clips with rendered rain from photographs"):
        make_clips(frames)
    with stages.stage("restore a clip with a model of Restill"):
        restored = restore_clip()
    with stages.stage("train the start of two students"):
        run_recipe("start", steps)
    with stages.stage("prepare a teacher"):
        if teacher is None:
            run_recipe("teacher", steps)
        else:  # the place that cstd.yaml names
            (RUNS / "teacher").mkdir(parents=True)
            shutil.copy(teacher, RUNS / "teacher" / "student.safetensors")
    with stages.stage("continue one student without a teacher"):
        alone = run_recipe("alone", steps)
    with stages.stage("distill the other with CSTD"):
        cstd = run_recipe("cstd", steps)
    with stages.stage("measure both on held-out clips"):
        distilled = compare(alone, cstd)
    page = OUT / "report.html"
    everything = report.Report(machine(), time.monotonic() - stages.began, restored, distilled)
    page.write_text(report.build(everything), encoding="utf-8")
    console.print(f"\n{report.verdict(distilled.alone.score, distilled.cstd.score)}")
    console.print(f"Open the report (no network needed): [bold]{page.resolve()}[/bold]", soft_wrap=True)
    return page


def make_clips(frames: int) -> None:
    """Write clean training clips, and clean and rainy held-out clips, in the layouts of the data sets."""
    from restill.degradations.rain import rain_clip
    from restill.degradations.rain_settings import RainSettings

    rain = RainSettings.make(**RAIN)
    for seed, name in enumerate(clips.TRAINING):
        clips.write_frames(clips.make_clip(clips.photograph(name), frames, seed), OUT / "clips" / name)
    for seed, name in enumerate(clips.HELD_OUT, len(clips.TRAINING)):
        clean = clips.make_clip(clips.photograph(name), frames, seed)
        clips.write_frames(clean, HELD_OUT / name / "gt")
        clips.write_frames(rain_clip(clean, rain, SEED + seed), HELD_OUT / name / "rain")


def restore_clip() -> report.Restored | None:
    """Restore the first held-out clip with the default model."""
    from restill import zoo

    name = clips.HELD_OUT[0]
    try:
        model = zoo.default("derain")
    except RestillError as error:
        console.print(f"  left out: {error}")
        return None
    return _restore(model, name)


def _restore(model: str, name: str) -> report.Restored:
    from restill import restore
    from restill.video import read_frames

    rainy = list(read_frames(HELD_OUT / name / "rain"))
    began = time.monotonic()
    restore(HELD_OUT / name / "rain", OUT / "restored", model=model)
    seconds = time.monotonic() - began
    clean = list(read_frames(OUT / "restored"))
    video = OUT / "before_after.mp4"
    restore(HELD_OUT / name / "rain", video, model=model, compare="split")
    shown = min(SHOWN, len(rainy) - 1)
    before, after = (evaluate(what, what, [name]) for what in ("none", model))
    return report.Restored(model, rainy[shown], clean[shown], before, after, len(rainy), seconds, video.read_bytes())


def run_recipe(name: str, share: float) -> report.Run:
    """Train with a recipe beside this file; the score is filled in later."""
    from restill.training.experiment import train
    from restill.training.recipe import load_recipe

    recipe = load_recipe(HERE / f"{name}.yaml")
    recipe.steps = max(1, round(recipe.steps * share))
    began = time.monotonic()
    result = train(recipe)
    if result.interrupted:
        sys.exit(130)
    seconds = time.monotonic() - began
    return report.Run(report.Score(name, 0, 0), result.steps, seconds, curves(recipe.folder / "log.jsonl"))


def curves(log: Path) -> dict[str, report.Points]:
    """Moving means of the losses in the log of a run."""
    points: dict[str, report.Points] = {}
    for line in log.read_text().splitlines():
        values = json.loads(line)
        for key in ("reconstruction", "spatial", "temporal"):
            if key in values:
                points.setdefault(key, []).append((values["step"], values[key]))
    return {key: smooth(line) for key, line in points.items()}


def smooth(line: report.Points) -> report.Points:
    """Each value replaced by the mean of those around it."""
    values = np.array([y for _, y in line])
    half = SMOOTH // 2
    return [(x, float(values[max(0, i - half) : i + half + 1].mean())) for i, (x, _) in enumerate(line)]


def compare(alone: report.Run, cstd: report.Run) -> report.Distilled:
    """Score all networks on the held-out clips, and crop the same part of one frame of each."""
    from restill.training.checkpoint import load_network

    names = clips.HELD_OUT
    alone.score = evaluate(RUNS / "alone", "trained alone", names)
    cstd.score = evaluate(RUNS / "cstd", "distilled with CSTD", names)
    student, info = load_network(RUNS / "cstd")
    teacher, taught_by = load_network(RUNS / "teacher")
    return report.Distilled(
        student=info["network"] + "".join(f", {key} {value}" for key, value in info["options"].items()),
        teacher=taught_by["network"],
        parameters=parameters(student),
        teacher_parameters=parameters(teacher),
        rainy=evaluate("none", "rainy input", names),
        start=evaluate(RUNS / "start", "start of both", names),
        alone=alone,
        cstd=cstd,
        teacher_score=evaluate(RUNS / "teacher", f"teacher, {taught_by['network']}", names),
        crops=crops(names[0]),
    )


def parameters(network: nn.Module) -> int:
    """The number of weights of a network."""
    return sum(p.numel() for p in network.parameters())


def crops(name: str) -> dict[str, np.ndarray]:
    """The same part of one frame: rainy, restored by each student, and clean."""
    from restill.evaluation.models import load_checkpoint
    from restill.runtime import stream
    from restill.video import read_frames

    rainy, clean = (list(read_frames(HELD_OUT / name / side)) for side in ("rain", "gt"))
    shown = min(SHOWN, len(rainy) - 1)
    around = slice(max(0, shown - CONTEXT), shown + CONTEXT + 1)
    pictures = {"rain": rainy[shown]}
    for run, caption in (("alone", "trained alone"), ("cstd", "distilled with CSTD")):
        restored = list(stream(load_checkpoint(RUNS / run), rainy[around]))
        pictures[caption] = restored[shown - around.start]
    pictures["clean"] = clean[shown]
    height, width = clean[shown].shape[:2]
    piece = (slice(height // 3, height // 3 + height // 4), slice(width * 2 // 5, width * 2 // 5 + width // 4))
    return {caption: picture[piece] for caption, picture in pictures.items()}


def evaluate(model: str | Path, label: str, names: Sequence[str]) -> report.Score:
    """The mean score over the held-out clips."""
    from restill.evaluation import evaluate as run

    scores = run(str(model), dataset="nturain", data=HELD_OUT, clips=names, protocol=report.PROTOCOL, quiet=True)
    return report.Score(label, scores.mean["psnr"], scores.mean["ssim"])


def shipped_teacher() -> Path | None:
    """The weights of a teacher that comes with Restill; None if there is none."""
    from restill import zoo

    return next(iter(sorted(zoo.FOLDER.glob("*/teacher.safetensors"))), None)


def machine() -> str:
    """The name of the processor and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    except RestillError as problem:
        sys.exit(f"error: {problem}")
