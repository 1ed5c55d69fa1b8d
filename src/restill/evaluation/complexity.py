"""Parameters and multiply-accumulates (MACs) of a network, counted exactly, in the convention of each paper.

Papers write "FLOPs" and mean MACs, each by another tool. What the tools see beside the MACs is in :data:`CONVENTIONS`;
each reproduces what its paper prints of its own networks.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from restill.errors import RestillError
from restill.networks import NETWORKS, NetworkSpec, create, network_class

_MACS = {"convolution": 1, "deformable": 1, "matmul": 1}

CONVENTIONS: dict[str, dict[str, int]] = {
    "all": _MACS,
    "cstd": _MACS | {"bias": 1},
    "std": _MACS | {"deformable": 0},
    "slkd": _MACS | {"layer norm": 5},
    "ssid": _MACS | {"bias": 1, "activation": 1, "pooling": 1},
}
"""How often each kind of work counts: ``all`` is every multiply-accumulate and nothing else; ``cstd`` is thop's way,
``slkd`` fvcore's, ``ssid`` ptflops'; ``std`` leaves out what a deformable convolution does itself."""


@dataclass(frozen=True)
class Complexity:
    """What one restored frame costs.

    Attributes:
        parameters: Trainable or not, each shared one once.
        work: By kind. Multiply-accumulates: ``convolution``, ``deformable`` (deformable convolutions, without those
            that make the offsets), ``matmul`` (linear layers, attention). Elements: ``bias`` (outputs of convolutions
            with a bias), ``activation`` (what ReLU, leaky ReLU and PReLU go over), ``pooling`` (what is pooled),
            ``layer norm`` (what ``nn.LayerNorm`` normalizes; one that a network writes out itself is not seen).
        size: (height, width) that it was counted at: the size asked for, rounded up to the network's multiple.
    """

    parameters: int
    work: dict[str, int]
    size: tuple[int, int]

    @property
    def macs(self) -> int:
        """Every multiply-accumulate of convolutions, linear layers and attention; biases left out."""
        return self.by("all")

    @property
    def macs_per_pixel(self) -> float:
        """:attr:`macs` per pixel of an input frame."""
        return self.macs / prod(self.size)

    def by(self, convention: str) -> int:
        """The count in one of :data:`CONVENTIONS`.

        Raises:
            RestillError: There is no such convention.
        """
        if convention not in CONVENTIONS:
            raise RestillError(f"convention '{convention}' is not known; the conventions are: {', '.join(CONVENTIONS)}")
        return sum(times * self.work[kind] for kind, times in CONVENTIONS[convention].items())


def count(module: nn.Module, size: Sequence[int] = (128, 128)) -> Complexity:
    """Count a network by running a copy of it on the meta device: no arithmetic, no memory, any size.

    Every operation is seen, whether a module or a function does it. A convolution counts every tap at every output
    position, the ones over the zero padding too, as all the papers' tools do.

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
    return Complexity(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        work=_work(copy.deepcopy(module).to("meta").eval(), (1, *window[:2], height, width)),
        size=(height, width),
    )


def _work(ghost: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """:attr:`Complexity.work` of a network on the meta device, which is given hooks."""
    macs = FlopCounterMode(display=False)
    others = FlopCounterMode(display=False, custom_mapping=_ELEMENTS)
    normalized = 0

    def normalize(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal normalized
        normalized += output.numel()

    for layer in ghost.modules():
        if type(layer) is nn.LayerNorm:
            layer.register_forward_hook(normalize)
    with torch.no_grad(), macs, others:
        ghost(torch.empty(shape, device="meta"))
    flops = Counter(macs.get_flop_counts()["Global"])
    elements = Counter(others.get_flop_counts()["Global"])
    convolution = flops[_aten.convolution] // 2  # two FLOPs are one MAC
    return {
        "convolution": convolution,
        "deformable": 0,
        "matmul": flops.total() // 2 - convolution,
        "bias": elements[_aten.convolution],
        "activation": sum(elements[kind] for kind in _ACTIVATIONS),
        "pooling": sum(elements[kind] for kind in _POOLINGS),
        "layer norm": normalized,
    }


def _bias_elements(x: Any, weight: Any, bias: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    return 0 if bias is None else prod(out_shape)


def _input_elements(x: Any, *_: Any, **__: Any) -> int:
    return prod(x)


_aten = torch.ops.aten
_ACTIVATIONS = (_aten.relu, _aten.relu_, _aten.leaky_relu, _aten.leaky_relu_, _aten._prelu_kernel)
_POOLINGS = (
    _aten.max_pool2d_with_indices,
    _aten.max_pool3d_with_indices,
    _aten.avg_pool2d,
    _aten.avg_pool3d,
    _aten._adaptive_avg_pool2d,
    _aten.adaptive_max_pool2d,
)
# what FlopCounterMode is to count instead of FLOPs; it hands over shapes
_ELEMENTS = {_aten.convolution: _bias_elements} | dict.fromkeys(_ACTIVATIONS + _POOLINGS, _input_elements)


def table(size: tuple[int, int] = (128, 128), convention: str = "all", task: str | None = None) -> list[dict[str, Any]]:
    """The networks of :data:`restill.networks.NETWORKS` with their counts, as plain data.

    Args:
        size: (H, W) of the input in pixels.
        convention: One of :data:`CONVENTIONS`.
        task: Only networks for this task, such as "derain".

    Returns:
        One dict each: ``name``, ``task``, ``paper``, ``frames``, ``scale``, ``parameters``, ``convention``, ``macs``
        and ``macs_per_pixel`` (both in that convention), ``size`` [H, W] that it was counted at.

    Raises:
        RestillError: There is no such convention or task.
    """
    tasks: dict[str, str] = {name: network_class(name).spec.task for name in NETWORKS}  # type: ignore[union-attr]
    if task is not None and task not in tasks.values():
        raise RestillError(f"task '{task}' is not known; the tasks are: {', '.join(sorted(set(tasks.values())))}")
    rows = []
    for name in (name for name in NETWORKS if task in (None, tasks[name])):
        with torch.device("meta"):
            network = create(name)
        spec: NetworkSpec = network.spec  # type: ignore[assignment]
        cost = count(network, size)
        macs = cost.by(convention)
        rows.append(
            {
                "name": name,
                "task": spec.task,
                "paper": spec.paper,
                "frames": spec.frames,
                "scale": spec.scale,
                "parameters": cost.parameters,
                "convention": convention,
                "macs": macs,
                "macs_per_pixel": macs / prod(cost.size),
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
