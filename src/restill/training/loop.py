"""The loop. It sums the losses that a method names by the run's weights, logs every part, and knows nothing else.

Pre-training and distillation are the same loop, from a recipe (:mod:`restill.training.experiment`) or from Python
(:mod:`restill.training.distill`).
"""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration
from torch import Tensor
from torch.utils.data import DataLoader

from restill.distillation.method import Method
from restill.errors import RestillError
from restill.progress import track
from restill.training.checkpoint import STUDENT, checkpoints, load_state, newest_readable, save_network, save_state
from restill.training.recipe import Run
from restill.training.run_log import RunLog

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class TrainResult:
    """What came of a run; ``folder`` is None where nothing was written."""

    folder: Path | None
    steps: int
    interrupted: bool
    losses: dict[str, float]
    validation: float | None


@dataclass(frozen=True)
class Feed:
    """What a run is fed.

    Attributes:
        batches: From the number of steps done to the batches that follow; a :class:`DataLoader` is shared out over
            processes by accelerate, of any other batch each process takes its rows.
        prepare: Makes what methods take of such a batch, on its device.
        validate: The validation PSNR, RGB, in dB, on a device; None for no validation. One that is made of a recipe
            takes ``teacher=True`` for the teacher's.
    """

    batches: Callable[[int], Iterable[Any]]
    prepare: Callable[[Any], Batch]
    validate: Callable[..., float] | None = None


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
) -> TrainResult:
    """Train a method's student, and whatever the method trains with it.

    Args:
        method: It moves to the device that accelerate finds.
        feed: Its batches.
        run: How many steps, which optimizer, how often to log and to save.
        info: What the student's checkpoints say of it.
        folder: Where everything is written; None for nowhere.
        resume: Continue from the newest whole checkpoint in the folder; from the start if there is none.
        overwrite: Start anew although the folder holds an earlier run, which is lost.
        quiet: No progress.
        on_start: Called once with the folder, in the first process.

    Raises:
        RestillError: A run is there already, a loss is not finite, or a process that makes samples was killed.
    """
    accelerator = start_processes(run)
    method.to(accelerator.device).train()  # networks from checkpoints come for use
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimizer = _optimizer(run, parameters)
    done = _prepare_folder(folder, resume, overwrite) if folder else None
    start = load_state(done, method, optimizer) if done else 0
    writes = folder is not None and accelerator.is_main_process
    log = RunLog(folder, run, start) if folder and writes else None
    if folder and writes and on_start:
        on_start(folder)
    losses: dict[str, float] = {}
    validation: float | None = None
    step = start
    show = quiet or not accelerator.is_main_process
    with (
        _lost_worker(),
        stop_on_signal() as stop,
        track(run.name, run.steps, "steps", start=start, quiet=show) as advance,
    ):
        for batch in _batches(accelerator, feed, start) if start < run.steps else ():
            lr = run.schedule.lr(run.optimizer.lr, step, run.steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            losses = {}
            for parts in _forward(accelerator, method.loss_groups(batch, step)):  # nearly every method has one group
                total = sum_losses(parts, method.default_weights | run.weights)
                optimizer.zero_grad(set_to_none=True)
                accelerator.backward(total)
                norm = _gradients(accelerator, parameters, run.optimizer.clip_norm)
                for name, value in {**parts, "total": total}.items():
                    losses[name] = losses.get(name, 0.0) + float(value.detach())
                _check_finite(losses, norm, step)
                optimizer.step()
            losses = _over_processes(accelerator, losses)
            method.after_step(losses)
            step += 1
            last = step == run.steps
            if log and (last or step % run.log_every == 0):
                log.write(step, {**losses, **method.metrics(), "lr": lr})
            if feed.validate and (last or step % run.validation.every == 0):
                validation = feed.validate(accelerator.device)
                if log:
                    log.write(step, {"validation_psnr_rgb_crops": validation})
            if folder and writes and (last or step % run.save_every == 0 or stop()):
                save_state(folder, step, method, optimizer, method.student, info)
            advance(1, loss=losses["total"], **({} if validation is None else {"crops_psnr_rgb": validation}))
            if stop() or last:
                break
    if log and folder:
        save_network(folder / STUDENT, method.student, info)
        log.close()
    return TrainResult(folder, step, step < run.steps, losses, validation)


def start_processes(run: Run) -> Accelerator:
    """Threads, device and process group of a run; seeds PyTorch."""
    torch.set_num_threads(run.threads or os.cpu_count() or 1)
    torch.manual_seed(run.seed)
    AcceleratorState._reset_state()  # it holds the precision of an earlier run of this process; the group stays
    return Accelerator(
        cpu="RANK" in os.environ and not torch.cuda.is_available(),  # torchrun without a GPU: gloo
        mixed_precision="no" if run.precision == "fp32" else run.precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )


def sum_losses(parts: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The weighted sum of named losses, a scalar."""
    return torch.stack([weights.get(name, 1.0) * value for name, value in parts.items()]).sum()


def check_run(method: Method, run: Run, where: str) -> None:
    """Every weight must name a loss, the student must have something to train, and the run outlast a warm-up.

    Raises:
        RestillError: One does not.
    """
    unknown = set(run.weights) - set(method.default_weights)
    if unknown:
        known = ", ".join(method.default_weights)
        raise RestillError(f"{where}: field 'weights' names {min(unknown)!r}; the losses are: {known}")
    if not any(parameter.requires_grad for parameter in method.student.parameters()):
        raise RestillError(f"{where}: the student {type(method.student).__name__} has no weights that can be trained")
    if method.warmup >= run.steps:
        raise RestillError(
            f"{where}: nothing would be distilled in {run.steps} steps, since method '{method.name}' starts after "
            f"{method.warmup}; set its option 'warmup' lower, or more steps"
        )


def _batches(accelerator: Accelerator, feed: Feed, start: int) -> Iterator[Batch]:
    """Batches of this process, on its device."""
    batches = feed.batches(start)
    if isinstance(batches, DataLoader):
        yield from map(feed.prepare, accelerator.prepare(batches))
        return
    rank, processes = accelerator.process_index, accelerator.num_processes
    for batch in map(feed.prepare, batches):
        rows = len(batch["degraded"])
        if rows % processes:
            raise RestillError(f"a batch of {rows} samples cannot be shared out over {processes} processes equally")
        own = slice(rank * rows // processes, (rank + 1) * rows // processes)
        yield {key: value[own].to(accelerator.device) for key, value in batch.items()}


def _optimizer(run: Run, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    part = run.optimizer
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[part.name]
    return kind(parameters, lr=part.lr, betas=part.betas, weight_decay=part.weight_decay)


def _prepare_folder(folder: Path, resume: bool, overwrite: bool) -> Path | None:
    """The checkpoint to go on from, if any; removes an earlier run's if it may."""
    found = checkpoints(folder)
    if resume:
        return newest_readable(folder)
    if (found or (folder / STUDENT).exists()) and not overwrite:
        raise RestillError(
            f"{folder}: holds an earlier run; go on with --resume, start anew with --overwrite, or set another name"
        )
    for old in found:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    return None


def _forward(accelerator: Accelerator, groups: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The groups of losses, each computed in the run's precision."""
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


def _over_processes(accelerator: Accelerator, losses: dict[str, float]) -> dict[str, float]:
    """The losses of the whole batch, so that every process decides alike (collapse guards) and the log is true."""
    if accelerator.num_processes == 1:
        return losses
    values = torch.tensor(list(losses.values()), dtype=torch.float64, device=accelerator.device)
    mean: Any = accelerator.reduce(values, "mean")
    return dict(zip(losses, mean.tolist(), strict=True))


def _check_finite(losses: dict[str, float], norm: Tensor | None, step: int) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad or (norm is not None and not torch.isfinite(norm)):
        name = bad[0] if bad else "the gradient's norm"
        raise RestillError(
            f"step {step + 1}: loss '{name}' is not finite; try a smaller optimizer.lr or optimizer.clip_norm"
        )


@contextmanager
def _lost_worker() -> Iterator[None]:
    """A sentence where the system has killed a process that makes samples."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RestillError(
            "a process that makes samples was killed, most likely because memory ran out: lower data.distinct, "
            "data.workers or data.crop; --resume goes on from the last checkpoint"
        ) from error


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
