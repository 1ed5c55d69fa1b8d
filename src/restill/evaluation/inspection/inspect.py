"""Compare models on a clip: crops, error maps, temporal profiles, feature and attention maps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from restill.errors import RestillError
from restill.evaluation.files import read_clip
from restill.evaluation.inspection.figures import View, draw
from restill.evaluation.inspection.page import check_folder, write_folder
from restill.evaluation.inspection.pictures import Region, parse_region, temporal_profile
from restill.evaluation.metrics.psnr_ssim import psnr
from restill.evaluation.models import Checkpoint, check_clean_size, one_scale, open_model
from restill.progress import Advance, track
from restill.runtime import Model, stream
from restill.video import probe

if TYPE_CHECKING:
    from restill.evaluation.inspection.feature_maps import Look

INPUT, CLEAN = "input", "clean"
PSNR = "PSNR of this frame: RGB, 8 bits by rounding"


@dataclass(frozen=True)
class Plan:
    """The settings of a comparison.

    Attributes:
        clip: The degraded clip.
        clean: The clean clip, if it is given.
        size: (H, W) of the clip.
        scale: Output size over input size, the same for every model.
        frame: The frame to show; the first is 0.
        row: The row of the output for temporal profiles.
        region: The region of the output to enlarge.
        limit: Read only this many frames; None for all.
        total: The number of frames to read, if known in advance.
    """

    clip: Path
    clean: Path | None
    size: tuple[int, int]
    scale: int
    frame: int
    row: int
    region: Region
    limit: int | None
    total: int | None

    @property
    def shown(self) -> tuple[int, int]:
        """(H, W) of the outputs."""
        return self.scale * self.size[0], self.scale * self.size[1]


def inspect(
    clip: str | os.PathLike[str],
    models: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    clean: str | os.PathLike[str] | None = None,
    frame: int | None = None,
    region: Region | str | None = None,
    row: int | None = None,
    features: Sequence[str] = (),
    limit: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write pictures of models' outputs on a clip, a page that shows them, and a JSON file that lists them.

    Args:
        clip: A degraded video, folder of frames or picture.
        models: Zoo names, ``.onnx`` files, checkpoints (a run's folder or a ``.safetensors`` file). Only checkpoints
            have feature and attention maps.
        output: The folder to write; missing parents are created.
        clean: The clean clip with the same frames at the size of the models' output, for error maps.
        frame: The frame to show; the first is 0; default: the middle one.
        region: The region to enlarge in pixels of the output, or "x,y,w,h"; default: the middle quarter.
        row: The row of the output for temporal profiles; default: the middle of the region.
        features: Module paths in the checkpoints: one for all, or one for each in order; default: the feature of
            their specs.
        limit: Read only this many frames from the start.
        overwrite: Allow a folder that is not empty.
        quiet: Show no progress.

    Returns:
        The page, ``output/index.html``.

    Raises:
        RestillError: If a name, path, size or number is wrong; then nothing is written.
    """
    output = Path(output)
    check_folder(output, overwrite)
    opened = _open(models)
    plan = _plan(Path(clip), None if clean is None else Path(clean), list(opened.values()), frame, region, row, limit)
    looks = _looks(opened, features)
    views = [_watch_clip(INPUT, plan.clip, plan, quiet)]
    truth = None if plan.clean is None else _watch_clip(CLEAN, plan.clean, plan, quiet)
    if truth is not None and len(truth.profile) != len(views[0].profile):
        raise RestillError(
            f"'{clean}' has {len(truth.profile)} frames and '{clip}' {len(views[0].profile)}; "
            "a clean clip must have the same frames"
        )
    views += [_watch_model(label, model, plan, looks.get(label), quiet) for label, model in opened.items()]
    if truth is not None:
        for view in views:
            view.psnr = psnr(view.picture, truth.picture)
    figures = draw(views, truth, plan.region, plan.row, plan.size)
    shown = [*views, *([truth] if truth else [])]
    about = {
        "clip": str(clip),
        "clean": None if clean is None else str(clean),
        "frame": plan.frame,
        "frames": len(views[0].profile),
        "row": plan.row,
        "region": plan.region._asdict(),
        "psnr": PSNR,
        "shown": [{"label": v.label, "what": v.what, "feature": v.feature, "psnr": v.psnr} for v in shown],
    }
    return write_folder(output, about, figures)


def _open(models: Sequence[str | os.PathLike[str]]) -> dict[str, Model]:
    """Open the models, by the names that were given."""
    opened: dict[str, Model] = {}
    for given in models:
        model = open_model(given)
        if model is None:
            raise RestillError("model 'none' is the input, which is shown in any case; leave it out")
        opened[os.fspath(given)] = model
    if not opened:
        raise RestillError("no model is named; give a name of 'restill models', an .onnx file or a checkpoint")
    return opened


def _plan(
    clip: Path,
    clean: Path | None,
    models: list[Model],
    frame: int | None,
    region: Region | str | None,
    row: int | None,
    limit: int | None,
) -> Plan:
    info = probe(clip)
    scale = one_scale(models)
    height, width = scale * info.height, scale * info.width
    if clean is not None:
        check_clean_size(clean, height, width)
    total = info.expected_frames
    if limit is not None:
        total = limit if total is None else min(limit, total)
    if frame is None:
        frame = (total or 1) // 2
    elif frame < 0:
        raise RestillError(f"frame {frame} is not in '{clip}'; the first is 0")
    region = _region(region, height, width)
    row = region.y + region.h // 2 if row is None else row
    if not 0 <= row < height:
        raise RestillError(f"row {row} is not in a picture of {width}x{height}; its rows are 0 to {height - 1}")
    return Plan(clip, clean, (info.height, info.width), scale, frame, row, region, limit, total)


def _region(given: Region | str | None, height: int, width: int) -> Region:
    if given is None:
        w, h = max(1, width // 4), max(1, height // 4)
        return Region((width - w) // 2, (height - h) // 2, w, h)
    region = parse_region(given) if isinstance(given, str) else given
    if min(region.x, region.y) < 0 or region.x + region.w > width or region.y + region.h > height:
        raise RestillError(f"region {','.join(map(str, region))} leaves the picture of {width}x{height}")
    return region


def _looks(opened: dict[str, Model], features: Sequence[str]) -> dict[str, Look]:
    """The hooks of each checkpoint, by label."""
    checkpoints = {label: model for label, model in opened.items() if isinstance(model, Checkpoint)}
    if features and not checkpoints:
        raise RestillError("a feature is named, but no model is a checkpoint: exported models show no features")
    if not checkpoints:
        return {}  # and PyTorch is not needed
    if len(features) > 1 and len(features) != len(checkpoints):
        raise RestillError(f"{len(features)} features are named for {len(checkpoints)} checkpoints; give one, or each")
    from restill.evaluation.inspection.feature_maps import Look

    paths = [*features] if len(features) > 1 else [*(features or [None])] * len(checkpoints)
    return {label: Look(model, label, path) for (label, model), path in zip(checkpoints.items(), paths, strict=True)}


def _watch_clip(label: str, path: Path, plan: Plan, quiet: bool) -> View:
    """Read the degraded clip, enlarged to the models' output size, or the clean one."""
    frames = read_clip(path, plan.limit)
    if label == INPUT and plan.scale > 1:
        frames = (cv2.resize(frame, plan.shown[::-1], interpolation=cv2.INTER_CUBIC) for frame in frames)
    with track(path.name, plan.total, "frames", quiet=quiet) as advance:
        return _watched(View(label, path.name), frames, plan, advance)


def _watch_model(label: str, model: Model, plan: Plan, look: Look | None, quiet: bool) -> View:
    outputs = stream(model, read_clip(plan.clip, plan.limit), guard=False)
    view = View(label, f"{model.info.network}, {model.backend}", None if look is None else look.path)
    with track(label, plan.total, "frames", quiet=quiet) as advance, nullcontext() if look is None else look.tap:
        return _watched(view, outputs, plan, advance, look)


def _watched(view: View, frames: Iterator[np.ndarray], plan: Plan, advance: Advance, look: Look | None = None) -> View:
    """Read a clip once and keep what the figures show."""
    found: list[np.ndarray] = []

    def passing() -> Iterator[np.ndarray]:
        for number, frame in enumerate(frames):
            if number == plan.frame:
                found.append(frame.copy())
                view.maps = {} if look is None else look.maps(plan.size)  # the hook still holds this frame's feature
            advance()
            yield frame

    view.profile = temporal_profile(passing(), plan.row)
    if not found:
        raise RestillError(
            f"frame {plan.frame} is not among the {len(view.profile)} frames of '{view.what}' that are read; "
            "the first is 0"
        )
    (view.picture,) = found
    return view
