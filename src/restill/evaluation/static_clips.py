"""Score a model on real rain before a static camera: rain left over and detail lost. Frames are streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from restill.datasets.files import find_clips
from restill.errors import RestillError
from restill.evaluation.files import read_clip
from restill.evaluation.metrics.static_camera import Background, background
from restill.progress import track
from restill.runtime import Model, stream
from restill.video.pictures import read_picture, to_8_bits

MASKS = "masks"  # MASKS/NAME.png: white where pixels of clip NAME count
MEANING = (
    "real-static: percent of the pixels that stand still in the input and are more than 15 levels brighter (rain left "
    "over) or darker (detail lost) than the input's temporal median"
)
Row = dict[str, float]


def score_static(model: Model | None, folder: Path, limit: int | None = None, *, quiet: bool = False) -> dict[str, Row]:
    """Restore each clip of a folder and compare it with the temporal median of its input.

    Args:
        model: The model; None for the input itself.
        folder: Clips as videos or folders of frames, and optionally masks/NAME.png.
        limit: Use only this many frames from the start of each clip.
        quiet: Show no progress.

    Returns:
        By clip: ``rain_left``, ``rain_left_input``, ``detail_lost``, ``detail_lost_input`` and ``still`` (the share of
        pixels that count), all in percent, and ``frames``.

    Raises:
        RestillError: If there is no clip, or one cannot be used.
    """
    clips = {name: path for name, path in find_clips(folder).items() if name != MASKS}
    rows = {}
    with track("real-static", len(clips), "clips", quiet=quiet) as advance:
        for name, path in clips.items():
            ground = static_background(path, folder / MASKS / f"{name}.png", limit)
            inputs = _means(ground, read_clip(path, limit))
            outputs = inputs if model is None else _means(ground, _restored(model, path, limit))
            rows[name] = {
                "rain_left": outputs[0],
                "rain_left_input": inputs[0],
                "detail_lost": outputs[1],
                "detail_lost_input": inputs[1],
                "still": float(100 * ground.still.mean()),
                "frames": outputs[2],
            }
            advance()
    return rows


def static_background(path: Path, mask: Path | None = None, limit: int | None = None) -> Background:
    """Find what stands still in a clip; see :func:`restill.evaluation.metrics.static_camera.background`.

    Args:
        path: A video or a folder of frames.
        mask: A picture, white where pixels may count; it may be missing.
        limit: Use only this many frames from the start.
    """
    allowed = to_8_bits(read_picture(mask)).min(axis=2) > 127 if mask is not None and mask.exists() else None
    try:
        return background(read_clip(path, limit), allowed)
    except RestillError as error:
        raise RestillError(f"'{path}': {error}") from error


def static_table(rows: dict[str, Row]) -> Table:
    """A row per clip, and their mean if there are several."""
    result = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    result.add_column("clip", no_wrap=True)
    for heading in ("rain left (%)", "of input", "detail lost (%)", "of input", "still (%)", "frames"):
        result.add_column(heading, justify="right")
    shown = list(rows.items())
    if len(shown) > 1:
        shown.append(("mean of clips", static_mean(rows)))
    for name, row in shown:
        values = [f"{row[key]:.1f}" if key == "still" else f"{row[key]:.4f}" for key in row if key != "frames"]
        result.add_row(name, *values, str(row.get("frames", "")))
    return result


def static_mean(rows: dict[str, Row]) -> Row:
    """The mean over clips."""
    keys = [key for key in next(iter(rows.values())) if key != "frames"]
    return {key: float(np.mean([row[key] for row in rows.values()])) for key in keys}


def _restored(model: Model, path: Path, limit: int | None) -> Iterator[np.ndarray]:
    return stream(model, read_clip(path, limit), guard=False)


def _means(ground: Background, frames: Iterator[np.ndarray]) -> tuple[float, float, int]:
    """The mean of both shares over frames, and the number of frames."""
    values = np.array([(ground.rain_left(frame), ground.detail_lost(frame)) for frame in frames])  # (T, 2)
    bright, dark = values.mean(axis=0)
    return float(bright), float(dark), len(values)
