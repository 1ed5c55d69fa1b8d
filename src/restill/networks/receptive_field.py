"""Measuring a network's receptive field with a NaN, which spreads to every output that depends on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from restill.networks.spec import NetworkSpec

SIDES = (64, 192)  # sides of the trial pictures in pixels, rounded up to the network's multiple
ANYWHERE = ("grid_sampler", "gather", "index")  # operations that read at positions given by other values


@torch.no_grad()
def receptive_field(network: nn.Module) -> int | None:
    """The radius of a network's receptive field, in pixels of its input.

    One pixel of the input is set to NaN in all frames, and the distance is measured to which NaN spreads in the output.
    This is done for the first and the last pixel of a cell of ``size_multiple``, which spread farthest in opposite
    directions. A distant pixel is missed if the pixels in between have no influence.

    Args:
        network: Any network with a spec; it is put in eval mode.

    Returns:
        Pixels; None if it is more than about 90 or the whole frame, or if it depends on the input (the network warps
        frames, or has deformable convolutions).
    """
    spec: NetworkSpec = network.eval().spec  # type: ignore[assignment]
    with _Watch() as watch:
        network(_window(spec, SIDES[0]))  # without NaN, since reading at a NaN position may crash the process
    if watch.anywhere:
        return None
    tried = (_within(network, spec, _window(spec, side)) for side in SIDES)
    return next((found for found in tried if found is not None), None)


def _window(spec: NetworkSpec, side: int) -> Tensor:
    """(1, K, 3, H, H), H about ``side``: an even number of cells."""
    side = -(-side // (2 * spec.size_multiple)) * 2 * spec.size_multiple
    return torch.rand(1, spec.frames, 3, side, side)


def _within(network: nn.Module, spec: NetworkSpec, window: Tensor) -> int | None:
    """The radius, or None if it extends beyond the window."""
    middle, farthest = window.shape[-1] // 2, 0
    for at in (middle, middle + spec.size_multiple - 1):
        probe = window.clone()
        probe[..., at, at] = torch.nan
        seen = network(probe)[0].isnan().any(0)  # (s*H, s*W)
        for lines in (seen.any(0), seen.any(1)):
            where = lines.nonzero().flatten()
            if where[0] == 0 or where[-1] == len(lines) - 1:
                return None
            first, last = int(where[0]) // spec.scale, int(where[-1]) // spec.scale
            farthest = max(farthest, at - first, last - at)
    return farthest


class _Watch(TorchDispatchMode):
    """Records whether an operation of :data:`ANYWHERE` runs."""

    anywhere = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.anywhere |= func.overloadpacket.__name__.removeprefix("_").startswith(ANYWHERE)
        return func(*args, **kwargs or {})
