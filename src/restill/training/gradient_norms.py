"""Which loss of a run compared how hard on its student: why a distillation method helps, or does not.

The run's own method is built again from its folder, at its start or at its newest checkpoint, and shown the run's first
batches; nothing is trained and nothing is written. A gradient is that of weight * loss, the mean over the batches, in
the student's parameters alone: what adapters and cells learn is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from restill.distillation.freeze import frozen_statistics
from restill.distillation.method import Losses, Method
from restill.distillation.sizes import CellSize, FeatureSize, feature_sizes, sides, watch_cells
from restill.errors import RestillError
from restill.training.batches import Batch
from restill.training.checkpoint import checkpoints, load_state
from restill.training.experiment import build
from restill.training.feed import Place
from restill.training.process import restore_global_state, seed_all
from restill.training.recipe import Recipe, load_recipe
from restill.training.recipe_feed import feed_from

At = Literal["start", "end"]
RECONSTRUCTION = "reconstruction"  # what methods call the task's own loss
TOTAL = "total"  # what the loop calls the weighted sum


@dataclass(frozen=True)
class LossGradient:
    """What one loss does to the student.

    Attributes:
        value: The loss, unweighted, mean over the batches.
        weight: What the loop multiplies it by.
        norm: L2 norm of its gradient.
        ratio: ``norm`` over the reconstruction's; None where that is zero or missing.
        step_ratio: The same of the mean norms of single batches: what one step feels.
        cosine: Between its gradient and the reconstruction's: 1 the same way, 0 unrelated, -1 against each other; None
            where either is zero or missing.
        steady: ``norm`` over the mean norm of single batches: 1, every batch compared the same way; with n batches that
            have nothing in common about 1/sqrt(n). None where there is no gradient.
    """

    value: float
    weight: float
    norm: float
    ratio: float | None
    step_ratio: float | None
    cosine: float | None
    steady: float | None


@dataclass(frozen=True)
class GradientNorms:
    """The answer for one run.

    Attributes:
        name: The run's.
        method: Its method's.
        at: "start" or "end".
        step: Steps done by then.
        steps: Steps that the whole run takes.
        batches: How many were looked at.
        losses: By name; last "total", the weighted sum.
        teacher_psnr: ``validation_psnr_rgb_crops`` of the teacher, dB; None without a teacher or held-out clips.
        student_psnr: The same of the student.
        features: By role, with a number where a role has several places.
        cells: By module path and side, see :func:`restill.distillation.sizes.watch_cells`.
        metrics: The method's own, of the last batch.
    """

    name: str
    method: str
    at: At
    step: int
    steps: int
    batches: int
    losses: dict[str, LossGradient]
    teacher_psnr: float | None
    student_psnr: float | None
    features: dict[str, FeatureSize]
    cells: dict[str, CellSize]
    metrics: dict[str, float]


def gradient_norms(folder: str | Path, batches: int = 8, at: At = "end") -> GradientNorms:
    """Look at a finished or a partly finished run.

    Paths in its recipe are taken as they were given, so call this from the folder where the run was started. A warm-up
    without distillation is passed over: the losses are those after it, whatever the step.

    Args:
        folder: The run's, with ``recipe.yaml`` and, for its end, a checkpoint.
        batches: How many of the run's first batches are looked at.
        at: The student "start"s as the recipe says; "end" is the newest checkpoint.

    Raises:
        RestillError: There is no run, or no checkpoint; or something that the recipe names is gone.
    """
    folder = Path(folder)
    if batches < 1:
        raise RestillError(f"batches must be 1 or more, not {batches}")
    if not (folder / "recipe.yaml").is_file():
        raise RestillError(f"{folder}: is no run's folder: it holds no recipe.yaml")
    saved = checkpoints(folder)
    if at == "end" and not saved:
        raise RestillError(f"{folder}: holds no checkpoint yet; wait for one, or look at the start")
    recipe = load_recipe(folder / "recipe.yaml")
    with restore_global_state():
        seed_all(recipe.seed)
        return _measure(recipe, saved[-1] if at == "end" else None, batches)


def _measure(recipe: Recipe, checkpoint: Path | None, count: int) -> GradientNorms:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, _ = build(recipe)
    method.to(device).train()
    step = 0
    if checkpoint:
        trained = [p for p in method.parameters() if p.requires_grad]
        step = load_state(checkpoint, method, torch.optim.SGD(trained))  # of the optimizer nothing is used
    data = recipe.data.model_copy(update={"workers": 0})  # the samples are the same with any number
    feed, _ = feed_from(data, recipe, recipe.batch, method)
    psnr = {side: feed.validate(device, teacher=side == "teacher") for side in sides(method)} if feed.validate else {}
    on_device = ({key: value.to(device) for key, value in batch.items()} for batch in feed.batches(0, Place()))
    shown = [feed.prepare(batch) for batch in islice(on_device, count)]
    with frozen_statistics(method), watch_cells(method) as cells:
        losses = loss_gradients(
            method,
            shown,
            method.default_weights | recipe.weights,
            max(step, method.warmup),
            bf16=recipe.precision == "bf16",
        )
    metrics = method.metrics()
    with frozen_statistics(method):
        features = feature_sizes(method, shown)
    return GradientNorms(
        recipe.name,
        method.name,
        "end" if checkpoint else "start",
        step,
        recipe.steps,
        len(shown),
        losses,
        psnr.get("teacher"),
        psnr.get("student"),
        features,
        {name: sums.size() for name, sums in cells.items()},
        metrics,
    )


# --- gradients -------------------------------------------------------------------------------------------------------


def loss_gradients(
    method: Method, batches: Iterable[Batch], weights: dict[str, float], step: int, *, bf16: bool = False
) -> dict[str, LossGradient]:
    """What each loss of a method does to its student, which is not changed.

    Args:
        method: In the mode that it trains in.
        batches: On its device.
        weights: Of each loss; 1 where none is given.
        step: That of the first batch.
        bf16: As in a recipe's ``precision``.

    Returns:
        By name, and the weighted sum as "total". Losses that are computed in groups count as if all of a batch's
        groups came before the first step of the optimizer.
    """
    parameters = [p for p in method.student.parameters() if p.requires_grad]
    values: dict[str, list[float]] = defaultdict(list)
    norms: dict[str, list[float]] = defaultdict(list)
    sums: dict[str, Tensor] = {}  # (P,), P the student's parameters
    for number, batch in enumerate(batches):
        found: dict[str, float] = defaultdict(float)
        gradients: dict[str, Tensor] = {}
        for parts in _groups(method, batch, step + number, bf16):
            for name, loss in parts.items():
                weight = weights.get(name, 1.0)
                gradient = _gradient(weight * loss, parameters)
                for key, value in ((name, loss.item()), (TOTAL, weight * loss.item())):
                    found[key] += value
                    gradients[key] = gradients[key] + gradient if key in gradients else gradient
        for name, gradient in gradients.items():
            values[name].append(found[name])
            norms[name].append(gradient.norm().item())
            sums[name] = sums[name] + gradient if name in sums else gradient
    means = {name: sums[name] / len(norms[name]) for name in sorted(sums, key=lambda name: name == TOTAL)}
    singles = {name: sum(values) / len(values) for name, values in norms.items()}
    own, own_single = means.get(RECONSTRUCTION), singles.get(RECONSTRUCTION)
    own_norm = 0.0 if own is None else own.norm().item()
    compared = {}
    for name, mean in means.items():
        norm, single = mean.norm().item(), singles[name]
        compared[name] = LossGradient(
            value=sum(values[name]) / len(values[name]),
            weight=1.0 if name == TOTAL else weights.get(name, 1.0),
            norm=norm,
            ratio=norm / own_norm if own_norm else None,
            step_ratio=single / own_single if own_single else None,
            cosine=(mean @ own).item() / (norm * own_norm) if own is not None and own_norm and norm else None,
            steady=norm / single if single else None,
        )
    return compared


def _groups(method: Method, batch: Batch, step: int, bf16: bool) -> Iterator[Losses]:
    """The groups of losses, each computed in the run's precision."""
    groups = method.loss_groups(batch, step)
    while True:
        with torch.autocast(batch["degraded"].device.type, torch.bfloat16, enabled=bf16):
            parts = next(groups, None)
        if parts is None:
            return
        yield parts


def _gradient(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """(P,), float64: zero where the loss does not depend on a parameter."""
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(p, dtype=torch.float64).flatten() for p in parameters])
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    both = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten().double() for g, p in both])
