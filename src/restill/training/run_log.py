"""The logs of a run: ``log.jsonl``, TensorBoard, a copy of the recipe, and samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from torch.utils.tensorboard.writer import SummaryWriter

from restill.training.recipe import Run
from restill.video.pictures import write_picture

VALIDATION, TEACHER = "validation_psnr_rgb_crops", "teacher_psnr_rgb_crops"
SAMPLES = "samples"
MOST = 20  # steps whose samples are kept


class RunLog:
    """Writes ``log.jsonl``, TensorBoard, a copy of the recipe, and samples. What is after step ``start`` is removed."""

    def __init__(self, folder: Path, run: Run, start: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json"), sort_keys=False))
        self._path = folder / "log.jsonl"
        earlier = [line for line in _lines(self._path) if json.loads(line)["step"] <= start]
        self._path.write_text("".join(f"{line}\n" for line in earlier))
        self._samples = folder / SAMPLES
        self._remove([step for step in self._steps() if step > start])
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log named values of a step."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def show(self, step: int, samples: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Keep samples of a step as ``samples/STEP-NUMBER-NAME.png``; of a long run, those of fewer steps.

        Args:
            step: The step.
            samples: Each has some pictures (H, W, 3) RGB uint8 by name, such as "before", "after" and "clean".
        """
        for number, sample in enumerate(samples, 1):
            self._samples.mkdir(exist_ok=True)
            for name, picture in sample.items():
                write_picture(self._samples / f"{step:06d}-{number}-{name}.png", picture)
        if len(steps := self._steps()) > MOST:
            near = min(range(1, MOST), key=lambda i: steps[i + 1] - steps[i - 1])  # those that stay are spread evenly
            self._remove([steps[near]])

    def _steps(self) -> list[int]:
        """The steps that have samples."""
        names = (path.name.partition("-")[0] for path in self._samples.glob("*.png"))
        return sorted({int(name) for name in names if name.isdigit()})

    def _remove(self, steps: list[int]) -> None:
        for step in steps:
            for path in self._samples.glob(f"{step:06d}-*.png"):
                path.unlink()

    def close(self) -> None:
        """Flush and close the files."""
        self._board.close()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
