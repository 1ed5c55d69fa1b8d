"""How far a network looks: by a value that is no number, which every sum that it enters carries on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from restill.networks.spec import NetworkSpec

SIDES = (64, 192)  # of the picture that is tried, pixels, rounded up to the network's multiple
ANYWHERE = ("grid_sampler", "gather", "index")  # operations that take values from where other values say


@torch.no_grad()
def receptive_field(network: nn.Module) -> int | None:
    """How far around a pixel a network looks at most, pixels of its input.

    One pixel of the input, in all frames, is NaN; how far NaN spreads in the output is how far a pixel is seen. This is
    done for the first and the last pixel of a cell of ``size_multiple``: one reaches farthest in one direction, one
    in the other. A network that looks far away without looking at what lies between is not told apart from one that
    does not look so far.

    Args:
        network: Any with a spec; it is put in eval mode.

    Returns:
        Pixels; None where it is more than about 90, or the whole frame, or where what the network sees decides where
        it looks (it warps frames, or has deformable convolutions).
    """
    spec: NetworkSpec = network.eval().spec  # type: ignore[assignment]
    with _Watch() as watch:
        network(_window(spec, SIDES[0]))  # without NaN: where a network is to look there, it may end the process
    if watch.anywhere:
        return None
    tried = (_within(network, spec, _window(spec, side)) for side in SIDES)
    return next((found for found in tried if found is not None), None)


def _window(spec: NetworkSpec, side: int) -> Tensor:
    """(1, K, 3, H, H), H about ``side``: an even number of cells."""
    side = -(-side // (2 * spec.size_multiple)) * 2 * spec.size_multiple
    return torch.rand(1, spec.frames, 3, side, side)


def _within(network: nn.Module, spec: NetworkSpec, window: Tensor) -> int | None:
    """How far a network looks, or None where that is beyond the window's edges."""
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
    """Notes whether an operation of :data:`ANYWHERE` is done."""

    anywhere = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.anywhere |= func.overloadpacket.__name__.removeprefix("_").startswith(ANYWHERE)
        return func(*args, **kwargs or {})
