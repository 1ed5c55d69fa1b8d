"""A network in a file: safetensors with the network's name and options in the header, so that reading runs no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from restill.errors import RestillError
from restill.networks import create

STUDENT = "student.safetensors"
MOST_BYTES = 4 << 30  # of a network's file


def save_network(path: Path, network: nn.Module, info: dict[str, Any]) -> None:
    """Write a network's weights with what they belong to in the header.

    Args:
        path: The .safetensors file.
        network: Its state dict is written.
        info: ``network``, ``options``, ``align``, ``name``: see :func:`load_network`.
    """
    tensors = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"restill": json.dumps(info)})
    partial.replace(path)


def load_network(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A network with its weights, in eval mode.

    Args:
        path: A .safetensors file of ours, or a folder that holds ``student.safetensors``.

    Returns:
        The module, and the header: ``network``, ``options``, ``align``, ``name``.

    Raises:
        RestillError: The file is missing, is no safetensors file of ours, or its weights do not fit.
    """
    path = Path(path)
    if path.is_dir():
        path = path / STUDENT
    if not path.is_file():
        raise RestillError(f"{path}: no such checkpoint; give a run's folder or a .safetensors file")
    if path.stat().st_size > MOST_BYTES:
        raise RestillError(f"{path}: has {path.stat().st_size:,} bytes; a checkpoint has at most {MOST_BYTES:,}")
    try:
        with safe_open(path, framework="pt") as file:
            info = json.loads((file.metadata() or {})["restill"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        if info["network"] is None:
            raise RestillError(
                f"{path}: holds the weights of a network that Restill does not have; build it yourself and load them "
                "with safetensors.torch.load_model"
            )
        with torch.device("meta"):  # takes no memory, whatever the header says of the network
            shapes = {
                key: value.shape for key, value in create(info["network"], **info["options"]).state_dict().items()
            }
        if shapes != {key: value.shape for key, value in tensors.items()}:
            raise RestillError(f"{path}: its weights do not fit network '{info['network']}'")
        network = create(info["network"], **info["options"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise RestillError(
            f"{path}: is not a checkpoint of restill (a .safetensors file with its network's name)"
        ) from error
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise RestillError(f"{path}: its weights do not fit network '{info['network']}'") from error
    return network.eval(), info
