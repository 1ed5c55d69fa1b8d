"""SRKD: statistical maps of features (Gao et al., Image Super-Resolution Using Knowledge Distillation, ACCV 2018).

    equation                                          here
    (1) M = (mean_c F_c)^2                            SRKD.forward, scales.channel_map
    (2) L_statistic = sum_levels mean (M_T - M_S)^2   SRKD.forward
    (3) L = L_core + w * L_statistic                  SRKD.__init__

The numbers are ours. One channel is left of any number of them, so no adapter is needed. STD's baseline KD-M2mean is
this at one place, ``at="lr"``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch.nn.functional import mse_loss

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions
from restill.distillation.scales import channel_map, like
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch


class SRKDOptions(PairedOptions):
    """Options of :class:`SRKD`.

    Attributes:
        weight: w of (3).
        agg: Over the channels: "mean_sq" (mean)^2, as STD describes the map; "sum_sq" (sum)^2, as the authors of CSTD
            compute it, which grows with the square of the number of channels.
        at: Where to look: at three depths, at the last feature, or at the last one at input resolution.
    """

    weight: Weight = 0.1
    agg: Literal["mean_sq", "sum_sq"] = "mean_sq"
    at: Literal["levels", "feature", "lr"] = "levels"


class SRKD(Paired[SRKDOptions]):
    """The squared channel mean of the student's features should be the teacher's. See :class:`Paired`."""

    name = "srkd"
    paper = "Image Super-Resolution Using Knowledge Distillation (Gao et al., ACCV 2018)"
    needs = "feature maps at several depths, or one"
    roles = ("levels", "feature", "lr")
    Options: ClassVar[type[MethodOptions]] = SRKDOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # (3) L = L_core + w * L_statistic
        self.default_weights = {"reconstruction": 1.0, "statistic": self.options.weight}

    def wanted(self) -> tuple[str, ...]:
        return (self.options.at,)

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``statistic``, (2)."""
        features, reconstruction = self.run_both(batch, self.options.at)
        losses = []
        for f_s, f_t in features:  # (B*L, C_S, h, w), (B*L, C_T, h', w')
            m_s = channel_map(f_s, self.options.agg)  # (B*L, 1, h, w), (1)
            m_t = like(channel_map(f_t, self.options.agg), m_s)  # (B*L, 1, h, w), (1)
            losses.append(mse_loss(m_s, m_t))  # (2), one level
        return {"reconstruction": reconstruction, "statistic": sum(losses[1:], losses[0])}
