"""Measure the size of the features that a method compares, and of the outputs of its recurrent cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from restill.distillation.cells import ConvLSTMCell
from restill.distillation.method import Method
from restill.distillation.paired import Paired
from restill.distillation.scales import ObservedNetwork, channel_map
from restill.distillation.windows import Batch


@dataclass(frozen=True)
class FeatureSize:
    """Size of the features that a method compares, at one path of each network.

    Attributes:
        paths: Module path by side, "teacher" and "student".
        mean_square: Mean over everything of F^2, by side.
        channel_mean_square: Mean over positions of (mean over channels of F)^2, by side. SRKD and CSTD compare
            only this.
    """

    paths: dict[str, str]
    mean_square: dict[str, float]
    channel_mean_square: dict[str, float]


@dataclass(frozen=True)
class CellSize:
    """Size of a recurrent cell's output C, (B, D, H, W).

    Attributes:
        runs: How often it ran.
        mean_abs: Mean of abs(C).
        spread: Standard deviation over B, H and W, mean over D, divided by ``mean_abs``. Near 0, the output is the
            same at every position and for every sample: the cell has collapsed, or its input is too small.
    """

    runs: int
    mean_abs: float
    spread: float


def sides(method: Method) -> tuple[str, ...]:
    """The networks of a method: ("teacher", "student"), or ("student",) without a teacher."""
    return ("student",) if method.teacher is None else ("teacher", "student")


@torch.no_grad()
def feature_sizes(method: Method, batches: Sequence[Batch]) -> dict[str, FeatureSize]:
    """Size of both networks' features that the method uses, mean over the batches."""
    nets = {net.side: net for net in vars(method).values() if isinstance(net, ObservedNetwork)}
    roles = method.wanted() if isinstance(method, Paired) else getattr(method, "roles", ("feature",))
    sums: dict[tuple[str, int], dict[str, Tensor]] = defaultdict(dict)  # of F^2 and of the squared channel mean, (2,)
    for batch in batches:
        for side in (side for side in sides(method) if side in nets):
            seen = nets[side].run(method.shown(batch) if side == "student" else method.shown_to_teacher(batch))
            for role in roles:
                for place, f in enumerate(nets[side].maps(seen, role)):  # (N, C, h, w)
                    both = torch.stack([f.float().square().mean(), channel_map(f, "mean_sq").mean()])
                    sums[role, place][side] = sums[role, place].get(side, 0.0) + both / len(batches)
    return {
        role if (role, 1) not in sums else f"{role} {place + 1}": FeatureSize(
            {side: nets[side].paths[role][place] for side in by_side},
            {side: both[0].item() for side, both in by_side.items()},
            {side: both[1].item() for side, both in by_side.items()},
        )
        for (role, place), by_side in sums.items()
    }


@dataclass
class CellSums:
    """Measurements of one cell by :func:`watch_cells`, run by run: mean of abs(C), and its deviation.

    Call :meth:`size` only for a cell that has run.
    """

    mean_abs: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)

    def size(self) -> CellSize:
        mean_abs = sum(self.mean_abs)
        return CellSize(len(self.std), mean_abs / len(self.std), sum(self.std) / mean_abs if mean_abs else 0.0)


@contextmanager
def watch_cells(method: Method) -> Iterator[dict[str, CellSums]]:
    """Context manager that measures every run of a recurrent cell.

    Yields:
        Measurements by "module path, side". The side is "student" for runs with a gradient, "teacher" for those
        without.
    """
    sums: dict[str, CellSums] = defaultdict(CellSums)

    def keep(name: str, state: tuple[Tensor, Tensor]) -> None:
        c = state[1]  # (B, D, H, W)
        kept = sums[f"{name}, {'student' if c.requires_grad else 'teacher'}"]
        c = c.detach().float()
        kept.mean_abs.append(c.abs().mean().item())
        kept.std.append(c.std(dim=(0, 2, 3), correction=0).mean().item())

    def hook(name: str) -> Any:
        return lambda module, inputs, state: keep(name, state)

    with ExitStack() as stack:
        for name, module in method.named_modules():
            if isinstance(module, ConvLSTMCell):
                stack.callback(module.register_forward_hook(hook(name)).remove)
        yield sums
