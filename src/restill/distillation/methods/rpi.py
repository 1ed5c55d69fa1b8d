"""Rain-prior injected distillation, after Hu, Yang, Liu and Guo (ICIP 2022): compare what networks know of the rain.

    equation                                              here
    (1) P = f(rainy) - f(clean), of either network        RPI.forward
    (2) L_prior = sum over levels mean (a(P_S) - P_T)^2   RPI.compare
    (3) L = L_core + w * L_prior                          RPI, FeatureComparison.__init__

We had only the paper's abstract. From it we take the idea of (1): the background is in both features and cancels, so
that only the rain is left to compare. The rest is our choice, and so are the numbers: the squared distance, the learned
1x1 convolution a() without bias (nothing if the widths are equal), the last feature as the place, and a gradient
through both runs of the student.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from restill.distillation.comparison import ComparisonOptions, FeatureComparison
from restill.distillation.freeze import frozen_statistics
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.scales import ObservedNetwork, like, pad_to_multiple
from restill.distillation.windows import Batch, clean_windows


class RPIOptions(ComparisonOptions):
    """Options of :class:`RPI`: ``weight`` is w of (3)."""


class RPI(FeatureComparison[RPIOptions]):
    """Match how the rain changes the teacher's features. See :class:`FeatureComparison`.

    Both networks also run on the clean frames, so they must restore at scale 1.
    """

    name = "rpi"
    paper = "Rain-Prior Injected Knowledge Distillation for Single Image Deraining (Hu et al., ICIP 2022)"
    needs = "one feature map each, or several levels; both networks also see the clean frames, which are not aligned"
    roles = ("feature",)
    loss = "prior"  # (3) L = L_core + w * L_prior
    shown_clean = frozenset({"teacher", "student"})
    Options: ClassVar[type[MethodOptions]] = RPIOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.adapters = nn.ModuleList(
            nn.Identity() if student == teacher else nn.Conv2d(student, teacher, 1, bias=False)
            for student, teacher in self.widths("feature")
        )

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``prior``, (2)."""
        with frozen_statistics(self.student):  # they are of the frames that the student will see
            clean_s = self._clean(self.student_net, batch)  # [(B*L, C_S, h, w), ...]
        with torch.no_grad():
            clean_t = self._clean(self.teacher_net, batch)  # [(B*L, C_T, h', w'), ...]
        rainy, reconstruction = self.run_both(batch, "feature")  # [((B*L, C_S, h, w), (B*L, C_T, h', w')), ...]
        levels = [
            self.compare(level, f_s - clean_s[level], f_t - clean_t[level])  # (1) P = f(rainy) - f(clean)
            for level, (f_s, f_t) in enumerate(rainy)
        ]
        return {"reconstruction": reconstruction, "prior": torch.stack(levels).sum()}

    def compare(self, level: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        """(2) at one level, of P_S (B*L, C_S, h, w) and P_T (B*L, C_T, h', w')."""
        return mse_loss(self.adapters[level](f_s), like(f_t, f_s))

    def _clean(self, net: ObservedNetwork, batch: Batch) -> list[Tensor]:
        """One network's features of the clean frames."""
        windows = clean_windows(batch, self.context, net.before, net.after).flatten(0, 1)  # (B*L, K, C, H, W)
        return net.maps(net.run(pad_to_multiple(windows, self.size_multiple)), "feature")
