"""Distillation from Python: any teacher, any student, any batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from restill.distillation import create_method
from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.training.checkpoint import load_network
from restill.training.experiment import feed_from, no_test_pictures
from restill.training.loop import Batch, Feed, check_run, fit
from restill.training.recipe import DataPart, Run, describe

if TYPE_CHECKING:
    from restill.distillation.places import Places

Network = nn.Module | str | Path
Data = Mapping[str, Any] | Iterable[Any]


def distill(
    teacher: Network | None,
    student: Network,
    method: str = "cstd",
    *,
    data: Data,
    steps: int,
    teacher_feature: Places | None = None,
    student_feature: Places | None = None,
    student_head: str | None = None,
    context: int | None = None,
    batch: int = 4,
    options: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    allow_test_images: bool = False,
    quiet: bool = False,
    **run: Any,
) -> nn.Module:
    """Train a student to do what its teacher does.

    Args:
        teacher: Any PyTorch module that maps a window (B, K, C, H, W), RGB in [0, 1], to a picture (B, C, sH, sW);
            or a name of ``restill networks``, or a checkpoint. It is frozen. None for a method that takes none.
        student: The same. It is trained in place.
        method: A name of ``restill methods``.
        data: Batches, again and again until the steps are done: a ``DataLoader`` or any iterable that can be gone
            through more than once. A batch is a dict of ``degraded`` (B, T, C, H, W) and ``clean`` (B, T, C, sH, sW),
            float in [0, 1] or uint8, or a pair of both; without the T axis they are pictures. ``T`` is the frames to
            restore and ``context`` more at either end. Or a dict: the fields of a recipe's ``data``.
        steps: Optimizer steps (batches).
        teacher_feature: Where the method looks in the teacher: a module path ("decoder.3" for what comes out,
            "head:input" for what goes in), a list of them, or a dict from role to either; its spec's if not given.
        student_feature: The same of the student.
        student_head: Path of the module that makes the picture of the student's feature.
        context: Frames on either side of the frame that is restored, of whichever network sees more; by default what
            the networks' specs say, or 0 if neither has one.
        batch: Samples in a batch, where ``data`` is a dict.
        options: The method's own, see its page.
        output: Folder for the log, TensorBoard, checkpoints and the student; nothing is written without it.
        resume: Continue from the newest whole checkpoint in ``output``.
        overwrite: Start anew although ``output`` holds an earlier run.
        allow_test_images: Where ``data`` is a dict: train even on pictures that are known as test pictures.
        quiet: No progress.
        run: Other fields of a recipe: ``seed``, ``weights``, ``optimizer={"lr": 1e-4}``, ``schedule``, ``precision``,
            ``threads``, ``log_every``, ``save_every``, ``validation``.

    Returns:
        The student, in eval mode.

    Raises:
        RestillError: A name, path, option or batch is not right.

    Example:
        >>> import restill  # doctest: +SKIP
        >>> student = restill.distill(  # doctest: +SKIP
        ...     teacher, student, "mse", data=loader, steps=10_000,
        ...     teacher_feature="decoder.3", student_feature="last:input", output="runs/mine",
        ... )
    """
    folder = None if output is None else Path(output)
    plan = _plan(folder, steps, run)
    torch.manual_seed(plan.seed)
    teacher_net = None if teacher is None else _network(teacher, "teacher")[0]
    student_net, info = _network(student, "student")
    if context is None:
        context = _context(teacher_net, student_net)
    made = create_method(
        method,
        teacher_net,
        student_net,
        context,
        teacher_feature=teacher_feature,
        student_feature=student_feature,
        student_head=student_head,
        **(options or {}),
    )
    check_run(made, plan, "restill.distill")
    align, note_pictures = "none", None
    if isinstance(data, Mapping):
        part = _data(data)
        feed, _ = feed_from(part, plan, batch, made)
        note_pictures = no_test_pictures(part, allow=allow_test_images, quiet=quiet)
        align = part.align
    else:
        feed = Feed(lambda start: _again(data), partial(as_batch, context=context))
    info = {**info, "align": align, "name": plan.name}
    fit(made, feed, plan, info, folder, resume=resume, overwrite=overwrite, quiet=quiet, on_start=note_pictures)
    return student_net.cpu().eval()


def as_batch(given: Any, context: int = 0) -> Batch:
    """A batch as methods take it, of what people have.

    Args:
        given: A mapping with ``degraded`` and ``clean``, or a pair of them; (B, T, C, H, W), or pictures (B, C, H, W);
            float in [0, 1] or uint8.
        context: Frames at either end of a clip that are only context.

    Returns:
        ``degraded`` (B, T, C, H, W), ``clean`` (B, T, C, sH, sW) and whatever else was there, float32 in [0, 1].

    Raises:
        RestillError: It is neither, or a shape is not right.
    """
    if isinstance(given, Sequence) and len(given) == 2:
        given = {"degraded": given[0], "clean": given[1]}
    if not isinstance(given, Mapping) or not {"degraded", "clean"} <= given.keys():
        raise RestillError("a batch must be a dict with 'degraded' and 'clean', or a pair (degraded, clean)")
    made = {}
    for name, value in given.items():
        if not isinstance(value, Tensor) or value.dim() not in (4, 5, 6):
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise RestillError(f"a batch's '{name}' must be a tensor (B, T, C, H, W) or (B, C, H, W), not {shape}")
        value = value.float() / 255 if value.dtype == torch.uint8 else value.float()
        made[name] = value.unsqueeze(1) if value.dim() == 4 else value
    if made["degraded"].shape[1] <= 2 * context:
        raise RestillError(
            f"a batch's 'degraded' has {made['degraded'].shape[1]} frames; with {context} frames of context on either "
            f"side it must have at least {2 * context + 1}"
        )
    return made


def _again(data: Iterable[Any]) -> Iterator[Any]:
    """The batches over and over."""
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise RestillError(
                "the data has no more batches; give a DataLoader, or an iterable that can be gone through again"
            )


def _plan(folder: Path | None, steps: int, fields: dict[str, Any]) -> Run:
    place = {} if folder is None else {"output": folder.parent, "name": folder.name}
    try:
        return Run.model_validate({"name": "student", "steps": steps, **fields, **place})
    except ValidationError as error:
        raise RestillError(f"restill.distill: {describe(error, Run)}") from error


def _data(fields: Mapping[str, Any]) -> DataPart:
    try:
        return DataPart.model_validate(dict(fields))
    except ValidationError as error:
        raise RestillError(f"restill.distill: data: {describe(error, DataPart)}") from error


def _network(given: Network, side: str) -> tuple[nn.Module, dict[str, Any]]:
    """A module as it is, a name's fresh network, or a checkpoint's; and what its checkpoints say of it."""
    if isinstance(given, nn.Module):
        return given, {"network": None, "options": {}}
    if str(given) in NETWORKS:
        return create(str(given)), {"network": str(given), "options": {}}
    if not Path(given).exists():
        raise RestillError(
            f"the {side} '{given}' is neither a module, nor a name of `restill networks`, nor a checkpoint"
        )
    return load_network(given)


def _context(*networks: nn.Module | None) -> int:
    """The most frames on either side that a network's spec asks for."""
    specs = [spec for network in networks if (spec := getattr(network, "spec", None)) is not None]
    return max((max(spec.frames_before, spec.frames_after) for spec in specs), default=0)
