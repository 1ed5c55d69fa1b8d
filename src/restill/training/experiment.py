"""From a recipe to a trained student: networks, method, data, then the loop."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch

from restill.datasets.clips import to_float
from restill.distillation import create_method
from restill.distillation.method import Method
from restill.distillation.windows import centre_targets
from restill.errors import RestillError
from restill.networks import NetworkSpec, create
from restill.networks.blocks.spynet import WEIGHTS, SPyNet, load_spynet, save_spynet, spynet_windows
from restill.training.batches import Batch
from restill.training.budget import in_steps
from restill.training.checkpoint import load_network
from restill.training.contract import name_shared
from restill.training.feed import Feed
from restill.training.loop import TrainResult, check_run, fit
from restill.training.process import left_as_found, seed_all
from restill.training.recipe import DataPart, NetworkPart, Recipe, Run, load_recipe
from restill.training.samples import held_out_samples, loader, no_test_pictures, without_damaged


@left_as_found()
def train(
    recipe: Recipe | str | Path,
    overrides: list[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_test_images: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Pre-train or distil a student.

    Args:
        recipe: A :class:`Recipe` or the path of one.
        overrides: ``a.b=c``, applied to a recipe that is read from a path.
        resume: Continue from the newest whole checkpoint in the run's folder; from the start if there is none.
        overwrite: Start anew although the run's folder holds an earlier run, which is lost.
        allow_test_images: Train even on pictures that are known as test pictures.
        quiet: No progress.

    Returns:
        The run's folder, how far it came, the last losses and the last validation PSNR.

    Raises:
        RestillError: Something in the recipe is wrong; or a run is there already; or a loss is not finite; or a test
            picture is among those to train on.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    if recipe.data.damaged == "skip":
        recipe = recipe.model_copy(update={"data": without_damaged(recipe.data, quiet)})
    recipe = in_steps(recipe)
    seed_all(recipe.seed)
    method, info = build(recipe)
    feed, aligner = feed_from(recipe.data, recipe, recipe.batch, method)
    note_pictures = no_test_pictures(recipe.data, allow=allow_test_images, quiet=quiet)

    def start(folder: Path) -> None:
        note_pictures(folder)
        if aligner is not None:
            save_spynet(aligner, folder / WEIGHTS)

    return fit(
        method,
        feed,
        recipe,
        info,
        recipe.folder,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
        on_start=start,
    )


def build(recipe: Recipe) -> tuple[Method, dict[str, Any]]:
    """The method a recipe asks for, with its networks, and what the student's checkpoints say of themselves."""
    student, info = _network(recipe.student)
    teacher = _network(recipe.teacher)[0] if recipe.teacher else None
    specs: list[NetworkSpec] = [n.spec for n in (student, teacher) if n is not None]  # type: ignore[misc]
    context = max(max(s.frames_before, s.frames_after) for s in specs)
    method = create_method(
        recipe.method or "plain",
        teacher,
        student,
        context,
        teacher_feature=recipe.teacher_feature,
        student_feature=recipe.student_feature,
        student_head=recipe.student_head,
        **recipe.options,
    )
    name_shared(method)
    check_run(method, recipe, f"recipe {recipe.name}")
    return method, {**info, "align": recipe.data.align, "name": recipe.name}


def feed_from(data: DataPart, run: Run, batch: int, method: Method) -> tuple[Feed, SPyNet | None]:
    """The batches of a data set, as a recipe describes them, and SPyNet where it aligns them."""
    context = method.context
    aligner = load_spynet(data.aligner) if data.align == "spynet" and data.aligner else None

    def prepare(sample: Batch) -> Batch:
        return _aligned(aligner, to_float(sample), context)

    held_out = [prepare(sample) for sample in held_out_samples(data, run, context)]
    return Feed(
        lambda start, _: loader(data, run, batch, context, start),
        prepare,
        partial(validate, method, held_out) if held_out else None,
    ), aligner


@torch.no_grad()
def validate(method: Method, batches: list[Batch], device: torch.device, *, teacher: bool = False) -> float:
    """Mean RGB PSNR (dB) of the student on fixed crops of held-out clips, outputs clamped, not rounded.

    Args:
        method: Owns the networks; it is on the device.
        batches: The crops.
        device: Where.
        teacher: Of the teacher instead, which has to be there.
    """
    network: Any = method.teacher if teacher else method.student
    shown = method.shown_to_teacher if teacher else method.shown
    network.eval()
    values = []
    for batch in batches:
        batch = {key: value.to(device) for key, value in batch.items()}
        clean = centre_targets(batch, method.context).flatten(0, 1)  # (L, C, sH, sW)
        pictures = network(shown(batch))[..., : clean.shape[-2], : clean.shape[-1]]
        error = (pictures.clamp(0, 1) - clean).square()
        values += [-10 * math.log10(max(float(mse), 1e-10)) for mse in error.mean(dim=(1, 2, 3))]
    network.train(not teacher)  # a teacher is always in eval mode
    return sum(values) / len(values)


def _network(part: NetworkPart) -> tuple[torch.nn.Module, dict[str, Any]]:
    if part.checkpoint is None:
        assert part.network is not None  # noqa: S101 - NetworkPart has checked it
        return create(part.network, **part.options), {"network": part.network, "options": part.options}
    network, info = load_network(part.checkpoint)
    if part.network not in (None, info["network"]):
        raise RestillError(
            f"{part.checkpoint}: holds network '{info['network']}', not '{part.network}' as the recipe says"
        )
    return network, {"network": info["network"], "options": info["options"]}


def _aligned(aligner: SPyNet | None, batch: Batch, context: int) -> Batch:
    """The batch, with ``windows`` (B, L, K, 3, H, W) where there is an aligner to make them."""
    if aligner is None:
        return batch
    aligner.to(batch["degraded"].device)
    return {**batch, "windows": spynet_windows(aligner, batch["degraded"], context)}
