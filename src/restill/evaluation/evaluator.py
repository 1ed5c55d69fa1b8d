"""The verdict over a data set: a model, a protocol, a number for each clip. Frames stream; memory stays flat."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restill.datasets import open_paired
from restill.errors import RestillError
from restill.evaluation.metrics.temporal import Consistency
from restill.evaluation.models import open_model, open_module
from restill.evaluation.overlap import OverlapCheck
from restill.evaluation.protocols import Protocol, default_protocol
from restill.evaluation.protocols import protocol as find_protocol
from restill.evaluation.report import Report
from restill.progress import Advance, track
from restill.runtime import Model, stream
from restill.video.pictures import write_picture

if TYPE_CHECKING:
    from torch import nn

    from restill.datasets.paired import PairedClip, PairedSet


def evaluate(
    model: str | os.PathLike[str] | Model | nn.Module,
    dataset: str = "nturain",
    data: str | os.PathLike[str] = ".",
    *,
    split: str = "test",
    clips: Sequence[str] | Path | None = None,
    protocol: str | None = None,
    backend: str = "onnxruntime",
    precision: str | None = None,
    limit: int | None = None,
    temporal: bool = False,
    profiles: str | os.PathLike[str] | None = None,
    options: dict[str, Any] | None = None,
    allow_test_images: bool = False,
    context: int | None = None,
    align: str | None = None,
    picture: int | str | None = None,
    size: Sequence[int] | None = None,
    multiple: int | None = None,
    quiet: bool = False,
) -> Report:
    """Score a model on clips whose clean frames are known.

    Args:
        model: A zoo name, an ``.onnx`` file, a checkpoint (a run's folder or a ``.safetensors`` file), "none" for
            the degraded input itself, a loaded :class:`restill.runtime.Model`, or a PyTorch module.
        dataset: One of :data:`restill.datasets.DATASETS` that brings both sides.
        data: The data set's folder.
        split: Which part of it.
        clips: Names of clips, or the path of a text file with one name per line; None for all of the split.
        protocol: Its name, one of :data:`restill.evaluation.protocols.PROTOCOLS`; None for the data set's own.
        backend: What runs an exported model; a checkpoint always runs in PyTorch.
        precision: Of an exported model: "f32", "bf16" or "int8"; by default that of its file.
        limit: Only the first so many frames of each clip, for a quick look (the report says so).
        temporal: Measure temporal consistency too, on the frames that are scored; see
            :mod:`restill.evaluation.metrics.temporal`.
        profiles: A folder for a picture CLIP.png of each clip's temporal profile; measures, too.
        options: The data set's own, such as ``order``: see :func:`restill.datasets.options_of`.
        allow_test_images: Score a run on pictures that it was trained on.
        context: Of a PyTorch module of your own, as in :func:`restill.export`: frames on either side.
        align: How its frames are aligned: "none" or "dis".
        picture: Which of its outputs is the picture.
        size: (height, width) in pixels, if it takes one size only; smaller frames are padded to it.
        multiple: Heights and widths must be multiples of this; found by trying where it is not given.
        quiet: No progress.

    Returns:
        Scores of each clip and their mean.

    Raises:
        RestillError: A name or a file is wrong, a clip is too short for the protocol, or the run was trained on it.
    """
    own = {"context": context, "align": align, "picture": picture, "size": size, "multiple": multiple}
    if not isinstance(model, str | os.PathLike | Model):
        model = open_module(model, **own)
    elif given := [name for name, value in own.items() if value is not None]:
        raise RestillError(f"{given[0]}= is for a PyTorch module; this model says of itself what it needs")
    chosen = find_protocol(protocol or default_protocol(dataset))
    if limit is not None and limit < 1:
        raise RestillError(f"limit must be 1 frame or more, not {limit}")
    temporal = temporal or profiles is not None
    opened = open_paired(dataset, Path(data), split, clips, options)
    paired = opened.clips
    for clip in paired:
        if clip.clean is None:
            raise RestillError(f"clip '{clip.name}' has no clean frames to compare with")
        scored = chosen.frames(_length(clip, limit), dataset)  # too short is better known before an hour of work
        if temporal and len(scored) < 2:
            raise RestillError(
                f"temporal consistency needs 2 frames or more, but protocol '{chosen.name}' scores {len(scored)} "
                f"of clip '{clip.name}' of {dataset}"
            )
    if profiles is not None:
        _make_folder(Path(profiles))
    loaded = open_model(model, backend, precision)
    name = model.info.name if isinstance(model, Model) else os.fspath(model)
    _check_scale(loaded, name, opened, dataset)
    # a training split may be scored by whoever wants to see how well it is learned
    overlap_check = OverlapCheck(model, allow_test_images) if split != opened.trains else None
    report = Report(name, dataset, chosen, {}, limit, temporal)
    lengths = {clip.name: _length(clip, limit) for clip in paired}
    total = sum(chosen.frames(length, dataset).stop for length in lengths.values())
    with track(f"{name} on {dataset}", total, "frames", quiet=quiet) as advance:
        for clip in paired:
            wanted = chosen.frames(lengths[clip.name], dataset)
            consistency = Consistency(chosen) if temporal else None
            report.clips[clip.name] = _score(
                loaded, clip, lengths[clip.name], wanted, chosen, consistency, overlap_check, advance
            )
            if overlap_check is not None:
                overlap_check.remember()
            if consistency is not None and profiles is not None:
                write_picture(Path(profiles) / f"{clip.name.replace('/', '_')}.png", consistency.picture(name))
    report.trained_on = overlap_check is not None and overlap_check.overlap
    return report


def _check_scale(model: Model | None, name: str, data: PairedSet, dataset: str) -> None:
    scale = 1 if model is None else model.info.scale
    if scale != data.scale:
        raise RestillError(
            f"{name} gives pictures of {scale} times the size of its input, but those of {dataset} are to be "
            f"{data.scale} times as large{'; the input alone is scored by bicubic' if model is None else ''}"
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestillError(f"'{path}' cannot be made a folder for profiles: {error.strerror}") from error


def _length(clip: PairedClip, limit: int | None) -> int:
    return len(clip) if limit is None else min(len(clip), limit)


def _score(
    model: Model | None,
    clip: PairedClip,
    total: int,
    wanted: range,
    rule: Protocol,
    consistency: Consistency | None,
    overlap_check: OverlapCheck | None,
    advance: Advance,
) -> dict[str, float]:
    """Means over the frames that are wanted, and ``frames``, how many those are; the model may look at all."""
    truths: deque[np.ndarray] = deque()  # as many as the model looks ahead

    def degraded() -> Iterator[np.ndarray]:
        for index in range(total):
            rainy, clean = clip.read(index)
            if clean is not None:
                truths.append(clean)
                if overlap_check is not None:
                    overlap_check.add(clip, index, rainy, clean)
            yield rainy

    scores: list[dict[str, float]] = []
    # float32 out of the model: how it becomes 8 bits is the protocol's to say
    outputs = degraded() if model is None else stream(model, degraded(), output=np.float32, guard=False)
    for index, output in zip(range(wanted.stop), outputs, strict=False):  # what comes after is not restored
        truth = truths.popleft()
        if index in wanted:
            picture, truth = rule.cropped(rule.to_8bit(output)), rule.cropped(truth)
            scores.append(rule.compare(picture, truth))
            if consistency is not None:
                consistency.add(picture, truth)
        advance(clip=clip.name)
    means = {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
    return {**means, **(consistency.result() if consistency is not None else {}), "frames": len(scores)}
