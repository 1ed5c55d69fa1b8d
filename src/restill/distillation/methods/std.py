"""STD: Space-Time Distillation for Video Super-Resolution (CVPR 2021).

    equation                                      here                         what it is
    (1) M_sum = sum_c |F_c|                       scales.attention_map         attention map, an alternative
    (2) M_sum2 = sum_c |F_c|^2                    scales.attention_map         the same, the default
    (3) M_max2 = max_c |F_c|^2                    scales.attention_map         the same, another alternative
    (4) M^T, M^S                                  STD._space                   the chosen map of either network
    (5) L_SD = 1/N sum_t L_d(M_t^S, M_t^T)        STD._space                   space distillation
    (6) C, h = ConvLSTM(F_{t-k}, ..., F_{t+k})    STD._last_cell               state after reading the clip
    (7) L_TD = L_d(C_T, C_S)                      STD._time                    time distillation
    (8) L_rec = sqrt((SR - HR)^2 + eps^2)         STD.reconstruction           Charbonnier
    (9) L = L_rec + lambda1 L_SD + lambda2 L_TD   STD.__init__                 total

The numbers are the paper's; its "L2-norm distance" L_d has none. T is the teacher, S the student, t one of the N = L
centers of a clip, F the last feature before the picture (F^SR of the paper) or the last one at input resolution (F^LR).
The ConvLSTM has one set of weights for both networks and is trained with the student. As printed, (6) C reads one
feature too few; here it reads all of them. Where the paper leaves a choice open, there is an option: see
:class:`STDOptions` and docs/methods/std.md.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, mse_loss

from restill.distillation.cells import ConvLSTMCell, GuardedMethod, State
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, adapter
from restill.distillation.scales import Attention, NetworkOutput, attention_map, like, unit_map
from restill.distillation.supervised import Weight, weighted_sum
from restill.distillation.windows import Batch, centre_targets
from restill.errors import RestillError
from restill.losses.reconstruction import Kind, charbonnier, scale_losses

EPSILON = 1e-6  # eps of the paper's Charbonnier loss


class STDOptions(PairedOptions):
    """Options of :class:`STD`. The defaults are the paper's, if it gives a value.

    Attributes:
        lambda1: Weight of space distillation.
        lambda2: Weight of time distillation.
        warmup: Steps with only (8) L_rec, in which the teacher does not run.
        reconstruction: The loss on pictures; "charbonnier" is (8) L_rec, with the paper's eps.
        charb: (8) L_rec as the "mean" over everything, or the "sum" over each picture, as in EDVR.
        at: The feature to distill: "feature" F^SR, or "lr" F^LR.
        attention: The map: "sum_of_squares" is (2) M_sum2, "sum_of_abs" (1) M_sum, "max_of_squares" (3) M_max2.
        ld: L_d as "mse", the mean over elements, or as "l2norm", ||.||_2 over the number of elements, sample by sample.
        sd_norm: Divide maps by their L2 norm, for networks whose features differ in scale.
        hidden: Channels of the ConvLSTM.
        td_pool: Average-pool features by this factor before the ConvLSTM, to save memory.
        td_detach: The teacher's C has no gradient; False: the ConvLSTM is trained through both branches.
        sd: Use space distillation (off in the paper's ablation).
        td: Use time distillation (off in the paper's ablation).
    """

    lambda1: Weight = 1.0
    lambda2: Weight = 100.0
    warmup: Annotated[int, Field(ge=0)] = 20_000
    reconstruction: Kind = "charbonnier"
    charb: Literal["mean", "sum"] = "mean"
    at: Literal["feature", "lr"] = "feature"
    attention: Attention = "sum_of_squares"
    ld: Literal["mse", "l2norm"] = "mse"
    sd_norm: bool = False
    hidden: Annotated[int, Field(ge=1)] = 64
    td_pool: Annotated[int, Field(ge=1)] = 1
    td_detach: bool = True
    sd: bool = True
    td: bool = True


class STD(GuardedMethod, Paired[STDOptions]):
    """The whole method. See :class:`Paired` for the arguments.

    Raises:
        RestillError: As :class:`Paired`; or the feature has more than one path.
    """

    name = "std"
    paper = "Space-Time Distillation for Video Super-Resolution, CVPR 2021"
    needs = "one feature map each, by module path; clips of several frames for time distillation"
    roles = ("feature", "lr")
    watched = ("time",)
    Options: ClassVar[type[MethodOptions]] = STDOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        # (9) L = L_rec + lambda1 * L_SD + lambda2 * L_TD
        self.default_weights = {"reconstruction": 1.0, "space": o.lambda1, "time": o.lambda2}
        self.warmup = o.warmup if o.sd or o.td else 0
        paths = len(self.student_net.paths[o.at])
        if paths != 1:
            raise RestillError(f"std distils one feature, but '{o.at}' has {paths} paths; give one path each")
        (channels,) = self.widths(o.at)
        self.adapter = adapter(*channels) if o.td else None
        self.cell = ConvLSTMCell(channels[1], o.hidden) if o.td else None
        self.guard_cells(self.cell)
        self._sizes: dict[str, Tensor] = {}

    def wanted(self) -> tuple[str, ...]:
        return (self.options.at,)

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``: (8) L_rec; after the warm-up ``space``: (5) L_SD, and ``time``: (7) L_TD."""
        o = self.options
        if step < self.warmup or not (o.sd or o.td):
            return {"reconstruction": self.run_student(batch)[1]}
        ((f_s, f_t),), reconstruction = self.run_both(batch, o.at)  # (B*L, C_S, h, w), (B*L, C_T, h', w')
        losses = {"reconstruction": reconstruction}
        if o.sd:
            losses["space"] = self._space(f_s, f_t)
        if o.td:
            frames = centre_targets(batch, self.context).shape[1]  # L
            losses["time"] = self._time(f_s, f_t, frames)
        return losses

    def reconstruction(self, seen: NetworkOutput, windows: Tensor, targets: Tensor) -> Tensor:
        """The weighted sum over scales of (8) L_rec, or of another loss on pictures; a scalar."""
        o = self.options
        if o.reconstruction != "charbonnier":
            return super().reconstruction(seen, windows, targets)
        pictures = self.student_net.pictures(seen, windows, len(o.recon_weights))  # [(B*L, C, sH, sW), ...]
        loss = partial(charbonnier, epsilon=EPSILON, over=o.charb)  # (8) L_rec
        return weighted_sum(scale_losses(pictures, targets, loss), o.recon_weights)

    def _space(self, f_s: Tensor, f_t: Tensor) -> Tensor:
        """L_SD over the N = B*L frames of (N, C_S, h, w) and (N, C_T, h', w')."""
        m_s = attention_map(f_s, self.options.attention)  # (4) M^S, (N, 1, h, w)
        m_t = like(attention_map(f_t, self.options.attention), m_s)  # (4) M^T, (N, 1, h, w)
        self._sizes |= {"mean_M_T": m_t.mean().detach(), "mean_M_S": m_s.mean().detach()}
        if self.options.sd_norm:
            m_s, m_t = unit_map(m_s), unit_map(m_t)
        return self._distance(m_s, m_t)  # (5) L_SD

    def _time(self, f_s: Tensor, f_t: Tensor, frames: int) -> Tensor:
        """L_TD between the last cells after ``frames`` features of (B*L, C_S, h, w) and (B*L, C_T, h', w')."""
        assert self.adapter is not None  # noqa: S101 - only called with td
        with torch.autocast(f_s.device.type, enabled=False):  # float32: small differences
            f_s, f_t = f_s.float(), like(f_t.float(), f_s)  # (B*L, C_T, h, w)
            with torch.no_grad() if self.options.td_detach else nullcontext():
                c_t = self._last_cell(self._pooled(f_t).unflatten(0, (-1, frames)))  # (B, D, h/p, w/p)
            c_s = self._last_cell(self.adapter(self._pooled(f_s)).unflatten(0, (-1, frames)))  # (B, D, h/p, w/p)
            self._sizes |= {"std_C_T": c_t.std().detach(), "std_C_S": c_s.std().detach()}
            return self._distance(c_s, c_t)  # (7) L_TD

    def _pooled(self, feature: Tensor) -> Tensor:
        """Average-pool (N, C, h, w) by td_pool; windows at the edge average the pixels that they have."""
        size = self.options.td_pool
        return avg_pool2d(feature, size, ceil_mode=True, count_include_pad=False) if size > 1 else feature

    def _last_cell(self, features: Tensor) -> Tensor:
        """C after reading (B, L, C_T, h, w) frame by frame, from an empty state: (B, D, h, w)."""
        assert self.cell is not None  # noqa: S101 - only called with td
        state: State | None = None
        for f in features.unbind(1):  # (B, C_T, h, w)
            state = self.cell(f, state)  # (6) C, h
        assert state is not None  # noqa: S101 - a clip has a center
        return state[1]

    def _distance(self, x: Tensor, target: Tensor) -> Tensor:
        """L_d of (N, C, h, w), the mean over the N samples: a scalar."""
        if self.options.ld == "mse":
            return mse_loss(x, target)
        difference = (x - target).flatten(1)  # (N, C*h*w)
        return (torch.linalg.vector_norm(difference, dim=1) / difference.shape[1]).mean()

    def metrics(self) -> dict[str, float]:
        """Mean of the maps, deviation of the last cells (near 0: collapsed), and whether the cell is frozen."""
        return {name: value.item() for name, value in self._sizes.items()} | super().metrics()
