"""The recurrent cell of CSTD and STD, and the base class that freezes cells when they collapse."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.distillation.method import Method
from restill.distillation.processes import mean_over_processes
from restill.losses.pyramid import pool

State = tuple[Tensor, Tensor]  # (hid, cell), each (B, D, H, W)
COLLAPSED = 1e-8  # if a distillation loss is below this, the cells have collapsed (STD's rule)


class ConvLSTMCell(nn.Module):
    """Convolutional LSTM cell; one 3x3 convolution computes all four gates.

    Args:
        inputs: Channels of ``x``.
        hidden: D, channels of each part of the state.
        hint: Channels of an extra input that is concatenated with the state; 0 for none.

    >>> sum(p.numel() for p in ConvLSTMCell(1).parameters())
    9856
    """

    def __init__(self, inputs: int, hidden: int = 16, hint: int = 0) -> None:
        super().__init__()
        self.hidden, self.hint = hidden, hint
        self.gates = nn.Conv2d(inputs + hidden + hint, 4 * hidden, 3, padding=1)

    def forward(self, x: Tensor, state: State | None = None, hint: Tensor | None = None) -> State:
        """Run one step.

        Args:
            x: (B, inputs, H, W).
            state: (hid, cell) of the step before, each (B, D, H, W); None means zeros.
            hint: (B, hint, H, W), if the cell has a hint; None means zeros.

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


class GuardedMethod(Method):
    """A method whose cells are trained with the student and are frozen when they collapse.

    Cells could make the losses zero by giving a constant output. Once a watched loss is below :data:`COLLAPSED`, the
    cells stay frozen, in every process and after a resume.

    Attributes:
        watched: Names of the losses that show a collapse.
    """

    watched: ClassVar[tuple[str, ...]]

    cells_frozen: Tensor

    def guard_cells(self, *cells: nn.Module | None, frozen: bool = False) -> None:
        """Register the cells; call it once, in the constructor.

        Args:
            cells: The modules to freeze on a collapse; None is skipped.
            frozen: Freeze them from the start.
        """
        self._cells = tuple(cell for cell in cells if cell is not None)
        self.register_buffer("cells_frozen", torch.tensor(frozen))
        self._apply_freeze()
        self.register_load_state_dict_post_hook(lambda module, keys: self._apply_freeze())

    def after_step(self, losses: dict[str, float]) -> None:
        """Freeze the cells if a watched loss, mean over the processes, is below :data:`COLLAPSED`."""
        values = [losses[name] for name in self.watched if name in losses]
        if not values or self.cells_frozen:
            return
        if mean_over_processes(torch.tensor(values, device=self.cells_frozen.device)).min() < COLLAPSED:
            self.cells_frozen.fill_(True)
            self._apply_freeze()

    def _apply_freeze(self) -> None:
        if self.cells_frozen:
            for cell in self._cells:
                cell.requires_grad_(False)
                cell.zero_grad(set_to_none=True)

    def metrics(self) -> dict[str, float]:
        """Whether the cells are frozen."""
        return {"cells_frozen": float(self.cells_frozen)}
