"""The training loop: it sums a method's named losses by the run's weights and logs every loss.

Pre-training and distillation use the same loop, from a recipe (:mod:`restill.training.experiment`) or from Python
(:mod:`restill.training.distill`).
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration
from torch import Tensor

from restill.clock import Clock
from restill.distillation.method import Method
from restill.distillation.unlabeled import loss_groups
from restill.errors import RestillError
from restill.networks.adapter import class_name
from restill.progress import track
from restill.training.batches import Batch
from restill.training.checkpoint import (
    STUDENT,
    checkpoints,
    load_state,
    newest_readable,
    read_header,
    save_network,
    save_state,
)
from restill.training.contract import advice, check_gradients, check_pictures, check_weights, clear_errors
from restill.training.feed import Feed, Place, check_same_start, process_batches
from restill.training.gradient_shares import TASK, GradientShares
from restill.training.prepare import prepare_networks
from restill.training.process import seed_all, usable_cpus
from restill.training.recipe import Run
from restill.training.run_log import RunLog
from restill.training.run_page import leave_page
from restill.training.settings import as_text, check_same
from restill.training.signals import lost_worker, stop_on_signal
from restill.training.validation import Validation


@dataclass(frozen=True)
class TrainResult:
    """The result of a run; ``folder`` is None if nothing was written, ``signal`` is the signal that stopped it."""

    folder: Path | None
    steps: int
    interrupted: bool
    losses: dict[str, float]
    validation: float | None
    signal: int | None = None


def fit(
    method: Method,
    feed: Feed,
    run: Run,
    info: dict[str, Any],
    folder: Path | None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    on_start: Callable[[Path], None] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train a method's student, and everything that the method trains with it.

    Args:
        method: The method. It moves to the device that accelerate finds.
        feed: The batches.
        run: The training settings: steps, optimizer, how often to log and save.
        info: The header of the student's checkpoints.
        folder: The folder to write to; None to write nothing.
        resume: Continue from the newest complete checkpoint in the folder; from the start if there is none.
        overwrite: Replace an earlier run in the folder.
        quiet: Show no progress.
        on_start: Called once with the folder, in the first process.
        settings: Further settings, besides the fields of ``run``, that a resumed run must have in common.

    Raises:
        RestillError: The folder holds a run already, or one with other settings; the student does not fit the data, or
            gets no gradient; a loss, gradient or weight is not finite; or a process that makes samples was killed.
    """
    accelerator = start_processes(run)
    method.to(accelerator.device).train()  # networks from checkpoints are in eval mode
    prepare_networks(method, run)
    parameters = [p for p in method.parameters() if p.requires_grad]
    check_same_start(accelerator, run.seed, parameters)
    optimizer = _optimizer(run, parameters)
    trained = sum(parameter.numel() for parameter in parameters)
    settings = {**run.model_dump(mode="json"), **(settings or {}), "trained weights": trained}
    done = _prepare_folder(folder, resume, overwrite) if folder else None
    start, place, state = _resume(done, folder, method, optimizer, settings) if done and folder else (0, Place(), "")
    shares = GradientShares(method, run, state)
    writes = folder is not None and accelerator.is_main_process
    log = RunLog(folder, run, start) if folder and writes else None
    if folder and writes and on_start:
        on_start(folder)
    validate = Validation(method, feed, accelerator.device, log) if feed.validate else None
    losses: dict[str, float] = {}
    validation: float | None = None
    step = start
    show = quiet or not accelerator.is_main_process
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        stack.enter_context(lost_worker(stop, folder))
        expect = stack.enter_context(check_pictures(method))
        advance = stack.enter_context(track(run.name, run.steps, "steps", start=start, quiet=show))
        batches = process_batches(accelerator, feed, start, place) if start < run.steps else ()
        clock, logged = Clock(), time.perf_counter()
        for batch in clock.over("data", batches):
            lr = run.schedule.lr(run.optimizer.lr, step, run.steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            expect(batch)
            with clear_errors(step, batch):
                check = step in (start, method.warmup)
                losses = _learn(accelerator, method, optimizer, shares, run, batch, step, check, folder)
            losses, stopping = _over_processes(accelerator, losses, stop())
            method.after_step(losses)
            step += 1
            last = step == run.steps
            if log and (last or step % run.log_every == 0):
                now = time.perf_counter()
                waited, logged = clock.seconds.pop("data") / (now - logged), now
                log.write(step, {**losses, **method.metrics(), **shares.take(), "lr": lr, "waits_for_data": waited})
            if validate and (last or step % run.validation.every == 0):
                validation = validate(step)
            if last or stopping or step % run.save_every == 0:
                check_weights(method, folder)
                if folder and writes:
                    header = _header(settings, feed.place(), shares.state())
                    save_state(folder, step, method, optimizer, method.student, info, header)
            advance(1, loss=losses["total"], **({} if validation is None else {"crops_psnr_rgb": validation}))
            if stopping or last:
                break
    if log and folder:
        save_network(folder / STUDENT, method.student, info)
        log.close()
        leave_page(folder, run, method, feed, accelerator.device, losses)
    return TrainResult(folder, step, step < run.steps, losses, validation, stop.signal)


def start_processes(run: Run) -> Accelerator:
    """Set up threads, device and process group of a run, and seed all random generators."""
    # Nearly closed gates of CSTD's cells have denormal gradients, with which a CPU is several times slower. Threads
    # inherit the switch, so it is set before they start.
    torch.set_flush_denormal(True)
    torch.set_num_threads(run.threads or min(torch.get_num_threads(), usable_cpus()))
    seed_all(run.seed)
    AcceleratorState._reset_state()  # forget the precision of an earlier run in this process; the group stays
    return Accelerator(
        cpu="RANK" in os.environ and not torch.cuda.is_available(),  # torchrun without a GPU: gloo
        mixed_precision="no" if run.precision == "fp32" else run.precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )


def sum_losses(parts: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The weighted sum of named losses, a scalar."""
    return torch.stack([weights.get(name, 1.0) * value for name, value in parts.items()]).sum()


def check_run(method: Method, run: Run, where: str) -> None:
    """Check that weights name losses, that the student can be trained, and that the run is longer than the warm-up.

    Raises:
        RestillError: A check fails.
    """
    unknown = set(run.loss_weights) - set(method.default_weights)
    if unknown:
        known = ", ".join(method.default_weights)
        raise RestillError(f"{where}: field 'weights' names {min(unknown)!r}; the losses are: {known}")
    if run.balanced and (TASK not in method.default_weights or len(method.default_weights) < 2):
        raise RestillError(
            f"{where}: weights: balanced is for a method with losses beside '{TASK}'; '{method.name}' has "
            f"{', '.join(method.default_weights) or 'none'}"
        )
    if not any(parameter.requires_grad for parameter in method.student.parameters()):
        raise RestillError(f"{where}: the student {class_name(method.student)} has no weights that can be trained")
    if method.warmup >= run.steps:
        raise RestillError(
            f"{where}: nothing would be distilled in {run.steps} steps, since method '{method.name}' starts after "
            f"{method.warmup}; set its option 'warmup' lower, or more steps"
        )


def _optimizer(run: Run, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    part = run.optimizer
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[part.name]
    return kind(parameters, lr=part.lr, betas=part.betas, weight_decay=part.weight_decay)


def _prepare_folder(folder: Path, resume: bool, overwrite: bool) -> Path | None:
    """The checkpoint to resume from, if any. With ``overwrite``, removes the checkpoints of an earlier run."""
    found = checkpoints(folder)
    if resume:
        return newest_readable(folder)
    if (found or (folder / STUDENT).exists()) and not overwrite:
        raise RestillError(
            f"{folder}: holds an earlier run; continue with --resume, replace it with --overwrite, or set another name"
        )
    for old in found:
        shutil.rmtree(old)
    return None


def _resume(
    done: Path, folder: Path, method: Method, optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]
) -> tuple[int, Place, str]:
    """Load a checkpoint's state; returns the steps done, the place in the data and the state of the shares."""
    header = read_header(done)
    check_same(header.get("settings", ""), settings, int(header["step"]), folder)
    place = Place(int(header.get("epoch", 0)), int(header.get("batch", 0)))
    return load_state(done, method, optimizer), place, header.get("shares", "")


def _header(settings: Mapping[str, Any], place: Place, shares: str) -> dict[str, str]:
    return {"settings": as_text(settings), "epoch": str(place.epoch), "batch": str(place.batch), "shares": shares}


def _learn(
    accelerator: Accelerator,
    method: Method,
    optimizer: torch.optim.Optimizer,
    shares: GradientShares,
    run: Run,
    batch: Batch,
    step: int,
    first: bool,
    folder: Path | None,
) -> dict[str, float]:
    """Train on one batch, with an optimizer step for each group of losses; returns the losses' values."""
    parameters = optimizer.param_groups[0]["params"]
    losses: dict[str, float] = {}
    shares.start(step)
    pieces = _pieces(batch, run.accumulate)
    groups = [loss_groups(method, piece, step, accelerator.autocast) for piece in pieces]
    while (parts := next(groups[0], None)) is not None:  # nearly every method has one group
        if first:
            check_gradients(method, parts, shares.weights(), step)
        shares.look(parts)
        weights = shares.weights()
        optimizer.zero_grad(set_to_none=True)
        for group in groups:
            parts = parts if group is groups[0] else next(group)
            total = sum_losses(parts, weights)
            accelerator.backward(total / len(pieces))
            for name, value in {**parts, "total": total}.items():
                losses[name] = losses.get(name, 0.0) + float(value.detach()) / len(pieces)
        norm = _gradients(accelerator, parameters, run.optimizer.clip_norm)
        _check_finite(losses, norm, step, folder)
        optimizer.step()
    shares.finish()
    return losses


def _pieces(batch: Batch, count: int) -> list[Batch]:
    """Equal parts of a batch, which are worked on one after another."""
    if any(len(value) % count for value in batch.values()):
        rows = len(batch["degraded"])
        raise RestillError(
            f"field 'accumulate': the {rows} samples that a process gets cannot be split into {count} equal parts"
        )
    chunks = {key: value.chunk(count) for key, value in batch.items()}
    return [{key: values[number] for key, values in chunks.items()} for number in range(count)]


def _gradients(accelerator: Accelerator, parameters: list[torch.nn.Parameter], clip: float | None) -> Tensor:
    """Average the gradients over processes, clip them if asked, and return their norm before clipping."""
    if accelerator.num_processes > 1:
        own = torch.tensor([float(p.grad is not None) for p in parameters], device=accelerator.device)
        everywhere: Any = accelerator.reduce(own, "sum")
        for parameter, processes in zip(parameters, everywhere.tolist(), strict=True):
            if processes and parameter.grad is None:  # a branch that only other processes took
                parameter.grad = torch.zeros_like(parameter)
            if processes:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")  # type: ignore[assignment]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if clip:
        torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
    return norm


def _over_processes(accelerator: Accelerator, losses: dict[str, float], stop: bool) -> tuple[dict[str, float], bool]:
    """Average the losses over processes, so that all decide alike (collapse guards) and the log shows the whole batch.

    Also returns whether any process was asked to stop, so that all stop after the same step.
    """
    if accelerator.num_processes == 1:
        return losses, stop
    values = torch.tensor([*losses.values(), float(stop)], dtype=torch.float64, device=accelerator.device)
    mean: Any = accelerator.reduce(values, "mean")
    *means, stopping = mean.tolist()
    return dict(zip(losses, means, strict=True)), stopping > 0


def _check_finite(losses: dict[str, float], norm: Tensor, step: int, folder: Path | None) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad or not torch.isfinite(norm):
        what = f"loss '{bad[0]}'" if bad else "the gradient"
        raise RestillError(f"step {step + 1}: {what} is not finite; {advice(folder)}")
