"""Checks of a run: the student's pictures fit the clean ones, every loss trains the student, all weights are finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from restill.distillation.method import Batch, Method
from restill.errors import RestillError
from restill.networks.adapter import class_name, unwrapped
from restill.progress import say
from restill.training.checkpoint import checkpoints

SHOWN = 3  # most names in a message
OPAQUE = ("Checkpoint", "Rev")  # autograd nodes that hide the weights behind them


@contextmanager
def check_pictures(method: Method) -> Iterator[Callable[[Batch], None]]:
    """Check the shape of every picture of the student against the clean frames, before any loss uses it.

    Args:
        method: The method whose student is checked.

    Yields:
        A function to call with each batch before the method gets it.
    """
    tapped = getattr(method, "student_net", None)
    network: nn.Module = tapped.network if tapped is not None else method.student
    expected: dict[str, int] = {}

    def expect(batch: Batch) -> None:
        clean, degraded = batch["clean"].shape, batch["degraded"].shape
        expected["channels"] = clean[2]
        expected["scale"] = 1 if "student" in method.shown_clean else clean[-1] // degraded[-1]

    def check(module: nn.Module, given: tuple[Any, ...], picture: Any) -> None:
        if expected and given and isinstance(picture, Tensor):
            _check_picture(class_name(method.student), given[0], picture, expected["channels"], expected["scale"])

    handle = network.register_forward_hook(check)
    try:
        yield expect
    finally:
        handle.remove()


def _check_picture(name: str, windows: Tensor, picture: Tensor, channels: int, scale: int) -> None:
    """Check that a student's picture is (N, C, s*H, s*W) for windows (N, ..., H, W)."""
    wanted = (len(windows), channels, scale * windows.shape[-2], scale * windows.shape[-1])
    if tuple(picture.shape) != wanted:
        raise RestillError(
            f"the student {name} gives {tuple(picture.shape)} for a window {tuple(windows.shape)}, but the clean "
            f"picture there is {wanted} (B, C, H, W): it must give one picture of that shape"
        )


def check_gradients(method: Method, losses: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> None:
    """Check that every loss with a nonzero weight gives a gradient to a trained weight of the student.

    Args:
        method: Holds the student.
        losses: The losses that it returned, with gradients.
        weights: Weights of the losses, by name.
        step: Steps done. During the method's warm-up a loss may be a constant.

    Raises:
        RestillError: A loss gives no gradient; the message names it.
    """
    trained = {id(parameter) for parameter in method.student.parameters() if parameter.requires_grad}
    for name, loss in losses.items():
        waiting = step < method.warmup and not loss.requires_grad
        if weights.get(name, 1.0) and name not in method.trains_others and not waiting and not _leads_to(loss, trained):
            raise RestillError(
                f"loss '{name}' does not reach the student: none of its trained weights gets a gradient from it. The "
                "feature that it uses may be frozen, run under torch.no_grad, detached, or inside a reentrant "
                "checkpoint (set use_reentrant=False). Name another feature, or train without this loss: "
                f"weights={{'{name}': 0}}"
            )


def _leads_to(loss: Tensor, wanted: set[int]) -> bool:
    """Whether a backward pass from here would reach one of these parameters; only walks autograd's graph."""
    todo, seen = [loss.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if id(getattr(node, "variable", None)) in wanted or any(part in node.name() for part in OPAQUE):
            return True
        todo.extend(following for following, _ in node.next_functions)
    return False


def report_shared_weights(method: Method) -> None:
    """Print a line if the student shares weights with its teacher, because they stay frozen.

    Raises:
        RestillError: All weights are shared, so there is nothing to train.
    """
    if method.teacher is None:
        return
    frozen = {id(parameter) for parameter in method.teacher.parameters()}
    names = dict(unwrapped(method.student).named_parameters())
    shared = [name for name, parameter in names.items() if id(parameter) in frozen]
    if not shared:
        return
    some = ", ".join(shared[:SHOWN]) + (", ..." if len(shared) > SHOWN else "")
    if len(shared) == len(names):
        raise RestillError(
            f"the student shares all of its {len(names)} weights with the teacher, which is frozen, so nothing is left "
            "to train; give a copy: copy.deepcopy(teacher)"
        )
    say(f"the student shares {len(shared)} of its {len(names)} weights with the teacher; they stay frozen: {some}")


@contextmanager
def clear_errors(step: int, batch: Batch) -> Iterator[None]:
    """Turn any exception in a step into one sentence about that step.

    Args:
        step: Steps done before this one.
        batch: The batch of the step.

    Raises:
        RestillError: The step failed; the message names the step, the shapes and the exception.
    """
    try:
        yield
    except RestillError:
        raise
    except Exception as error:
        if "DataLoader worker" in str(error):  # about a data process, not about this step
            raise
        shapes = " and ".join(f"'{side}' {tuple(batch[side].shape)}" for side in ("degraded", "clean"))
        reason = (str(error).strip().splitlines() or [""])[0]
        hint = "; lower the batch size or the crop" if isinstance(error, torch.OutOfMemoryError) else ""
        raise RestillError(
            f"step {step + 1} fails on a batch of {shapes} (B, T, C, H, W): {type(error).__name__}: {reason}{hint}"
        ) from error


def check_weights(method: nn.Module, folder: Path | None) -> None:
    """Check that no weight is NaN or infinite, before anything is saved or returned.

    Raises:
        RestillError: Names the first such weight, and the last good checkpoint.
    """
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise RestillError(f"the weight '{name}' is no longer finite; {advice(folder)}")
    for name, buffer in method.named_buffers():
        if buffer.is_floating_point() and bool(torch.isnan(buffer).any()):
            raise RestillError(f"the buffer '{name}' holds NaN; {advice(folder)}")


def advice(folder: Path | None) -> str:
    """Advice for losses or weights that are not finite."""
    saved = checkpoints(folder) if folder else []
    good = f" The last good checkpoint is kept: {saved[-1]}" if saved else ""
    return f"try a smaller optimizer.lr or optimizer.clip_norm.{good}"
