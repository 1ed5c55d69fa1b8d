"""The gradient norm of each loss of a run, to see why a distillation method helps or does not.

The method is rebuilt from the run's folder, at its start or at its newest checkpoint, and runs on the run's first
batches. Nothing is trained or written. A gradient is that of weight * loss, averaged over the batches, with respect to
the student's parameters only; adapters and cells are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from restill.distillation.freeze import frozen_statistics
from restill.distillation.method import Method
from restill.distillation.sizes import CellSize, FeatureSize, feature_sizes, sides, watch_cells
from restill.distillation.unlabeled import loss_groups
from restill.errors import RestillError
from restill.training.batches import Batch
from restill.training.checkpoint import checkpoints, load_state, read_header
from restill.training.experiment import build
from restill.training.feed import Place
from restill.training.gradient_shares import TASK, GradientShares
from restill.training.process import restore_global_state, seed_all
from restill.training.recipe import Recipe, load_recipe
from restill.training.recipe_feed import feed_from

At = Literal["start", "end"]
TOTAL = "total"  # the loop's name for the weighted sum


@dataclass(frozen=True)
class LossGradient:
    """The gradient of one loss in the student.

    Attributes:
        value: The loss, unweighted, mean over the batches.
        weight: The factor that the loop applies; with ``weights: balanced`` and at "start", before it is balanced.
        norm: L2 norm of its gradient.
        ratio: ``norm`` divided by the reconstruction's; None if that is zero or missing.
        step_ratio: The same ratio for the mean norms of single batches, as one step sees them.
        cosine: Cosine between its gradient and the reconstruction's, from -1 to 1; None if either is zero or missing.
        steady: ``norm`` over the mean norm of single batches: 1 if the gradients of all batches agree, about 1/sqrt(n)
            for n unrelated batches. None if there is no gradient.
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
    """The result for one run.

    Attributes:
        name: Name of the run.
        method: Name of its method.
        at: "start" or "end".
        step: Steps done at that point.
        steps: Steps of the whole run.
        batches: Number of batches used.
        losses: By name; last "total", the weighted sum.
        teacher_psnr: ``validation_psnr_rgb_crops`` of the teacher, dB; None without a teacher or held-out clips.
        student_psnr: The same for the student.
        features: Sizes by role, numbered if a role has several features.
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
    """Measure the gradients of a finished or unfinished run.

    Relative paths in its recipe are not changed, so call this from the folder where the run was started. A warm-up
    without distillation is skipped: the losses are those after it, whatever the step.

    Args:
        folder: Folder of the run, with ``recipe.yaml`` and, for "end", a checkpoint.
        batches: Number of the run's first batches to use.
        at: "start": the student as the recipe initializes it. "end": the newest checkpoint.

    Raises:
        RestillError: There is no run or no checkpoint, or something that the recipe names is missing.
    """
    folder = Path(folder)
    if batches < 1:
        raise RestillError(f"batches must be 1 or more, not {batches}")
    if not (folder / "recipe.yaml").is_file():
        raise RestillError(f"{folder}: is not the folder of a run: it has no recipe.yaml")
    saved = checkpoints(folder)
    if at == "end" and not saved:
        raise RestillError(f"{folder}: has no checkpoint yet; wait for one, or use --at start")
    recipe = load_recipe(folder / "recipe.yaml")
    with restore_global_state():
        seed_all(recipe.seed)
        return _measure(recipe, saved[-1] if at == "end" else None, batches)


def _measure(recipe: Recipe, checkpoint: Path | None, count: int) -> GradientNorms:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, _ = build(recipe)
    method.to(device).train()
    step, state = 0, ""
    if checkpoint:
        state = read_header(checkpoint).get("shares", "")
        trained = [p for p in method.parameters() if p.requires_grad]
        step = load_state(checkpoint, method, torch.optim.SGD(trained))  # the optimizer is not used
    data = recipe.data.model_copy(update={"workers": 0})  # the number does not change the samples
    feed, _ = feed_from(data, recipe, recipe.batch, method)
    psnr = {side: feed.validate(device, teacher=side == "teacher") for side in sides(method)} if feed.validate else {}
    on_device = ({key: value.to(device) for key, value in batch.items()} for batch in feed.batches(0, Place()))
    shown = [feed.prepare(batch) for batch in islice(on_device, count)]
    with frozen_statistics(method), watch_cells(method) as cells:
        losses = loss_gradients(
            method,
            shown,
            GradientShares(method, recipe, state).weights(),
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
    """The gradient of each loss of a method in its student. The student does not change.

    Args:
        method: The method, in training mode.
        batches: Batches on its device.
        weights: Weight of each loss; 1 if not given.
        step: Step of the first batch.
        bf16: Compute in bfloat16, as ``precision: bf16`` in a recipe.

    Returns:
        Gradients by name, with the weighted sum as "total". Losses in groups count as if all groups of a batch came
        before the first step of the optimizer.
    """
    parameters = [p for p in method.student.parameters() if p.requires_grad]
    values: dict[str, list[float]] = defaultdict(list)
    norms: dict[str, list[float]] = defaultdict(list)
    sums: dict[str, Tensor] = {}  # (P,), P the student's parameters
    for number, batch in enumerate(batches):
        autocast = partial(torch.autocast, batch["degraded"].device.type, torch.bfloat16, enabled=bf16)
        found: dict[str, float] = defaultdict(float)
        gradients: dict[str, Tensor] = {}
        for parts in loss_groups(method, batch, step + number, autocast):
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
    own, own_single = means.get(TASK), singles.get(TASK)
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


def _gradient(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """(P,), float64: zero where the loss does not depend on a parameter."""
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(p, dtype=torch.float64).flatten() for p in parameters])
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    both = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten().double() for g, p in both])
