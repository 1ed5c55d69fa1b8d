"""Parameters and multiply-accumulates (MACs) of a network, counted exactly, in both conventions in use.

Papers write "FLOPs" and mean MACs, each by another tool. CSTD's Table 2 counts one MAC per weight used, plus one per
output element of a convolution for its bias; most others leave the bias out. Both are given here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from restill.errors import RestillError
from restill.networks import NETWORKS, NetworkSpec, create

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Complexity:
    """What one restored frame costs.

    Attributes:
        parameters: Trainable or not, each shared one once.
        macs: Multiply-accumulates of convolutions and linear layers, biases left out.
        macs_with_bias: The same plus one per output element of a layer that has a bias (the convention of CSTD).
        size: (height, width) that it was counted at: the size asked for, rounded up to the network's multiple.
    """

    parameters: int
    macs: int
    macs_with_bias: int
    size: tuple[int, int]

    @property
    def macs_per_pixel(self) -> float:
        """MACs, biases left out, per pixel of an input frame."""
        return self.macs / (self.size[0] * self.size[1])


def count(module: nn.Module, size: Sequence[int] = (128, 128)) -> Complexity:
    """Count a network by running a copy of it on the meta device: no arithmetic, no memory, any size.

    Only layers that are modules are seen: convolutions, transposed convolutions, linear layers. A convolution counts
    every tap at every output position, the ones over the zero padding too, as all the papers' tools do.

    Args:
        module: Maps a window (B, K, C, H, W) to a picture; it is not changed.
        size: (H, W), with the frames and the size multiple from ``module.spec``; or the whole window (K, C, H, W)
            for a network without a spec.

    Raises:
        RestillError: ``size`` is neither, or two numbers were given for a network without a ``spec``.
    """
    spec: NetworkSpec | None = getattr(module, "spec", None)
    if len(size) == 2 and spec is not None:
        window = (spec.frames, 3, *size)
    elif len(size) == 4:
        window = tuple(size)
    else:
        raise RestillError(f"size {tuple(size)} must be (H, W) of a network with a spec, or (frames, channels, H, W)")
    multiple = spec.size_multiple if spec is not None else 1
    height, width = (-(-side // multiple) * multiple for side in window[2:])
    if min(window) < 1:
        raise RestillError(f"size {tuple(size)} must be of positive numbers")

    ghost = copy.deepcopy(module).to("meta").eval()
    layers: list[tuple[int, int]] = []  # (MACs, output elements with a bias) of each call

    def tally(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        layers.append((_layer_macs(layer, inputs[0], output), output.numel() if layer.bias is not None else 0))

    for layer in ghost.modules():
        if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)):
            layer.register_forward_hook(tally)
    with torch.no_grad():
        ghost(torch.empty(1, *window[:2], height, width, device="meta"))
    macs = sum(layer[0] for layer in layers)
    return Complexity(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        macs=macs,
        macs_with_bias=macs + sum(layer[1] for layer in layers),
        size=(height, width),
    )


def _layer_macs(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return y.numel() * layer.in_features
    taps = math.prod(layer.kernel_size)
    if isinstance(layer, TRANSPOSED):
        return x.numel() * taps * layer.out_channels // layer.groups  # every input element is spread over all taps
    return y.numel() * taps * layer.in_channels // layer.groups


def table(size: tuple[int, int] = (128, 128)) -> list[dict[str, Any]]:
    """Every network of :data:`restill.networks.NETWORKS` with its counts, as plain data.

    Args:
        size: (H, W) in pixels.

    Returns:
        One dict each: ``name``, ``paper``, ``frames``, ``parameters``, ``macs`` (the paper's convention: one more per
        output element for the bias), ``macs_conv`` (without it), ``macs_per_pixel`` (without it), ``size`` [H, W].
    """
    rows = []
    for name in NETWORKS:
        with torch.device("meta"):
            network = create(name)
        spec: NetworkSpec = network.spec  # type: ignore[assignment]
        cost = count(network, size)
        rows.append(
            {
                "name": name,
                "paper": spec.paper,
                "frames": spec.frames,
                "parameters": cost.parameters,
                "macs": cost.macs_with_bias,
                "macs_conv": cost.macs,
                "macs_per_pixel": cost.macs_per_pixel,
                "size": list(cost.size),
            }
        )
    return rows


def parse_size(text: str) -> tuple[int, int]:
    """``"640x480"`` (width x height, as people write it) as (H, W), as tensors have it.

    >>> parse_size("640x480")
    (480, 640)

    Raises:
        RestillError: It is not two positive whole numbers.
    """
    width, _, height = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise RestillError(f"--size '{text}' must be WIDTHxHEIGHT in pixels, such as 640x480")
    return int(height), int(width)
