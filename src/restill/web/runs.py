"""Follow training runs: what ``restill train`` writes to their folders, read again for each look."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restill.web.items import Missing

MOST = 400  # points of a line
ALIVE = 300.0  # seconds without a new line after which a run has stopped
TAIL = 1 << 16  # bytes at the end of a log that hold its last line
VALIDATION, TEACHER = "validation_psnr_rgb_crops", "teacher_psnr_rgb_crops"
SIDES = ("before", "after", "clean")
_STEPS = re.compile(r"^steps: (\d+)$", re.MULTILINE)  # as RunLog writes recipe.yaml
_NO_LOSS = ("lr", "share", "balance")
_SAMPLE = re.compile(r"(\d{6,9})-(\d+)-(before|after|clean)\.png")

Points = list[tuple[float, float]]


class Runs:
    """The training runs in a folder.

    Args:
        folder: The folder, each of whose subfolders may be a run; None for no runs.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def all(self) -> list[dict[str, Any]]:
        """Name, steps done, steps in all (None if unknown) and state of each run, the one that changed last first."""
        runs = sorted(self._runs().values(), key=lambda run: (run / "log.jsonl").stat().st_mtime, reverse=True)
        return [_state(run) for run in runs]

    def one(self, name: str) -> dict[str, Any]:
        """The curves and the samples of a run.

        Raises:
            Missing: There is no such run.
        """
        run = self._find(name)
        lines: dict[str, Points] = defaultdict(list)
        for row in _rows((run / "log.jsonl").read_bytes()):
            step = row.pop("step")
            for key, value in row.items():
                if isinstance(value, int | float):
                    lines[key].append((step, value))
        validation, teacher = lines.pop(VALIDATION, []), lines.pop(TEACHER, [])
        losses = {key: _fewer(points) for key, points in lines.items() if not key.startswith(_NO_LOSS)}
        return {
            **_state(run),
            "losses": losses,
            "validation": validation,
            "teacher_psnr": teacher[-1][1] if teacher else None,
            "samples": list(_samples(run, name)),
        }

    def sample(self, name: str, file: str) -> Path:
        """The picture of a sample.

        Raises:
            Missing: There is none.
        """
        path = self._find(name) / "samples" / file
        if not _SAMPLE.fullmatch(file) or path.is_symlink() or not path.is_file():
            raise Missing("there is no such sample")
        return path

    def _runs(self) -> dict[str, Path]:
        if self._folder is None or not self._folder.is_dir():
            return {}
        return {run.name: run for run in self._folder.iterdir() if (run / "log.jsonl").is_file()}

    def _find(self, name: str) -> Path:
        run = self._runs().get(name)  # never a path made of the name
        if run is None:
            raise Missing("there is no such run")
        return run


def _state(run: Path) -> dict[str, Any]:
    log = run / "log.jsonl"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        steps = max((row["step"] for row in _rows(file.read())), default=0)
    recipe = run / "recipe.yaml"
    found = _STEPS.search(recipe.read_text(encoding="utf-8", errors="replace")) if recipe.is_file() else None
    of = int(found[1]) if found else None
    alive = time.time() - log.stat().st_mtime < ALIVE
    return {
        "name": run.name,
        "steps": steps,
        "of": of,
        "state": "done" if of and steps >= of else "running" if alive else "stopped",
    }


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines of a log; those that are cut off are left out."""
    for line in data.splitlines():
        try:
            row = json.loads(line, parse_constant=lambda _: None)  # NaN is no JSON for a page
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            yield row


def _fewer(points: Points) -> Points:
    """At most :data:`MOST` points, each the mean of those that it replaces."""
    size = -(-len(points) // MOST)
    if size <= 1:
        return points
    groups = (points[at : at + size] for at in range(0, len(points), size))
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _samples(run: Path, name: str) -> Iterator[dict[str, Any]]:
    """The samples of each step: the number of the sample, and the addresses of its pictures."""
    there = {path.name for path in (run / "samples").glob("*.png")}
    for file in sorted(there):
        found = _SAMPLE.fullmatch(file)
        if found and found[3] == SIDES[0]:
            files = {side: f"{found[1]}-{found[2]}-{side}.png" for side in SIDES}
            if there.issuperset(files.values()):
                shown = {side: f"/api/runs/{name}/samples/{files[side]}" for side in SIDES}
                yield {"step": int(found[1]), "sample": int(found[2]), **shown}
