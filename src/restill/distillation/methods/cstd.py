"""CSTD: Collaborative Spatial-Temporal Distillation for video deraining (ICME 2023).

CSTD does not compare the networks' pictures. It compares the output of two small recurrent modules that read the
features: the Connector reads one frame's feature across scales, the Aggregator across time. Each gives the other a
hint.

    equation                       here                       what it is
    (1) C^{p,L2G}                  Connector.forward          fine-to-coarse pass over the scales
    (2) C^{p,G2L}                  Connector.forward          coarse-to-fine pass
    (3) L_spatial                  CSTD._spatial              distance of T and S in both passes
    (4) C_T, C_S                   CSTD._status               temporal status of teacher and student
    (5) C_M                        CSTD._frame                collaborative status: student feature, teacher state
    (6) L_temporal                 CSTD._temporal             distances of C_S and C_M to C_T
    (7) L_recon                    losses.scale_losses        -SSIM at three scales
    (8) L_total                    CSTD.__init__              L_recon + alpha L_spatial + beta L_temporal

The numbers are the paper's. T is the teacher, S the student, M the mixture; t a frame, p = 1, 2, 3 a scale; sg() stops
the gradient; D is the hidden size. Where the paper leaves a choice open, there is an option: see :class:`CSTDOptions`
and docs/methods/cstd.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss

from restill.distillation.cells import ConvLSTMCell, GuardedMethod, State
from restill.distillation.cstd_cells import Connector, Status
from restill.distillation.cstd_options import ALTERNATE, CSTDOptions, Term
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, same_area
from restill.distillation.scales import ObservedNetwork, channel_map, like
from restill.distillation.windows import Batch, centre_targets
from restill.losses.reconstruction import reconstruction, scale_losses

SCALES = 3


class CSTD(GuardedMethod, Paired[CSTDOptions]):
    """The whole method. See :class:`Paired` for the arguments."""

    name = "cstd"
    paper = "Collaborative Spatial-Temporal Distillation, ICME 2023"
    needs = "teacher and student: one feature map each, by module path; clips of several frames"
    watched = ("spatial", "temporal")
    Options: ClassVar[type[MethodOptions]] = CSTDOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        # (8) L_total = L_recon + alpha * L_spatial + beta * L_temporal: the loop sums by these weights
        self.default_weights = {"reconstruction": 1.0, "spatial": o.alpha, "temporal": o.beta}
        if o.picture:
            self.default_weights["picture"] = o.picture  # ours
        self.connector = Connector(o.hidden, o.connector_shared, o.g2l_init) if o.csc else None
        hint = o.hidden if o.hints else 0
        self.aggregator = ConvLSTMCell(1, o.hidden, hint) if o.ita or o.cta else None  # f_gamma
        self.guard_cells(self.connector, self.aggregator, frozen=o.cells == "frozen_random")
        self._std: dict[str, Tensor] = {}

    # --- one step ------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``, ``spatial``, ``temporal``, ``picture``, unweighted; those that are turned on."""
        targets = centre_targets(batch, self.context)  # (B, L, C, sH, sW)
        taught, f_t = self._teacher_scales(self._clips(self.teacher_net, batch))  # (B, L, C, sH, sW), [(B, L, 1, h, w)]
        pictures, f_s = self._student_scales(self._clips(self.student_net, batch))  # [(B*L, C, sH, sW)], [F_S^p]
        frames = targets.shape[1]  # L
        terms = [
            self._reconstruction(pictures, targets.flatten(0, 1), times=frames),
            self._picture(pictures[0], taught.flatten(0, 1), targets, times=frames),
        ]
        teacher, student = Status(), Status()
        for t in range(frames):
            now, teacher, student = self._frame([f[:, t] for f in f_t], [f[:, t] for f in f_s], teacher, student)
            terms.append(now)
            if self.options.detach_state:
                student = student.detached()
        return self._add_up(terms, frames)

    def loss_groups(self, batch: Batch, step: int) -> Iterator[Losses]:
        """One group; with ``optim="alternate"`` the authors' steps, up to six for each frame.

        The authors' code keeps one graph over all frames and steps. Current PyTorch refuses that, because parameters
        change in place between two backward passes. Here each step runs its frame again with the current parameters,
        starting from states without gradient.
        """
        if self.options.optim == "joint":
            yield self(batch, step)
            return
        targets = centre_targets(batch, self.context)  # (B, L, C, sH, sW)
        taught, f_t = self._teacher_scales(self._clips(self.teacher_net, batch))  # (B, L, C, sH, sW), [(B, L, 1, h, w)]
        windows = self._clips(self.student_net, batch)  # (B, L, K, C, H, W)
        before = Status(), Status()  # of teacher and student
        for t in range(targets.shape[1]):
            after = before
            for group in ALTERNATE:
                pictures, f_s = self._student_scales(windows[:, t : t + 1])  # [(B, C, sH, sW)], [(B, 1, 1, h, w)]
                terms, *status = self._frame([f[:, t] for f in f_t], [f[:, 0] for f in f_s], *before)
                terms |= self._reconstruction(pictures, targets[:, t])
                terms |= self._picture(pictures[0], taught[:, t], targets[:, t])
                if group is ALTERNATE[0]:
                    after = status[0].detached(), status[1].detached()
                if wanted := {term: terms[term] for term in group if term in terms}:
                    yield self._add_up([wanted], targets.shape[1])
            before = after

    def _frame(
        self, f_t: list[Tensor], f_s: list[Tensor], past_t: Status, past_s: Status
    ) -> tuple[dict[Term, Tensor], Status, Status]:
        """The distillation terms of one frame, and the status of both networks after it; F^p are (B, 1, h, w)."""
        f_t = [like(teachers, students) for teachers, students in zip(f_t, f_s, strict=True)]
        with torch.autocast(f_s[0].device.type, enabled=False):  # float32: squares and small differences
            with torch.no_grad():
                teacher = self._status(f_t, past_t)  # only a target: h_T, C_T and its hint are sg()
            student = self._status(f_s, past_s)
            terms = self._spatial(f_t, f_s, teacher, student)
            if self.aggregator is not None and teacher.h and student.h:
                c_t, c_s, c_m = teacher.h[1], student.h[1], None  # (B, D, H, W)
                if self.options.cta:
                    # (5) C_M,t = f_gamma(F_S,t, h_T,t-1; hint_T): student feature, teacher state; its h is dropped
                    _, c_m = self.aggregator(f_s[0], past_t.h, teacher.used_hint)
                terms |= self._temporal(c_t, c_s, c_m)
        return terms, teacher, student

    def _status(self, f: list[Tensor], past: Status) -> Status:
        """Run Connector and Aggregator on one network's F^p at frame t, with the hints of the Adaptor."""
        hints = self.options.hints
        now = Status()
        if self.options.order == "paper":
            self._connect(now, f, past.h if hints else None)  # temporal hint: h_{t-1}
            now.used_hint = now.hint if hints else None  # spatial hint: of this frame
        else:
            now.used_hint = past.hint if hints else None  # spatial hint: of the frame before
        if self.aggregator is not None:
            now.h = self.aggregator(f[0], past.h, now.used_hint)  # (4) C_t, h_t = f_gamma(F_t, h_{t-1}; hint)
        if self.options.order == "code":
            self._connect(now, f, now.h if hints else None)  # temporal hint: h_t
        return now

    def _connect(self, now: Status, f: list[Tensor], start: State | None) -> None:
        if self.connector is not None:
            now.l2g, now.g2l = self.connector(f, start)  # (1) C^{p,L2G}, (2) C^{p,G2L}
            now.hint = now.g2l[0][1]  # C^{1,G2L}, (B, D, H, W)

    # --- the losses ----------------------------------------------------------------------------------------------

    def _spatial(self, f_t: list[Tensor], f_s: list[Tensor], t: Status, s: Status) -> dict[Term, Tensor]:
        """(3) L_spatial(t) = sum_p sum_d mean |sg(C_T^{p,d}) - C_S^{p,d}|, d = L2G, G2L; term by term."""
        terms: dict[Term, Tensor] = {}
        for p in range(SCALES if self.options.ms else 0):
            if self.connector is None:
                terms["spatial", f"raw{p + 1}"] = l1_loss(f_s[p], f_t[p])  # Table 5, MS alone: |F_T^p - F_S^p|
            else:
                terms["spatial", f"l2g{p + 1}"] = l1_loss(s.l2g[p][1], t.l2g[p][1])
                terms["spatial", f"g2l{p + 1}"] = l1_loss(s.g2l[p][1], t.g2l[p][1])
        return terms

    def _temporal(self, c_t: Tensor, c_s: Tensor, c_m: Tensor | None) -> dict[Term, Tensor]:
        """(6) L_temporal(t) = mean |sg(C_T) - C_S| + mean |sg(C_T) - C_M|, term by term; C are (B, D, H, W)."""
        terms: dict[Term, Tensor] = {}
        self._std = {"std_C_T": c_t.std().detach(), "std_C_S": c_s.std().detach()}
        if self.options.ita:
            terms["temporal", "ita"] = l1_loss(c_s, c_t)
        if c_m is not None:
            terms["temporal", "cta"] = l1_loss(c_m, c_t)
            self._std["std_C_M"] = c_m.std().detach()
        return terms

    def _reconstruction(self, pictures: list[Tensor], targets: Tensor, times: int = 1) -> dict[Term, Tensor]:
        """(7) L_recon = sum_p lambda_p * (-SSIM(I^p, J^p)) by scale, multiplied by ``times``; of (N, C, sH, sW)."""
        weights = self.options.recon_weights
        values = scale_losses(pictures[: len(weights)], targets, self.options.reconstruction)
        weighted = zip(weights, values, strict=True)
        return {("reconstruction", f"{p}"): times * weight * v for p, (weight, v) in enumerate(weighted, start=1)}

    def _picture(self, student: Tensor, teacher: Tensor, targets: Tensor, times: int = 1) -> dict[Term, Tensor]:
        """Ours: the loss of (7) L_recon between both networks' finest pictures (N, C, sH', sW'), times ``times``."""
        if not self.options.picture:
            return {}
        y_t, y_s = same_area(targets.shape[-2:], teacher, student)  # (N, C, sH, sW)
        return {("picture", "1"): times * reconstruction(self.options.reconstruction)(y_s, y_t)}

    def _add_up(self, parts: Sequence[dict[Term, Tensor]], frames: int) -> Losses:
        """Sum the terms of each loss, and take their mean or sum over the frames."""
        losses: Losses = {}
        for terms in parts:
            for (name, _), value in terms.items():
                losses[name] = losses[name] + value if name in losses else value
        if self.options.t_reduction == "sum":
            return losses
        return {name: value / frames for name, value in losses.items()}

    def metrics(self) -> dict[str, float]:
        """Standard deviations of the last frame's statuses (near 0: collapsed); whether the cells are frozen."""
        return {name: value.item() for name, value in self._std.items()} | super().metrics()

    # --- the networks --------------------------------------------------------------------------------------------

    def _clips(self, net: ObservedNetwork, batch: Batch) -> Tensor:
        """The windows of one network, one for each center: (B, L, K, C, H, W)."""
        return self.windows(net, batch).unflatten(0, (len(batch["degraded"]), -1))

    @torch.no_grad()
    def _teacher_scales(self, windows: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Picture (B, L, C, sH, sW) and F_T^p [(B, L, 1, h, w), ...] of every frame, in one run."""
        pictures, features = self.teacher_net.scales(windows.flatten(0, 1), SCALES, self.options.scale_source)
        return pictures[0].unflatten(0, windows.shape[:2]), self._maps(features, windows.shape[:2])

    def _student_scales(self, windows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Pictures [(B*L, C, sH, sW), ...] and F_S^p [(B, L, 1, h, w), ...] of every frame."""
        pictures, features = self.student_net.scales(windows.flatten(0, 1), SCALES, self.options.scale_source)
        return pictures, self._maps(features, windows.shape[:2])

    def _maps(self, features: list[Tensor], count: torch.Size) -> list[Tensor]:
        """F^p, each (B, L, 1, h, w), of features (B*L, C', h', w')."""
        o = self.options
        maps = (channel_map(f, o.agg) for f in features)  # (B*L, 1, h', w') each
        return [(avg_pool2d(f, o.shrink, ceil_mode=True) if o.shrink > 1 else f).unflatten(0, count) for f in maps]
