"""What must hold before the first step: the pictures of the student fit the clean ones, and every loss reaches it."""

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

SHOWN = 3  # names that a message gives
OPAQUE = ("Checkpoint", "Rev")  # nodes of autograd that hide the weights they lead to


@contextmanager
def check_pictures(method: Method) -> Iterator[Callable[[Batch], None]]:
    """Compare every picture of the student with what the clean frames ask for, before any loss sees it.

    Args:
        method: Its student is watched.

    Yields:
        A function to call with each batch before the method sees it.
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
    """A student's picture must be (N, C, s*H, s*W) for windows (N, ..., H, W)."""
    wanted = (len(windows), channels, scale * windows.shape[-2], scale * windows.shape[-1])
    if tuple(picture.shape) != wanted:
        raise RestillError(
            f"the student {name} gives {tuple(picture.shape)} for a window {tuple(windows.shape)}, but the clean "
            f"picture there is {wanted} (B, C, H, W): it must give one picture of that shape"
        )


def check_gradients(method: Method, losses: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> None:
    """Every loss that has a weight must lead to a weight of the student that is trained.

    Args:
        method: Owns the student.
        losses: What it returned, with gradients.
        weights: Of the losses, by name.
        step: Steps done; before the method's warm-up a loss may still be a constant.

    Raises:
        RestillError: Names the loss.
    """
    trained = {id(parameter) for parameter in method.student.parameters() if parameter.requires_grad}
    for name, loss in losses.items():
        waiting = step < method.warmup and not loss.requires_grad
        if weights.get(name, 1.0) and name not in method.trains_others and not waiting and not _leads_to(loss, trained):
            raise RestillError(
                f"loss '{name}' does not reach the student: none of its trained weights gets a gradient from it. What "
                "the method looks at may be frozen, run under torch.no_grad or detached, or lie inside a reentrant "
                "checkpoint (use_reentrant=False helps). Name another place, or train without this loss: "
                f"weights={{'{name}': 0}}"
            )


def _leads_to(loss: Tensor, wanted: set[int]) -> bool:
    """Whether a backward pass from here comes to one of these parameters. Walks autograd's graph, computes nothing."""
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
    """A line about weights that the student shares with its teacher: they are frozen.

    Raises:
        RestillError: All are shared, so nothing is left to train.
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
    """Whatever a network or a loss raises in a step becomes one sentence about that step.

    Args:
        step: Steps done before it.
        batch: What the step is made from.

    Raises:
        RestillError: Names the step, the shapes and what was raised.
    """
    try:
        yield
    except RestillError:
        raise
    except Exception as error:
        if "DataLoader worker" in str(error):  # raised wherever the loop is, about another process
            raise
        shapes = " and ".join(f"'{side}' {tuple(batch[side].shape)}" for side in ("degraded", "clean"))
        reason = (str(error).strip().splitlines() or [""])[0]
        hint = "; lower the batch size or the crop" if isinstance(error, torch.OutOfMemoryError) else ""
        raise RestillError(
            f"step {step + 1} fails on a batch of {shapes} (B, T, C, H, W): {type(error).__name__}: {reason}{hint}"
        ) from error


def check_weights(method: nn.Module, folder: Path | None) -> None:
    """Nothing that holds NaN or an infinite weight is ever saved or given back.

    Raises:
        RestillError: Names the first such weight, and the checkpoint that is kept.
    """
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise RestillError(f"the weight '{name}' is no longer finite; {advice(folder)}")
    for name, buffer in method.named_buffers():
        if buffer.is_floating_point() and bool(torch.isnan(buffer).any()):
            raise RestillError(f"the buffer '{name}' holds NaN; {advice(folder)}")


def advice(folder: Path | None) -> str:
    """What to do about numbers that are not finite."""
    saved = checkpoints(folder) if folder else []
    good = f" The last good checkpoint is kept: {saved[-1]}" if saved else ""
    return f"try a smaller optimizer.lr or optimizer.clip_norm.{good}"
