"""Students as PyTorch modules, to fine-tune, to distill, or to use in other PyTorch code."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from restill import zoo
from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.networks.rill import BalancedConv
from restill.runtime.info import read_info
from restill.training.checkpoint import load_network
from restill.training.fold import unfold


def load(model: str | os.PathLike[str]) -> nn.Module:
    """A student as a PyTorch module with its weights.

    Args:
        model: A name of ``restill models``; a .onnx file that ``restill export`` wrote of one of Restill's networks; a
            ``student.safetensors``, or the folder of a run that contains one.

    Returns:
        The network on the CPU, in eval mode. It maps windows of frames (B, K, 3, H, W), RGB in [0, 1], to the restored
        center frame (B, 3, scale*H, scale*W), not clamped. ``spec`` says how many frames it takes (``spec.frames``)
        and which multiples H and W must be (``spec.size_multiple``). Align the neighbors to the center frame first, as
        the student's card says (:mod:`restill.alignment`).

    Raises:
        RestillError: There is no such model; it is quantized; or its weights do not fit its network as this version
            builds it.

    Example:
        >>> network = load("min-median")
        >>> network(torch.rand(1, network.spec.frames, 3, 48, 64)).shape
        torch.Size([1, 3, 48, 64])
    """
    path = Path(model)
    if path.suffix == ".safetensors" or (path / "student.safetensors").is_file():
        return load_network(path)[0]
    return _from_onnx(zoo.find(model))


def _from_onnx(path: Path) -> nn.Module:
    """The network of an exported file, with its weights."""
    info = read_info(path)
    if info.precision == "int8":
        raise RestillError(f"'{path}' is quantized, and its weights are rounded; load the file that it was made from")
    if info.network not in NETWORKS:
        raise RestillError(f"'{path}' contains '{info.network}', a network of your own; load its weights in Python")
    network = create(info.network)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    weights = {name: _fitted(stored.get(name), value) for name, value in network.state_dict().items()}
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if parameters != info.parameters or any(weight is None for weight in weights.values()):
        raise RestillError(
            f"the weights in '{path}' do not fit network '{info.network}' as this version builds it: it was exported "
            "with other options or by an older version. If you have its run, load the run's folder"
        )
    network.load_state_dict(weights)
    for module in network.modules():
        if isinstance(module, BalancedConv):  # the file has the plain convolution
            assert module.bias is not None  # noqa: S101
            module.balance(module.weight.detach().clone(), module.bias.detach().clone())
    return network.eval()


def _fitted(stored: np.ndarray | None, own: torch.Tensor) -> torch.Tensor | None:
    """A stored weight in the shape of the network's own; None if it does not fit."""
    if stored is None:
        return None
    if stored.ndim == own.ndim == 4 and stored.size == own.numel() and stored.shape[-1] % own.shape[-1] == 0:
        stored = unfold(stored, stored.shape[-1] // own.shape[-1])
    return torch.from_numpy(stored.copy()) if stored.shape == own.shape else None
