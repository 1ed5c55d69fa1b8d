"""Checkpoints, as safetensors files only, so that reading one never runs code.

A run's folder contains ``student.safetensors`` (the final student: its weights and, in the header, its network) and
``checkpoint-NNNNNN/`` folders (the student, and ``state.safetensors``: everything else that a resumed run needs). A
folder gets its name only when it is complete.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file
from torch import nn

from restill.errors import RestillError
from restill.networks.adapter import unwrapped
from restill.networks.saved import STUDENT, load_network, save_network, saveable
from restill.progress import say
from restill.training.process import random_state, set_random_state
from restill.video.disk import sync

__all__ = [
    "STATE",
    "STUDENT",
    "check_saves",
    "checkpoints",
    "load_network",
    "load_state",
    "newest_readable",
    "read_header",
    "save_network",
    "save_state",
]

STATE = "state.safetensors"


def save_state(
    folder: Path,
    step: int,
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    student: nn.Module,
    info: dict[str, Any],
    header: Mapping[str, str] | None = None,
) -> Path:
    """Write everything that a resumed run needs. The folder gets its name only when it is complete and on the disk.

    Args:
        folder: Folder of the run.
        step: Steps done.
        method: The method; its state is written without the teacher's.
        optimizer: The optimizer; its state is written.
        student: The student, also written to its own file.
        info: Header of the student's file.
        header: Further entries, which :func:`read_header` returns.

    Returns:
        The checkpoint's folder, ``folder/checkpoint-NNNNNN``.

    Raises:
        RestillError: It cannot be written; the checkpoints before it stay.
    """
    target = folder / f"checkpoint-{step:06d}"
    partial = folder / f".checkpoint-{step:06d}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    state = {f"method/{key}": value for key, value in _own(method).items()}
    for key, slots in _slots(method, optimizer).items():
        state |= {f"optimizer/{key}/{slot}": value for slot, value in slots.items()}
    state |= {f"rng/{name}": value for name, value in random_state().items()}
    try:
        partial.mkdir(parents=True)
        metadata = {**(header or {}), "step": str(step)}
        save_file(saveable(state)[0], partial / STATE, metadata=metadata)
        save_network(partial / STUDENT, student, info)
        for file in partial.iterdir():
            sync(file)
        sync(partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RestillError(
            f"{target}: cannot be written: {error}; earlier checkpoints are kept; continue from them with --resume"
        ) from error
    for old in checkpoints(folder)[:-2]:
        shutil.rmtree(old)
    return target


def check_saves(method: nn.Module, student: nn.Module) -> None:
    """Check before the first step that everything can be saved; writes nothing.

    Raises:
        RestillError: Something cannot be saved.
    """
    for state in (saveable(unwrapped(student).state_dict())[0], _own(method)):
        try:
            save({key: value[:0] if value.dim() else value for key, value in state.items()})
        except Exception as error:  # safetensors raises several types
            raise RestillError(f"the student's weights cannot be saved as .safetensors: {error}") from error


def load_state(checkpoint: Path, method: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint's state.

    Returns:
        The steps done.

    Raises:
        RestillError: The checkpoint does not fit this recipe.
    """
    path = checkpoint / STATE
    step = int(read_header(checkpoint)["step"])
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise RestillError(f"{path}: cannot be read as a training state") from error
    saved = {key.removeprefix("method/"): value for key, value in state.items() if key.startswith("method/")}
    own = _own(method)
    if saved.keys() != own.keys() or any(saved[key].shape != own[key].shape for key in own):
        raise RestillError(
            f"{checkpoint}: belongs to another recipe (its weights do not fit); give the run another 'name'"
        )
    method.load_state_dict(saved, strict=False)
    slots: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        if key.startswith("optimizer/"):
            name, _, slot = key.removeprefix("optimizer/").rpartition("/")
            slots.setdefault(name, {})[slot] = value
    for name, parameter in method.named_parameters():
        if name in slots:
            optimizer.state[parameter] = {
                slot: value if slot == "step" else value.to(parameter.device) for slot, value in slots[name].items()
            }
    set_random_state({key.removeprefix("rng/"): value for key, value in state.items() if key.startswith("rng/")})
    return step


def read_header(checkpoint: Path) -> dict[str, str]:
    """Read a checkpoint's header: ``step``, and the ``header`` of :func:`save_state`.

    Raises:
        RestillError: It cannot be read.
    """
    path = checkpoint / STATE
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata())
        int(header["step"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise RestillError(f"{path}: cannot be read as a training state") from error
    return header


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted(folder.glob("checkpoint-*"))


def newest_readable(folder: Path) -> Path | None:
    """The newest checkpoint whose files are intact, to resume from; None if there is none."""
    for found in reversed(checkpoints(folder)):
        try:
            for name in (STATE, STUDENT):
                with safe_open(found / name, framework="pt") as file:
                    file.metadata()
        except (SafetensorError, OSError) as error:
            say(f"{found}: is damaged and skipped: {error}")
        else:
            return found
    return None


def _own(method: nn.Module) -> dict[str, torch.Tensor]:
    """The method's state without the frozen teacher's; each shared tensor once."""
    return saveable({key: value for key, value in method.state_dict().items() if not key.startswith("teacher.")})[0]


def _slots(method: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    names = {parameter: name for name, parameter in method.named_parameters()}
    return {
        names[p]: slots
        for group in optimizer.param_groups
        for p in group["params"]
        if (slots := optimizer.state.get(p))
    }
