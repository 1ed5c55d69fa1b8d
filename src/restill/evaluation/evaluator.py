"""Score a model on a data set under a protocol. Frames are streamed, so memory use does not grow with the clip."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restill.datasets import open_paired
from restill.datasets.benchmarks.foreign import REAL_STATIC
from restill.errors import RestillError
from restill.evaluation.metrics.temporal import Consistency
from restill.evaluation.models import open_model, open_module
from restill.evaluation.overlap import OverlapCheck
from restill.evaluation.pages.evaluated import Album, evaluation_page, show
from restill.evaluation.pages.watch import Watch
from restill.evaluation.protocols import Protocol, default_protocol
from restill.evaluation.protocols import protocol as find_protocol
from restill.evaluation.report import Report
from restill.evaluation.static_clips import score_static
from restill.html.page import check_page, write_page
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
    static: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
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
        dataset: A paired data set of :data:`restill.datasets.DATASETS`.
        data: The data set's folder.
        split: The split to score.
        clips: Names of clips, or the path of a text file with one name per line; None for all of the split.
        protocol: A name in :data:`restill.evaluation.protocols.PROTOCOLS`; None for the data set's default.
        backend: The backend for an exported model; a checkpoint always runs in PyTorch.
        precision: The precision of an exported model: "f32", "bf16" or "int8"; by default that of its file.
        limit: Score only this many frames from the start of each clip; the report says so.
        temporal: Also measure temporal consistency on the scored frames; see
            :mod:`restill.evaluation.metrics.temporal`.
        profiles: A folder for the temporal profile of each clip, CLIP.png; implies ``temporal``.
        static: A folder of clips of a static camera with real rain, to measure rain left over and detail lost; see
            :func:`restill.evaluation.static_clips.score_static`. By default the folder ``real_static`` of the data set
            ``foreign``, if it is there.
        report: A page to write: one HTML file with the scores, PSNR per frame, and pictures of the largest errors.
        options: Options of the data set, such as ``order``; see :func:`restill.datasets.options_of`.
        allow_test_images: Allow scoring a run on pictures that it was trained on.
        context: For your own PyTorch module, as in :func:`restill.export`: input frames on each side.
        align: For a module: how its input frames are aligned (:mod:`restill.alignment`); "none" by default.
        picture: For a module: which of its outputs is the picture.
        size: For a module that takes one size only: (height, width) in pixels; smaller frames are padded to it.
        multiple: For a module: heights and widths must be multiples of this; determined by trial if not given.
        quiet: Show no progress.

    Returns:
        The scores of each clip and their mean.

    Raises:
        RestillError: If a name or a file is wrong, a clip is too short for the protocol, or the model was trained on
            a test picture.
    """
    own = {"context": context, "align": align, "picture": picture, "size": size, "multiple": multiple}
    if not isinstance(model, str | os.PathLike | Model):
        model = open_module(model, **own)
    elif given := [name for name, value in own.items() if value is not None]:
        raise RestillError(f"{given[0]}= is for a PyTorch module; this model file already contains it")
    chosen = find_protocol(protocol or default_protocol(dataset))
    if limit is not None and limit < 1:
        raise RestillError(f"limit must be 1 frame or more, not {limit}")
    temporal = temporal or profiles is not None
    opened = open_paired(dataset, Path(data), split, clips, options)
    paired = opened.clips
    for clip in paired:
        if clip.clean is None:
            raise RestillError(f"clip '{clip.name}' has no clean frames to compare with")
        scored = chosen.frames(_length(clip, limit), dataset)  # fail now if a clip is too short, not after an hour
        if temporal and len(scored) < 2:
            raise RestillError(
                f"temporal consistency needs 2 frames or more, but protocol '{chosen.name}' scores {len(scored)} "
                f"of clip '{clip.name}' of {dataset}"
            )
    if profiles is not None:
        _make_folder(Path(profiles))
    if report is not None:
        check_page(Path(report))
    loaded = open_model(model, backend, precision)
    name = model.info.name if isinstance(model, Model) else os.fspath(model)
    _check_scale(loaded, name, opened, dataset)
    # scoring the training split is allowed: it shows how well the model fits it
    overlap_check = OverlapCheck(model, allow_test_images) if split != opened.trains else None
    album = Album(name) if report is not None else None
    scores = Report(name, dataset, chosen, {}, limit, temporal)
    scores.kinds = {clip.name: kind for clip in paired if (kind := opened.kind_of(clip.name)) is not None}
    lengths = {clip.name: _length(clip, limit) for clip in paired}
    total = sum(chosen.frames(length, dataset).stop for length in lengths.values())
    with track(f"{name} on {dataset}", total, "frames", quiet=quiet) as advance:
        for clip in paired:
            wanted = chosen.frames(lengths[clip.name], dataset)
            consistency = Consistency(chosen) if temporal else None
            watch = album.watch(clip.name, lengths[clip.name]) if album is not None else None
            scores.clips[clip.name] = _score(
                loaded, clip, lengths[clip.name], wanted, chosen, consistency, watch, overlap_check, advance
            )
            if album is not None and watch is not None:
                album.keep(watch)
            if overlap_check is not None:
                overlap_check.remember()
            if consistency is not None and profiles is not None:
                write_picture(Path(profiles) / f"{clip.name.replace('/', '_')}.png", consistency.picture(name))
    if static is None and dataset == "foreign" and (Path(data) / REAL_STATIC).is_dir():
        static = Path(data) / REAL_STATIC
    if static is not None:
        scores.static = score_static(loaded, Path(static), limit, quiet=quiet)
    scores.trained_on = overlap_check is not None and overlap_check.overlap
    if report is not None and album is not None:
        write_page(Path(report), evaluation_page(scores, album))
    return scores


def _check_scale(model: Model | None, name: str, data: PairedSet, dataset: str) -> None:
    scale = 1 if model is None else model.info.scale
    if scale != data.scale:
        raise RestillError(
            f"{name} enlarges its input by a factor of {scale}, but {dataset} needs a factor of {data.scale}"
            f"{'; use the model bicubic to score the input' if model is None else ''}"
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestillError(f"'{path}': cannot create this folder for profiles: {error.strerror}") from error


def _length(clip: PairedClip, limit: int | None) -> int:
    return len(clip) if limit is None else min(len(clip), limit)


def _score(
    model: Model | None,
    clip: PairedClip,
    total: int,
    wanted: range,
    rule: Protocol,
    consistency: Consistency | None,
    watch: Watch | None,
    overlap_check: OverlapCheck | None,
    advance: Advance,
) -> dict[str, float]:
    """Score one clip: means over the ``wanted`` frames, and their number as ``frames``; the model sees all frames."""
    waiting: deque[tuple[np.ndarray, np.ndarray]] = deque()  # degraded and clean frames before the model's output

    def degraded() -> Iterator[np.ndarray]:
        for index in range(total):
            rainy, clean = clip.read(index)
            if clean is not None:
                waiting.append((rainy, clean))
                if overlap_check is not None:
                    overlap_check.add(clip, index, rainy, clean)
            yield rainy

    scores: list[dict[str, float]] = []
    # the model returns float32: the protocol decides how it is quantized to 8 bits
    outputs = degraded() if model is None else stream(model, degraded(), output=np.float32, guard=False)
    for index, output in zip(range(wanted.stop), outputs, strict=False):  # later frames are not restored
        rainy, truth = waiting.popleft()
        if index in wanted:
            picture, truth = rule.cropped(rule.to_8bit(output)), rule.cropped(truth)
            scores.append(rule.compare(picture, truth))
            if consistency is not None:
                consistency.add(picture, truth)
            if watch is not None:
                show(watch, index, rule, rainy, picture, truth)
        advance(clip=clip.name)
    means = {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
    return {**means, **(consistency.result() if consistency is not None else {}), "frames": len(scores)}
