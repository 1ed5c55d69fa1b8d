"""Exact counts of a network's parameters and multiply-accumulates (MACs), in the convention of each paper.

Papers write "FLOPs" but count MACs, each with another tool. :data:`CONVENTIONS` lists what each tool counts besides
MACs; each convention reproduces the numbers that its paper prints for its own networks.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from restill.errors import RestillError
from restill.networks import NETWORKS, NetworkSpec, create, network_class
from restill.networks.blocks.deformable import DeformableConv2d
from restill.progress import track


@dataclass(frozen=True)
class Convention:
    """A counting convention.

    Attributes:
        meaning: Description in words.
        times: Factor for each kind of :attr:`Complexity.work`.
    """

    meaning: str
    times: dict[str, int]


_MACS = {"convolution": 1, "deformable": 1, "matmul": 1}

CONVENTIONS: dict[str, Convention] = {
    "all": Convention("every multiply-accumulate (MAC) of convolutions, linear layers and attention", _MACS),
    "cstd": Convention("MACs, and 1 per output of a convolution with a bias (CSTD, by thop)", _MACS | {"bias": 1}),
    "std": Convention("MACs without those of deformable convolutions themselves (STD)", _MACS | {"deformable": 0}),
    "slkd": Convention("MACs, and 5 per element of a layer-norm module (SLKD, by fvcore)", _MACS | {"layer norm": 5}),
    "ssid": Convention(
        "MACs, biases, elements that ReLU modules go over and that are pooled (SSID-KD, by ptflops)",
        _MACS | {"bias": 1, "activation": 1, "pooling": 1},
    ),
}


@dataclass(frozen=True)
class Complexity:
    """The cost of one restored frame.

    Attributes:
        parameters: Trainable or not; shared ones count once.
        work: Counts by kind. Multiply-accumulates: ``convolution``, ``deformable`` (deformable convolutions, without
            those that make the offsets), ``matmul`` (linear layers, attention). Elements: ``bias`` (outputs of
            convolutions with a bias), ``pooling`` (what is pooled), and of modules alone, as the tools see it,
            ``activation`` (what ``nn.ReLU``, ``nn.LeakyReLU`` and ``nn.PReLU`` go over) and ``layer norm`` (what
            ``nn.LayerNorm`` does).
        size: (height, width) of the count: the requested size, rounded up to the network's multiple.
    """

    parameters: int
    work: dict[str, int]
    size: tuple[int, int]

    @property
    def macs(self) -> int:
        """Every multiply-accumulate of convolutions, linear layers and attention, without biases."""
        return self.by("all")

    @property
    def macs_per_pixel(self) -> float:
        """:attr:`macs` per pixel of an input frame."""
        return self.macs / prod(self.size)

    def by(self, convention: str) -> int:
        """The count in one of :data:`CONVENTIONS`.

        Raises:
            RestillError: The convention is unknown.
        """
        return sum(times * self.work[kind] for kind, times in _convention(convention).times.items())


def _convention(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise RestillError(f"convention '{name}' is not known; the conventions are: {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]


def count(module: nn.Module, size: Sequence[int] = (128, 128)) -> Complexity:
    """Count a network by running a copy on the meta device, which needs no arithmetic and no memory.

    Operations of modules and of functions are counted. A convolution counts every tap at every output position, also
    over the zero padding, as the papers' tools do.

    Args:
        module: A network from a window (B, K, C, H, W) to a picture; it is not changed.
        size: (H, W), with the frames and the size multiple from ``module.spec``; or the whole window (K, C, H, W)
            for a network without a spec.

    Raises:
        RestillError: ``size`` has another form, or two numbers were given for a network without a ``spec``.
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


def _work(network: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """:attr:`Complexity.work` of a network on the meta device, which is given hooks."""
    meter = _Meter()
    for layer in network.modules():
        if type(layer) in _ELEMENTWISE:
            layer.register_forward_hook(partial(meter.elements, _ELEMENTWISE[type(layer)]))
        elif isinstance(layer, DeformableConv2d):
            layer.register_forward_pre_hook(meter.in_deformable)
            layer.register_forward_hook(meter.out_of_deformable)
            layer.offset.register_forward_pre_hook(meter.out_of_deformable)
            layer.offset.register_forward_hook(meter.in_deformable)
    with torch.no_grad(), meter:
        network(torch.empty(shape, device="meta"))
    return meter.work


_aten = torch.ops.aten
_MATMULS = (_aten.mm, _aten.addmm, _aten.bmm, _aten.baddbmm)
_POOLINGS = (
    _aten.max_pool2d_with_indices,
    _aten.max_pool3d_with_indices,
    _aten.avg_pool2d,
    _aten.avg_pool3d,
    _aten._adaptive_avg_pool2d,
    _aten.adaptive_max_pool2d,
)
_ELEMENTWISE: dict[type, str] = {
    nn.LayerNorm: "layer norm",
    nn.ReLU: "activation",
    nn.LeakyReLU: "activation",
    nn.PReLU: "activation",
}


class _Meter(TorchDispatchMode):
    """Counts the operations of a network, in modules and functions.

    ``torch.utils.flop_counter`` counts the same multiplications but no biases, and takes twice as long.
    """

    def __init__(self) -> None:
        super().__init__()
        kinds = ("convolution", "deformable", "matmul", "bias", "activation", "pooling", "layer norm")
        self.work: dict[str, int] = dict.fromkeys(kinds, 0)
        self.convolution = "convolution"

    def in_deformable(self, *_: Any) -> None:
        self.convolution = "deformable"

    def out_of_deformable(self, *_: Any) -> None:
        self.convolution = "convolution"

    def elements(self, kind: str, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self.work[kind] += output.numel()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation is _aten.convolution:
            x, weight, bias, _, _, _, transposed, *_ = args
            # weight[0]: the taps of one output or, if transposed, the outputs of one input
            self.work[self.convolution] += (x if transposed else result).numel() * weight[0].numel()
            self.work["bias"] += 0 if bias is None else result.numel()
        elif operation in _MATMULS:
            *_, a, b = args
            self.work["matmul"] += a.numel() * b.shape[-1]
        elif operation in _POOLINGS:
            self.work["pooling"] += args[0].numel()
        return result


def table(
    size: tuple[int, int] = (128, 128), convention: str = "all", task: str | None = None, *, quiet: bool = True
) -> list[dict[str, Any]]:
    """The counts of all networks in :data:`restill.networks.NETWORKS`, as plain data.

    Args:
        size: (H, W) of the input in pixels.
        convention: One of :data:`CONVENTIONS`.
        task: Only networks for this task, such as "derain".
        quiet: Show no progress.

    Returns:
        One dict each: ``name``, ``task``, ``paper``, ``frames``, ``scale``, ``parameters``, ``convention``, ``macs``
        and ``macs_per_pixel`` (both in that convention), ``size`` [H, W] of the count,
        ``no_export`` (why there is no ONNX export, or None).

    Raises:
        RestillError: The convention or task is unknown.
    """
    _convention(convention)
    tasks: dict[str, str] = {name: network_class(name).spec.task for name in NETWORKS}  # type: ignore[union-attr]
    if task is not None and task not in tasks.values():
        raise RestillError(f"task '{task}' is not known; the tasks are: {', '.join(sorted(set(tasks.values())))}")
    names = [name for name in NETWORKS if task in (None, tasks[name])]
    rows = []
    with track("counting", len(names), "networks", quiet=quiet) as advance:
        for name in names:
            rows.append(_row(name, size, convention))
            advance()
    return rows


def _counted(name: str, size: tuple[int, int]) -> tuple[NetworkSpec, Complexity]:
    with torch.device("meta"):
        network = create(name)
    return network.spec, count(network, size)  # type: ignore[return-value]


def _row(name: str, size: tuple[int, int], convention: str) -> dict[str, Any]:
    spec, cost = _counted(name, size)
    macs = cost.by(convention)
    return {
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
        "no_export": spec.no_export,
    }


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``"640x480"`` (width x height) to (H, W).

    >>> parse_size("640x480")
    (480, 640)

    Raises:
        RestillError: The text is not two positive integers.
    """
    width, _, height = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise RestillError(f"--size '{text}' must be WIDTHxHEIGHT in pixels, such as 640x480")
    return int(height), int(width)
