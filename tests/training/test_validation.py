"""What a run keeps to look at does not grow without end, and cannot fail it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from test_loop import distilled, recipe

import restill
from restill.training.experiment import build
from restill.training.recipe_feed import feed_from
from restill.training.run_log import MOST, SAMPLES, TEACHER, VALIDATION, RunLog
from restill.training.validation import Validation


def test_the_samples_of_a_long_run_are_few_and_spread_over_it(clips, tmp_path):
    run = recipe(clips, tmp_path)
    log = RunLog(run.folder, run, 0)
    (run.folder / SAMPLES).mkdir()
    (run.folder / SAMPLES / "mine.png").write_bytes(b"of the user")
    for step in range(10, 1010, 10):
        log.show(step, [{"after": np.zeros((4, 4, 3), np.uint8)}] * 2)
    log.close()
    RunLog(run.folder, run, 990).close()  # resumed: the last one is of a step that was lost
    names = sorted(path.name for path in (run.folder / SAMPLES).iterdir())
    assert names.pop() == "mine.png"
    steps = sorted({int(name[:6]) for name in names})
    assert len(names) == 2 * len(steps)
    assert len(steps) == MOST - 1
    assert steps[0] == 10
    assert steps[-1] < 1000
    assert max(b - a for a, b in pairwise(steps)) <= 2 * 990 / MOST + 10


class FakeLog:
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def write(self, step: int, values: dict[str, float]) -> None:
        self.rows.append(values)

    def show(self, step: int, samples: list[dict[str, np.ndarray]]) -> None:
        raise OSError("the disk is full")


def test_a_full_disk_does_not_fail_a_run(clips, tmp_path, capsys):
    run = distilled(clips, tmp_path)
    method, _ = build(run)
    log = FakeLog()
    validation = Validation(method, feed_from(run.data, run, run.batch, method)[0], torch.device("cpu"), log)
    assert [validation(3), validation(6)] == [row[VALIDATION] for row in log.rows]
    assert [TEACHER in row for row in log.rows] == [True, False]
    assert "the held-out samples were not kept: the disk is full" in capsys.readouterr().err


def test_a_teacher_of_another_scale_does_not_fail_a_run(tmp_path, capsys):
    torch.manual_seed(0)
    batches = [(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32, 32))]
    restill.distill(
        torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Conv2d(5, 3, 3, padding=1)),
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Conv2d(5, 12, 3, padding=1), torch.nn.PixelShuffle(2)
        ),
        "mse",
        teacher_feature="0",
        student_feature="0",
        data=batches,
        validation={"batches": batches, "every": 1},
        steps=2,
        output=tmp_path / "run",
        quiet=True,
    )
    text = (tmp_path / "run" / "log.jsonl").read_text()
    assert VALIDATION in text
    assert TEACHER not in text
    assert "the teacher's PSNR on the held-out crops is not known" in capsys.readouterr().err
