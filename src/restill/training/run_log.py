"""The logs of a run: ``log.jsonl``, TensorBoard, and a copy of the recipe."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from torch.utils.tensorboard.writer import SummaryWriter

from restill.training.recipe import Run


class RunLog:
    """Writes ``log.jsonl``, TensorBoard and a copy of the recipe. Lines after step ``start`` are removed."""

    def __init__(self, folder: Path, run: Run, start: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json"), sort_keys=False))
        self._path = folder / "log.jsonl"
        earlier = [line for line in _lines(self._path) if json.loads(line)["step"] <= start]
        self._path.write_text("".join(f"{line}\n" for line in earlier))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log named values of a step."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the files."""
        self._board.close()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
