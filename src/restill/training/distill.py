"""Distillation from Python: any teacher, any student, any batches."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import nn

from restill.distillation import create_method
from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.progress import say
from restill.training.batches import as_batch
from restill.training.checkpoint import load_network, newest_readable, read_header
from restill.training.contract import name_shared
from restill.training.experiment import feed_from, no_test_pictures
from restill.training.feed import Again, Feed, check_loader
from restill.training.loop import TrainResult, check_run, fit
from restill.training.process import left_as_found, seed_all
from restill.training.recipe import DataPart, Run, describe
from restill.training.settings import seed_of

if TYPE_CHECKING:
    from restill.distillation.places import Places

Network = nn.Module | str | Path
Data = Mapping[str, Any] | Iterable[Any]


@left_as_found()
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
    plan = _plan(folder, steps, {"seed": _seed(folder, resume), **run})
    seed_all(plan.seed)
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
    name_shared(made)
    check_run(made, plan, "restill.distill")
    align, note_pictures, fields = "none", None, {}
    if isinstance(data, Mapping):
        part = _data(data)
        feed, _ = feed_from(part, plan, batch, made)
        note_pictures = no_test_pictures(part, allow=allow_test_images, quiet=quiet)
        align, fields = part.align, {"data": part.model_dump(mode="json"), "batch": batch}
    else:
        again = Again(data, plan.seed)
        check_loader(data, int(os.environ.get("WORLD_SIZE", "1")))
        prepare = partial(as_batch, context=context, clean_context=bool(made.shown_clean))
        feed = Feed(lambda _, place: again.batches(place), prepare, place=lambda: again.place)
    info = {**info, "align": align, "name": plan.name}
    chosen: Any = getattr(made, "options", None)
    settings = {
        "method": made.name,
        "options": chosen.model_dump(mode="json") if chosen is not None else {},
        "context": context,
        "teacher_feature": teacher_feature,
        "student_feature": student_feature,
        "student_head": student_head,
        **fields,
    }
    result = fit(
        made,
        feed,
        plan,
        info,
        folder,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
        on_start=note_pictures,
        settings=settings,
    )
    if result.interrupted:
        _stopped(result)
    return student_net.cpu().eval()


def _stopped(result: TrainResult) -> None:
    """An interrupted run is never given back as if it were done."""
    kept = (
        f"the state is saved in {result.folder}, and resume=True goes on from there"
        if result.folder
        else "nothing is saved, since 'output' is not given"
    )
    text = f"restill.distill was stopped after {result.steps} steps; {kept}"
    if result.signal == signal.SIGTERM:
        raise RestillError(f"{text} (SIGTERM)")
    say(text)
    raise KeyboardInterrupt(text)


def _seed(folder: Path | None, resume: bool) -> int:
    """Where no seed is given: a resumed run's own, else one drawn from PyTorch's generator, as the caller seeded it."""
    done = newest_readable(folder) if folder and resume else None
    written = seed_of(read_header(done).get("settings", "")) if done else None
    return int(torch.randint(2**31, ())) if written is None else written


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
