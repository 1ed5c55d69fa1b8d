"""The recurrent cell that distillation methods compare networks through: a ConvLSTM with one convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.losses.pyramid import pool

State = tuple[Tensor, Tensor]  # (hid, cell), each (B, D, H, W)


class ConvLSTMCell(nn.Module):
    """One 3x3 convolution gives all four gates.

    Args:
        inputs: Channels of ``x``.
        hidden: D, channels of either part of the state.
        hint: Channels of the extra status that is concatenated with the state; 0 for none.

    >>> sum(p.numel() for p in ConvLSTMCell(1).parameters())
    9856
    """

    def __init__(self, inputs: int, hidden: int = 16, hint: int = 0) -> None:
        super().__init__()
        self.hidden, self.hint = hidden, hint
        self.gates = nn.Conv2d(inputs + hidden + hint, 4 * hidden, 3, padding=1)

    def forward(self, x: Tensor, state: State | None = None, hint: Tensor | None = None) -> State:
        """One step.

        Args:
            x: (B, inputs, H, W).
            state: (hid, cell) of the step before, each (B, D, H, W); zeros where there is none.
            hint: (B, hint, H, W), when the cell was made for one; zeros where there is none.

        Returns:
            The new (hid, cell). "C" in the papers' equations is the cell, "h" the pair.
        """
        b, _, h, w = x.shape
        hid, cell = state or (x.new_zeros(b, self.hidden, h, w),) * 2  # (B, D, H, W)
        seen = [x, hid]
        if self.hint:
            seen.append(x.new_zeros(b, self.hint, h, w) if hint is None else hint)
        gates = self.gates(torch.cat(seen, dim=1))  # (B, 4D, H, W)
        i, f, o, u = gates.chunk(4, dim=1)  # (B, D, H, W) each
        cell = f.sigmoid() * cell + i.sigmoid() * u.tanh()
        return o.sigmoid() * cell.tanh(), cell


def down(state: State) -> State:
    """Both parts at half the size, by 2x2 average pooling."""
    hid, cell = state
    return pool(hid), pool(cell)


def up(state: State, size: tuple[int, int]) -> State:
    """Both parts at twice the size, by nearest neighbor; ``size`` is the finer map's (it may be odd)."""
    hid, cell = state
    return interpolate(hid, size), interpolate(cell, size)
