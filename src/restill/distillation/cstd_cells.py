"""The recurrent modules of CSTD: the Connector, and the state that it and the Aggregator keep for one frame.

The equation numbers are the paper's, see :mod:`restill.distillation.methods.cstd`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from restill.distillation.cells import ConvLSTMCell, State, down, up


class Connector(nn.Module):
    """f_theta: the cell of the Spatial Alignment Module, which reads the scales of one frame.

    Args:
        hidden: D, channels of the cell.
        shared: Both passes use one cell.
        g2l_init: Where the pass G2L starts: "l2g", at the coarsest state of the pass L2G, or "zeros".
    """

    def __init__(self, hidden: int, shared: bool, g2l_init: str) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(1, hidden)
        self.own_back = None if shared else ConvLSTMCell(1, hidden)
        self.g2l_init = g2l_init

    def forward(self, f: list[Tensor], start: State | None) -> tuple[list[State], list[State]]:
        """Run both passes.

        Args:
            f: F^p, [(B, 1, H, W), (B, 1, H/2, W/2), (B, 1, H/4, W/4)].
            start: s^0, the temporal hint at full size; None means zeros.

        Returns:
            s^p and r^p for p = 1, 2, 3: pairs of (B, D, H/2^(p-1), W/2^(p-1)). C is the second of each pair.
        """
        back = self.own_back or self.cell
        state = start
        l2g: list[State] = []
        for p, f_p in enumerate(f):
            # (1) C^{p,L2G}: s^p = f(F^p, down(s^{p-1}))
            state = self.cell(f_p, down(state) if p and state else state)
            l2g.append(state)
        state = l2g[-1] if self.g2l_init == "l2g" else None
        g2l: list[State] = []
        for f_p in reversed(f):
            size = (f_p.shape[-2], f_p.shape[-1])
            # (2) C^{p,G2L}: r^p = f(F^p, up(r^{p+1}))
            state = back(f_p, up(state, size) if g2l and state else state)
            g2l.insert(0, state)
        return l2g, g2l


@dataclass
class Status:
    """State of the cells after one frame of one network. The empty one is the state before the first frame."""

    h: State | None = None  # the Aggregator's (hid, cell), each (B, D, H, W); C_t is h[1]
    hint: Tensor | None = None  # C^{1,G2L} of this frame, (B, D, H, W)
    used_hint: Tensor | None = None  # the spatial hint that the Aggregator got for h
    l2g: list[State] = field(default_factory=list)  # s^p
    g2l: list[State] = field(default_factory=list)  # r^p

    def detached(self) -> Status:
        """The parts that the next frame needs, without gradient."""
        h = None if self.h is None else (self.h[0].detach(), self.h[1].detach())
        return Status(h, None if self.hint is None else self.hint.detach())
