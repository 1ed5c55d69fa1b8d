"""The loop. It sums the losses that a method names by the recipe's weights, logs every part, and knows nothing else.

Pre-training and distillation are the same loop: a recipe without a method trains the student on the task alone.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, Subset
from torch.utils.tensorboard.writer import SummaryWriter

from restill.datasets import open_source
from restill.datasets.clips import ClipSamples, to_float
from restill.distillation import create_method
from restill.distillation.method import Method
from restill.distillation.windows import centre_targets, centre_windows
from restill.errors import RestillError
from restill.networks import NetworkSpec, create
from restill.networks.spynet import WEIGHTS, SPyNet, load_spynet, save_spynet, spynet_windows
from restill.progress import track
from restill.training.checkpoint import STUDENT, checkpoints, load_network, load_state, save_network, save_state
from restill.training.recipe import DataPart, NetworkPart, Recipe, load_recipe


@dataclass(frozen=True)
class TrainResult:
    """What came of a run."""

    folder: Path
    steps: int
    interrupted: bool
    losses: dict[str, float]
    validation: float | None


def train(
    recipe: Recipe | str | Path,
    overrides: list[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Pre-train or distil a student.

    Args:
        recipe: A :class:`Recipe` or the path of one.
        overrides: ``a.b=c``, applied to a recipe that is read from a path.
        resume: Continue from the newest whole checkpoint in the run's folder; from the start if there is none.
        overwrite: Start anew although the run's folder holds an earlier run, which is lost.
        quiet: No progress.

    Returns:
        The run's folder, how far it came, the last losses and the last validation PSNR.

    Raises:
        RestillError: Something in the recipe is wrong; or a run is there already; or a loss is not finite.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    torch.set_num_threads(recipe.threads or os.cpu_count() or 1)
    torch.manual_seed(recipe.seed)
    accelerator = Accelerator(
        cpu="RANK" in os.environ and not torch.cuda.is_available(),  # torchrun without a GPU: gloo
        mixed_precision="no" if recipe.precision == "fp32" else recipe.precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )
    folder = recipe.folder
    method, info = build(recipe)
    method.to(accelerator.device)
    aligner = _aligner(recipe.data, accelerator.device)
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimizer = _optimizer(recipe, parameters)
    done = _prepare_folder(folder, resume, overwrite)
    start = load_state(done, method, optimizer) if done else 0
    loader = accelerator.prepare(_loader(recipe, method.context, start))
    held_out = [_aligned(aligner, batch, method.context) for batch in _held_out(recipe, method.context)]
    log = RunLog(folder, recipe, start, accelerator.is_main_process)
    if aligner is not None and accelerator.is_main_process:
        save_spynet(aligner, folder / WEIGHTS)
    losses: dict[str, float] = {}
    validation: float | None = None
    step = start

    def checkpoint() -> None:
        if accelerator.is_main_process:
            save_state(folder, step, method, optimizer, method.student, info)

    show = quiet or not accelerator.is_main_process
    with stop_on_signal() as stop, track(recipe.name, recipe.steps, "steps", start=start, quiet=show) as advance:
        for sample in loader:
            batch = _aligned(aligner, to_float(sample), method.context)
            lr = recipe.schedule.lr(recipe.optimizer.lr, step, recipe.steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            losses = {}
            for parts in _forward(accelerator, method.loss_groups(batch, step)):  # nearly every method has one group
                total = sum_losses(parts, method.default_weights | recipe.weights)
                optimizer.zero_grad(set_to_none=True)
                accelerator.backward(total)
                norm = _gradients(accelerator, parameters, recipe.optimizer.clip_norm)
                for name, value in {**parts, "total": total}.items():
                    losses[name] = losses.get(name, 0.0) + float(value.detach())
                _check_finite(losses, norm, step)
                optimizer.step()
            method.after_step(losses)
            step += 1
            if step % recipe.log_every == 0 or step == recipe.steps:
                log.write(step, {**losses, **method.metrics(), "lr": lr})
            if held_out and (step % recipe.validation.every == 0 or step == recipe.steps):
                validation = validate(method.student, held_out, method.context, accelerator.device)
                log.write(step, {"validation_psnr_rgb_crops": validation})
            if step % recipe.save_every == 0 or step == recipe.steps or stop():
                checkpoint()
            advance(1, loss=losses["total"], **({} if validation is None else {"crops_psnr_rgb": validation}))
            if stop():
                break
    if accelerator.is_main_process:
        save_network(folder / STUDENT, method.student, info)
    log.close()
    return TrainResult(folder, step, step < recipe.steps, losses, validation)


def build(recipe: Recipe) -> tuple[Method, dict[str, Any]]:
    """The method a recipe asks for, with its networks, and what the student's checkpoints say of themselves."""
    student, info = _network(recipe.student)
    teacher = _network(recipe.teacher)[0] if recipe.teacher else None
    specs: list[NetworkSpec] = [n.spec for n in (student, teacher) if n is not None]  # type: ignore[misc]
    context = max(max(s.frames_before, s.frames_after) for s in specs)
    method = create_method(recipe.method or "plain", teacher, student, context, **recipe.options)
    unknown = set(recipe.weights) - set(method.default_weights)
    if unknown:
        known = ", ".join(method.default_weights)
        raise RestillError(
            f"recipe {recipe.name}: field 'weights' names {sorted(unknown)[0]!r}; the losses are: {known}"
        )
    return method, {**info, "align": recipe.data.align, "name": recipe.name}


def sum_losses(parts: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The weighted sum of named losses, a scalar."""
    return torch.stack([weights.get(name, 1.0) * value for name, value in parts.items()]).sum()


@torch.no_grad()
def validate(student: torch.nn.Module, batches: list[dict[str, Tensor]], context: int, device: torch.device) -> float:
    """Mean RGB PSNR (dB) of the student on fixed crops of held-out clips, outputs clamped, not rounded."""
    spec: Any = student.spec
    student.eval()
    values = []
    for batch in batches:
        batch = {key: value.to(device) for key, value in batch.items()}
        windows = centre_windows(batch, context, spec.frames_before, spec.frames_after).flatten(0, 1)
        error = (student(windows).clamp(0, 1) - centre_targets(batch, context).flatten(0, 1)).square()
        values += [-10 * math.log10(max(float(mse), 1e-10)) for mse in error.mean(dim=(1, 2, 3))]
    student.train()
    return sum(values) / len(values)


class RunLog:
    """``log.jsonl`` and TensorBoard, one line and one point for each logged step; and the recipe as it was run."""

    def __init__(self, folder: Path, recipe: Recipe, start: int, active: bool) -> None:
        self.active = active
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
        self._path = folder / "log.jsonl"
        kept = [line for line in _lines(self._path) if json.loads(line)["step"] <= start]
        self._path.write_text("".join(f"{line}\n" for line in kept))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log named values of a step."""
        if not self.active:
            return
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is buffered."""
        if self.active:
            self._board.close()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


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


def _optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    part = recipe.optimizer
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[part.name]
    return kind(parameters, lr=part.lr, betas=part.betas, weight_decay=part.weight_decay)


def _prepare_folder(folder: Path, resume: bool, overwrite: bool) -> Path | None:
    """The checkpoint to go on from, if any; removes an earlier run's if it may."""
    found = checkpoints(folder)
    if resume:
        return found[-1] if found else None
    if (found or (folder / STUDENT).exists()) and not overwrite:
        raise RestillError(
            f"{folder}: holds an earlier run; go on with --resume, start anew with --overwrite, or set another name"
        )
    for old in found:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    return None


def _samples(recipe: Recipe, clips: list[str] | None, length: int, seed: int, context: int, plain: bool) -> ClipSamples:
    data = recipe.data
    return ClipSamples(
        open_source(data.dataset, data.root, clips, data.rain),
        length,
        seed,
        crop=data.crop,
        centres=data.centres,
        context=context,
        align="dis" if data.align == "dis" else "none",  # SPyNet's windows are made in the loop, on its device
        scale=(1.0, 1.0) if plain else data.scale,
        augment=data.augment and not plain,
        position="random" if plain else data.position,
    )


def _loader(recipe: Recipe, context: int, start: int) -> DataLoader[Any]:
    clips = recipe.data.clips
    if recipe.data.held_out:
        names = clips or list(open_source(recipe.data.dataset, recipe.data.root, None, recipe.data.rain).names)
        clips = [name for name in names if name not in recipe.data.held_out]
    dataset = _samples(recipe, clips, recipe.steps * recipe.batch, recipe.seed, context, plain=False)
    rest = Subset(dataset, range(start * recipe.batch, len(dataset)))
    workers = recipe.data.workers
    cv2.setNumThreads(1)  # OpenCV's threads, if it has any by now, do not survive the fork: a worker would hang on them
    return DataLoader(
        rest,
        recipe.batch,
        sampler=SequentialSampler(rest),
        num_workers=workers,
        worker_init_fn=_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )


def _worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _held_out(recipe: Recipe, context: int) -> list[dict[str, Tensor]]:
    if not recipe.data.held_out:
        return []
    samples = _samples(recipe, recipe.data.held_out, recipe.validation.samples, recipe.seed + 1, context, plain=True)
    return [{key: value[None] for key, value in to_float(samples[i]).items()} for i in range(len(samples))]


def _aligner(data: DataPart, device: torch.device) -> SPyNet | None:
    return load_spynet(data.aligner).to(device) if data.align == "spynet" and data.aligner else None


def _aligned(aligner: SPyNet | None, batch: dict[str, Tensor], context: int) -> dict[str, Tensor]:
    """The batch, with ``windows`` (B, L, K, 3, H, W) where there is an aligner to make them."""
    if aligner is None:
        return batch
    return {**batch, "windows": spynet_windows(aligner, batch["degraded"].to(aligner.mean.device), context)}


def _forward(accelerator: Accelerator, groups: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The groups of losses, each computed in the recipe's precision."""
    while True:
        with accelerator.autocast():
            parts = next(groups, None)
        if parts is None:
            return
        yield parts


def _gradients(accelerator: Accelerator, parameters: list[torch.nn.Parameter], clip: float | None) -> Tensor | None:
    """Average gradients over processes (losses are means over the batch), then limit their norm."""
    if accelerator.num_processes > 1:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")  # type: ignore[assignment]
    return torch.nn.utils.clip_grad_norm_(parameters, clip) if clip else None


def _check_finite(losses: dict[str, float], norm: Tensor | None, step: int) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad or (norm is not None and not torch.isfinite(norm)):
        name = bad[0] if bad else "the gradient's norm"
        raise RestillError(
            f"step {step + 1}: loss '{name}' is not finite; try a smaller optimizer.lr or optimizer.clip_norm"
        )


@contextmanager
def stop_on_signal() -> Iterator[Any]:
    """Ctrl-C and SIGTERM finish the step, then the loop saves; a second Ctrl-C stops at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
