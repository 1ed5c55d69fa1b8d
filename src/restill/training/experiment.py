"""From a recipe to a trained student, one way, without steps back::

    YAML file, --set     recipe.py        load_recipe: read, merge with `base`, validate
      -> Recipe          samples.py       leave_out_damaged: clips with unreadable pictures go, if the recipe says so
      -> Recipe          budget.py        in_steps: epochs become optimizer steps
      -> Method          experiment.py    build: student, teacher and the distillation method that holds them
      -> Feed            recipe_feed.py   feed_from: training batches, and validation on held-out clips
      -> TrainResult     loop.py          fit: steps, log, checkpoints, student.safetensors

:func:`train` makes these calls in this order. ``restill.distill`` (distill.py) starts from Python objects instead of a
recipe and joins at ``fit``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from restill.distillation import create_method
from restill.distillation.method import Method
from restill.errors import RestillError
from restill.networks import NetworkSpec, create
from restill.networks.blocks.spynet import WEIGHTS, save_spynet
from restill.training.budget import in_steps
from restill.training.checkpoint import load_network
from restill.training.contract import report_shared_weights
from restill.training.loop import TrainResult, check_run, fit
from restill.training.process import restore_global_state, seed_all
from restill.training.recipe import NetworkPart, Recipe, load_recipe
from restill.training.recipe_feed import feed_from
from restill.training.samples import check_test_pictures, leave_out_damaged


@restore_global_state()
def train(
    recipe: Recipe | str | Path,
    overrides: list[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_test_images: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Pre-train or distil a student from a recipe.

    Args:
        recipe: A :class:`Recipe` or its path.
        overrides: ``a.b=c``, applied to a recipe that is read from a path.
        resume: Continue from the newest complete checkpoint in the run's folder; from the start if there is none.
        overwrite: Replace an earlier run in the folder.
        allow_test_images: Train even on known test pictures.
        quiet: Show no progress.

    Returns:
        The folder, the steps done, the last losses and the last validation PSNR.

    Raises:
        RestillError: The recipe is wrong, the folder holds a run already, a loss is not finite, or a training picture
            is a test picture.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    if recipe.data.damaged == "skip":
        recipe = recipe.model_copy(update={"data": leave_out_damaged(recipe.data, quiet)})
    recipe = in_steps(recipe)
    seed_all(recipe.seed)
    method, info = build(recipe)
    feed, aligner = feed_from(recipe.data, recipe, recipe.batch, method)
    record_pictures = check_test_pictures(recipe.data, allow=allow_test_images, quiet=quiet)

    def start(folder: Path) -> None:
        record_pictures(folder)
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
    """Build a recipe's method with its networks; also returns the header of the student's checkpoints."""
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
        unlabeled=recipe.data.unlabeled is not None,
        **recipe.options,
    )
    report_shared_weights(method)
    check_run(method, recipe, f"recipe {recipe.name}")
    return method, {**info, "align": recipe.data.align, "name": recipe.name}


def _network(part: NetworkPart) -> tuple[torch.nn.Module, dict[str, Any]]:
    if part.checkpoint is None:
        assert part.network is not None  # noqa: S101 - NetworkPart has checked it
        return create(part.network, **part.options), {"network": part.network, "options": part.options}
    network, info = load_network(part.checkpoint)
    if part.network not in (None, info["network"]):
        raise RestillError(
            f"{part.checkpoint}: contains network '{info['network']}', not '{part.network}' as in the recipe"
        )
    return network, {"network": info["network"], "options": info["options"]}
