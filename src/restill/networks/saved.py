"""Networks in safetensors files, with name and options in the header, so that reading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.adapter import unwrapped

STUDENT = "student.safetensors"
MOST_BYTES = 4 << 30  # largest file of a network


def save_network(path: Path, network: nn.Module, info: dict[str, Any]) -> None:
    """Write a network's weights, with its name and options in the header.

    Args:
        path: The .safetensors file.
        network: The network; its state dict is written.
        info: ``network``, ``options``, ``align``, ``name``: see :func:`load_network`.
    """
    tensors, same = saveable(unwrapped(network).state_dict())
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"restill": json.dumps(info), **same})
    partial.replace(path)


def saveable(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Prepare a state dict for safetensors: each tensor once, with its own memory.

    Args:
        state: State dict of any module.

    Returns:
        The tensors; and for each left-out second name of a tensor, the name that was kept, as
        :func:`safetensors.torch.load_model` expects it.

    Raises:
        RestillError: It contains something other than plain tensors.
    """
    tensors: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    memory: set[int] = set()
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized or value.is_meta:
            what, kept_out = f"a value of type {type(value).__name__}", "remove get_extra_state from its module"
            if isinstance(value, Tensor):
                what = "a quantized tensor" if value.is_quantized else f"a {value.layout} tensor on {value.device}"
                kept_out = "make it a dense tensor, or keep it out by register_buffer(..., persistent=False)"
            raise RestillError(
                f"the state dict holds at '{key}' {what}, which a .safetensors file cannot hold; {kept_out}"
            )
        value = value.detach()
        place = (value.data_ptr(), value.shape, value.stride(), value.dtype) if value.numel() else (key,)
        if place in seen:
            same[key] = seen[place]
            continue
        seen[place] = key
        storage = value.untyped_storage().data_ptr()
        tensors[key] = value.clone() if storage in memory else value
        tensors[key] = tensors[key].contiguous()
        memory.add(storage)
    return tensors, same


def load_network(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Load a network with its weights, in eval mode.

    Args:
        path: A .safetensors file of Restill, or a folder with ``student.safetensors``.

    Returns:
        The module, and the header: ``network``, ``options``, ``align``, ``name``.

    Raises:
        RestillError: The file is missing, is not a checkpoint of Restill, or its weights do not fit.
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
            raise RestillError(_advice(path, info))
        with torch.device("meta"):  # uses no memory, whatever the header says
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


def _advice(path: Path, info: dict[str, Any]) -> str:
    """Advice for the weights of a network that the user built."""
    facts = {key: info[key] for key in ("context", "picture", "align") if info.get(key) not in (None, 0, "none")}
    more = "".join(f", {key}={value!r}" for key, value in facts.items())
    return (
        f"{path}: contains the weights of a network that you built yourself ({info.get('class', 'a PyTorch module')}), "
        "which Restill cannot build; in Python, build it as net, call "
        f"safetensors.torch.load_model(net, {str(path)!r}), then restill.export(net, 'mine.onnx'{more}) "
        f"or restill.evaluate(net, ...{more})"
    )
