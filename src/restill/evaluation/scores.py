"""No-reference scores (PIQE, BRISQUE, NIQE, rain left over) of videos, folders and pictures. Frames are streamed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from restill.errors import RestillError
from restill.evaluation.files import finite
from restill.evaluation.metrics.brisque_model import SOURCES as BRISQUE_SOURCES
from restill.evaluation.metrics.brisque_model import load_brisque_model
from restill.evaluation.metrics.brisque_piqe import brisque, piqe
from restill.evaluation.metrics.niqe import SOURCES as NIQE_SOURCES
from restill.evaluation.metrics.niqe import load_niqe_model, niqe
from restill.evaluation.metrics.static_camera import Background
from restill.evaluation.static_clips import static_background
from restill.progress import track
from restill.video import probe, read_frames
from restill.video.pictures import is_picture, list_pictures, read_picture, to_8_bits

METRICS = ("piqe", "brisque", "niqe", "rain-left", "detail-lost")
STATIC = {
    "rain-left": "rain left over (% of the pixels that stand still in the input, 15 levels brighter than its median)",
    "detail-lost": "detail lost (the same, 15 levels darker)",
}


@dataclass
class Scores:
    """The result of :func:`score`.

    Attributes:
        definitions: By metric, the definition to print with its numbers.
        clips: By path: the mean of each metric over the frames that have one (nan if none has), ``frames`` (the number
            of frames used) and ``flat`` (the number without contrast, for which BRISQUE and NIQE are not defined).
        limit: If set, only this many frames from the start of each clip were used.
    """

    definitions: dict[str, str]
    clips: dict[str, dict[str, float]]
    limit: int | None = None

    @property
    def mean(self) -> dict[str, float]:
        """The mean over clips of the clips' means."""
        return {key: float(np.mean([row[key] for row in self.clips.values()])) for key in self.definitions}

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON. A missing score (nan) becomes None."""
        return {
            "definitions": self.definitions,
            "limit": self.limit,
            "clips": {name: finite(row) for name, row in self.clips.items()},
            "mean": finite(self.mean),
        }

    def table(self) -> Group:
        """The definitions, a row per clip, and their mean if there are several."""
        only = "" if self.limit is None else f"; the first {self.limit} frames only"
        result = Table(box=SIMPLE)
        result.add_column("clip", overflow="fold")
        for key in self.definitions:
            result.add_column(key.upper(), justify="right")
        result.add_column("frames", justify="right")
        for name, row in self.clips.items():
            flat = f" ({row['flat']} flat)" if row["flat"] else ""
            result.add_row(Text(name), *(_number(key, row[key]) for key in self.definitions), f"{row['frames']}{flat}")
        if len(self.clips) > 1:
            result.add_section()
            result.add_row("mean of clips", *(_number(key, self.mean[key]) for key in self.definitions), "")
        return Group(Text(f"{', '.join(self.definitions.values())}; lower is better{only}"), result)


def score(
    paths: Sequence[str | os.PathLike[str]],
    metrics: Sequence[str] = ("piqe",),
    *,
    brisque_model: str | os.PathLike[str] | None = None,
    niqe_model: str | os.PathLike[str] | None = None,
    rainy: str | os.PathLike[str] | None = None,
    mask: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    quiet: bool = False,
) -> Scores:
    """Score videos, folders and pictures that have no clean reference.

    Args:
        paths: Videos, pictures and folders of pictures, which may differ in size. A folder without pictures is
            replaced by the folders below it that contain some; each is a clip.
        metrics: Names in :data:`METRICS`.
        brisque_model: BRISQUE's model; see :func:`restill.evaluation.metrics.brisque_model.load_brisque_model`.
        niqe_model: The file of NIQE's model; see :func:`restill.evaluation.metrics.niqe.load_niqe_model`.
        rainy: For "rain-left" and "detail-lost": the input clip, of a static camera, that the clips were restored from.
        mask: For the same: a picture, white where pixels count; all by default.
        limit: Score only this many frames from the start of each clip.
        quiet: Show no progress.

    Returns:
        The scores of each clip and their mean.

    Raises:
        RestillError: If a name or a file is wrong, or a picture is too small.
    """
    if limit is not None and limit < 1:
        raise RestillError(f"limit must be 1 frame or more, not {limit}")
    if not paths:
        raise RestillError("there is nothing to score; give videos, folders of pictures or pictures")
    ground = _ground(rainy, mask, limit) if {*metrics} & STATIC.keys() else None
    measures, definitions = _measures(metrics, {"brisque": brisque_model, "niqe": niqe_model}, ground)
    clips = [clip for path in paths for clip in _find_clips(Path(path))]
    lengths = {clip: _length(clip) for clip in clips}  # fail on missing files before the work starts
    scores = Scores(definitions, {}, limit)
    for path, length in lengths.items():
        total = length if limit is None or length is None else min(length, limit)
        rows: list[list[float]] = []
        with track(path.name, total, "frames", quiet=quiet) as advance:
            for frame in _frames(path):
                rows.append(_score(path, frame, measures))
                advance()
                if len(rows) == limit:
                    break
        if not rows:
            raise RestillError(f"'{path}' has no frames to score")
        scores.clips[str(path)] = _mean(rows, list(definitions))
    return scores


def _ground(rainy: str | os.PathLike[str] | None, mask: str | os.PathLike[str] | None, limit: int | None) -> Background:
    if rainy is None:
        raise RestillError(f"{' and '.join(STATIC)} compare with the rainy input; name it (--input)")
    if mask is not None and not Path(mask).is_file():
        raise RestillError(f"'{mask}' is no file; a mask is a picture, white where pixels count")
    return static_background(Path(rainy), None if mask is None else Path(mask), limit)


Measure = Callable[[np.ndarray], float]


def _measures(
    metrics: Sequence[str], models: dict[str, str | os.PathLike[str] | None], ground: Background | None
) -> tuple[list[Measure], dict[str, str]]:
    """The function of each metric, and the definitions."""
    found: dict[str, tuple[Measure, str]] = {}
    for name in metrics:
        if name not in METRICS:
            raise RestillError(f"metric '{name}' is not known; those without a clean side are: {', '.join(METRICS)}")
        if ground is not None and name in STATIC:
            found[name] = ground.rain_left if name == "rain-left" else ground.detail_lost, STATIC[name]
        else:
            found[name] = (piqe, "PIQE (as MATLAB's piqe)") if name == "piqe" else _trained(name, models[name])
    if not found:
        raise RestillError(f"no metric is named; those without a clean side are: {', '.join(METRICS)}")
    return [measure for measure, _ in found.values()], {name: words for name, (_, words) in found.items()}


def _trained(name: str, path: str | os.PathLike[str] | None) -> tuple[Measure, str]:
    """The function and the definition of BRISQUE or NIQE with its model."""
    if path is None:
        sources = BRISQUE_SOURCES if name == "brisque" else NIQE_SOURCES
        raise RestillError(f"{name} needs its trained model, which does not come with Restill; give {sources}")
    if name == "brisque":
        model = load_brisque_model(path)
        return functools.partial(brisque, model=model), f"BRISQUE ({model})"
    pristine = load_niqe_model(path)
    return functools.partial(niqe, model=pristine), str(pristine)


def _number(metric: str, value: float) -> str:
    return f"{value:.4f}" if metric in STATIC else f"{value:.2f}"


def _find_clips(path: Path) -> list[Path]:
    """The path itself; for a folder without pictures, the folders below it that contain pictures."""
    if not path.is_dir():
        return [path]
    found = [file.relative_to(path) for file in path.rglob("*") if is_picture(file)]
    folders = {file.parent for file in found if not any(part.startswith(".") for part in file.parts)}
    return [path] if Path() in folders or not folders else sorted(path / folder for folder in folders)


def _length(path: Path) -> int | None:
    return len(list_pictures(path)) if path.is_dir() else probe(path).expected_frames


def _frames(path: Path) -> Iterator[np.ndarray]:
    """(H, W, 3) RGB uint8."""
    frames = (read_picture(file) for file in list_pictures(path)) if path.is_dir() else read_frames(path)
    for frame in frames:
        yield to_8_bits(frame)


def _score(path: Path, frame: np.ndarray, measures: list[Measure]) -> list[float]:
    try:
        return [measure(frame) for measure in measures]
    except RestillError as error:
        raise RestillError(f"'{path}': {error}") from error


def _mean(rows: list[list[float]], names: list[str]) -> dict[str, float]:
    values = np.array(rows)  # (frames, metrics)
    flat = np.isnan(values)
    counted = len(rows) - flat.sum(axis=0)
    means = [float(values[~flat[:, i], i].mean()) if counted[i] else float("nan") for i in range(len(names))]
    return {**dict(zip(names, means, strict=True)), "frames": len(rows), "flat": int(flat.any(axis=1).sum())}
