"""Distillation from Python, with any teacher, student and batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from restill.distillation import create_method
from restill.errors import RestillError
from restill.networks import NETWORKS, NetworkSpec, create
from restill.networks.adapter import Adapter, Picture, adapt, class_name
from restill.training.batches import as_batch
from restill.training.checkpoint import check_saves, load_network, newest_readable, read_header
from restill.training.contract import report_shared_weights
from restill.training.feed import Feed, Place, RepeatedBatches, check_loader
from restill.training.loop import check_run, fit
from restill.training.process import random_state, restore_global_state, seed_all, set_random_state
from restill.training.recipe import DataPart, Run, describe
from restill.training.recipe_feed import feed_from, with_held_out
from restill.training.samples import check_test_pictures, first_sample
from restill.training.settings import seed_of
from restill.training.signals import raise_stopped

if TYPE_CHECKING:
    from restill.distillation.feature_paths import FeaturePaths
    from restill.distillation.method import Method

Network = nn.Module | str | Path
Data = Mapping[str, Any] | Iterable[Any]


@restore_global_state()
def distill(
    teacher: Network | None,
    student: Network,
    method: str | type[Method] = "cstd",
    *,
    data: Data,
    steps: int,
    teacher_feature: FeaturePaths | None = None,
    student_feature: FeaturePaths | None = None,
    student_head: str | None = None,
    teacher_picture: Picture | None = None,
    student_picture: Picture | None = None,
    context: int | None = None,
    validation: Mapping[str, Any] | Iterable[Any] | None = None,
    batch: int = 4,
    options: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    allow_test_images: bool = False,
    quiet: bool = False,
    **run: Any,
) -> nn.Module:
    """Distil a teacher into a student.

    Under torchrun, give every process the same data in the same order; each takes its rows of every batch. All global
    state (random generators, threads, PyTorch's switches) is restored at the end.

    Args:
        teacher: Any PyTorch module that maps a picture (B, C, H, W) or a window of frames (B, K, C, H, W), values in
            [0, 1], to a picture (B, C, sH, sW), a clip, or a list or dict of them; or a name from ``restill networks``,
            or a checkpoint. It is frozen. None for a method without a teacher.
        student: The same. It is trained in place.
        method: A name from ``restill methods``, or your own class: a subclass of
            :class:`restill.distillation.paired.Paired`.
        data: Batches, repeated until the steps are done: a ``DataLoader`` or any iterable that can be iterated more
            than once. A batch is a dict of ``degraded`` (B, T, C, H, W) and ``clean`` (B, T, C, sH, sW),
            float in [0, 1] or uint8, or a pair of both; without the T axis they are pictures. ``T`` counts the
            frames to restore and ``context`` more at either end. If the dicts also have ``unlabeled``
            (B', T, C, H, W), the student learns the teacher's pictures of these clips, with the loss ``unlabeled``.
            Or a dict: the fields of a recipe's ``data``.
        steps: Optimizer steps (batches).
        teacher_feature: The teacher's features to distil: a module path ("decoder.3" for a module's output,
            "head:input" for its input), a list of paths, or a dict from role to either; by default from its spec.
        student_feature: The same for the student.
        student_head: Path of the module that turns the student's feature into the picture.
        teacher_picture: Index or key of the teacher's picture, if it has several outputs; by default the first of the
            largest.
        student_picture: The same for the student.
        context: Frames on either side of the restored frame, for the network that takes more; by default from the
            networks' specs, or 0 if neither has one.
        validation: Your own batches to validate the student on, in the form of ``data``; or a dict of ``batches`` and
            ``every`` (steps). If ``data`` is a dict with ``held_out`` clips: ``every`` and ``samples``. The mean PSNR
            is logged as ``validation_psnr_rgb_crops``: RGB, clipped to [0, 1], not rounded.
        batch: Samples in a batch, if ``data`` is a dict.
        options: Options of the method; see its page.
        output: Folder for the log, TensorBoard, checkpoints and the student; without it nothing is written.
        resume: Continue from the newest complete checkpoint in ``output``; batches that were done are skipped. The
            settings must be the same, except ``steps`` and how often to log and save.
        overwrite: Replace an earlier run in ``output``.
        allow_test_images: Train even on known test pictures, if ``data`` is a dict.
        quiet: Show no progress.
        run: Other fields of a recipe: ``seed`` (drawn from PyTorch's generator if not given), ``weights``,
            ``optimizer={"lr": 1e-4}``, ``schedule``, ``precision``, ``threads``, ``log_every``, ``save_every``.

    Returns:
        The student, in eval mode.

    Raises:
        RestillError: A name, path, option or batch is wrong; a network's picture does not fit the clean one; a
            loss gives the student no gradient; a value is not finite; or after SIGTERM, when the state is saved.
        KeyboardInterrupt: After Ctrl-C, when the state is saved.

    Example:
        >>> import restill  # doctest: +SKIP
        >>> student = restill.distill(  # doctest: +SKIP
        ...     teacher, student, "mse", data=loader, steps=10_000,
        ...     teacher_feature="decoder.3", student_feature="last:input", output="runs/mine",
        ... )
    """
    folder = None if output is None else Path(output)
    every, held_out = _validation(validation)
    plan = _plan(folder, steps, {"seed": _seed(folder, resume), **run, **every})
    seed_all(plan.seed)
    teacher_net = None if teacher is None else _network(teacher, "teacher")[0]
    student_net, info = _network(student, "student")
    if context is None:
        context = _context(teacher_net, student_net)
    part, again = _data(data) if isinstance(data, Mapping) else None, None
    if part is not None:
        example, unlabeled = first_sample(part, plan, context), part.unlabeled is not None  # (1, T, C, H, W)
    else:
        first, again = _first(data, plan.seed)
        checked = as_batch(first, context, clean_context=False)
        example, unlabeled = checked["degraded"], "unlabeled" in checked  # (B, T, C, H, W)
    pictures = {"teacher": teacher_picture, "student": student_picture}
    nets = [
        None if net is None else _fitted(net, role, context, pictures[role], example)
        for net, role in ((teacher_net, "teacher"), (student_net, "student"))
    ]
    made = create_method(
        method,
        nets[0],
        nets[1],  # type: ignore[arg-type]
        context,
        teacher_feature=teacher_feature,
        student_feature=student_feature,
        student_head=student_head,
        unlabeled=unlabeled,
        **(options or {}),
    )
    report_shared_weights(made)
    check_run(made, plan, "restill.distill")
    align, record_pictures, fields = "none", None, {}
    if part is not None:
        feed, _ = feed_from(part, plan, batch, made)
        record_pictures = check_test_pictures(part, allow=allow_test_images, quiet=quiet)
        align, fields = part.align, {"data": part.model_dump(mode="json"), "batch": batch}
    else:
        prepare = partial(as_batch, context=context, clean_context=bool(made.shown_clean))
        own: Any = again
        feed = Feed(lambda _, place: own.batches(place), prepare, place=lambda: own.place)
    if held_out is not None:
        crops = [as_batch(given, context, clean_context=bool(made.shown_clean)) for given in held_out]
        feed = with_held_out(feed, made, crops)
    info = {**info, "align": align, "name": plan.name}
    if info["network"] is None:
        info |= {"class": class_name(student_net), "context": context, "picture": student_picture}
    if folder is not None:
        check_saves(made, made.student)
    chosen: Any = getattr(made, "options", None)
    settings = {
        "method": made.name,
        "options": chosen.model_dump(mode="json") if chosen is not None else {},
        "context": context,
        "teacher_feature": teacher_feature,
        "student_feature": student_feature,
        "student_head": student_head,
        "teacher_picture": teacher_picture,
        "student_picture": student_picture,
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
        on_start=record_pictures,
        settings=settings,
    )
    if result.interrupted:
        raise_stopped(result.signal, result.steps, result.folder)
    return student_net.cpu().eval()


def _seed(folder: Path | None, resume: bool) -> int:
    """The default seed: that of the run to resume, otherwise one drawn from PyTorch's generator."""
    done = newest_readable(folder) if folder and resume else None
    written = seed_of(read_header(done).get("settings", "")) if done else None
    return int(torch.randint(2**31, ())) if written is None else written


def _first(data: Any, seed: int) -> tuple[Any, RepeatedBatches]:
    """The first batch, and all batches; the random state does not change."""
    try:
        iterator = iter(data)
    except TypeError as error:
        raise RestillError(
            f"data must be batches (a DataLoader or a list of them) or a dict of a recipe's fields, not {data!r:.80}"
        ) from error
    check_loader(data, int(os.environ.get("WORLD_SIZE", "1")))
    again, state = RepeatedBatches(data, seed), random_state()
    batches: Any = again.batches(Place())
    first = next(batches)
    batches.close()
    set_random_state(state)
    # an iterator gives each batch only once
    return first, RepeatedBatches(chain([first], iterator), seed) if iterator is data else again


def _fitted(network: nn.Module, role: str, context: int, picture: Picture | None, example: Tensor) -> nn.Module:
    """Give the network Restill's interface, and try it on windows of the first batch's size."""
    net = adapt(network, role, context, picture)
    if role == "student" and any(p.dtype == torch.float16 for p in net.parameters()):
        raise RestillError(
            f"the student {class_name(net)} is in float16, which Adam cannot train; give student.float(), with "
            "precision='bf16' for speed"
        )
    if isinstance(net, Adapter):
        net.fit(example[:, : 2 * context + 1])
    elif example.shape[2] != 3:
        raise RestillError(f"the {role} {class_name(net)} takes RGB, but the batches have {example.shape[2]} channels")
    return net


def _validation(given: Any) -> tuple[dict[str, Any], Iterable[Any] | None]:
    """Split into the fields of a recipe's ``validation`` and the user's batches."""
    if given is None:
        return {}, None
    if isinstance(given, Mapping) and "degraded" not in given:
        fields = dict(given)
        return {"validation": fields}, fields.pop("batches", None)
    return {}, [given] if isinstance(given, Mapping) else given


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
    """A module, a new network by name, or a checkpoint's network; with the header for its checkpoints."""
    if not isinstance(given, str | Path):
        adapt(given, side)  # raises if it is not a module
        return given, {"network": _registered(given), "options": {}}
    if str(given) in NETWORKS:
        return create(str(given)), {"network": str(given), "options": {}}
    if not Path(given).exists():
        raise RestillError(
            f"the {side} '{given}' is neither a module, nor a name of `restill networks`, nor a checkpoint"
        )
    return load_network(given)


def _registered(network: nn.Module) -> str | None:
    """The name of one of Restill's networks with default options; None for any other."""
    code = f"{type(network).__module__}:{type(network).__name__}"
    for name in (name for name, place in NETWORKS.items() if place == code):
        with torch.device("meta"):
            usual = create(name).state_dict()
        own = network.state_dict()
        if {key: value.shape for key, value in usual.items()} == {key: value.shape for key, value in own.items()}:
            return name
    return None


def _context(*networks: nn.Module | None) -> int:
    """The largest number of frames on either side in the networks' specs."""
    specs = [spec for network in networks if isinstance(spec := getattr(network, "spec", None), NetworkSpec)]
    return max((max(spec.frames_before, spec.frames_after) for spec in specs), default=0)
