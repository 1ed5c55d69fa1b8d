"""SRKD: statistical maps of features (Gao et al., Image Super-Resolution Using Knowledge Distillation, ACCV 2018).

    equation                                          here
    (1) M = (mean_c F_c)^2                            SRKD.compare, scales.channel_map
    (2) L_statistic = sum_levels mean (M_T - M_S)^2   SRKD.compare, FeatureComparison.forward
    (3) L = L_core + w * L_statistic                  SRKD, FeatureComparison.__init__

The equation numbers are ours. (1) leaves one channel, so the method needs no adapter. With ``at="lr"`` it is STD's
baseline KD-M2mean.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import mse_loss

from restill.distillation.comparison import ComparisonOptions, FeatureComparison
from restill.distillation.method import MethodOptions
from restill.distillation.scales import channel_map, like
from restill.distillation.supervised import Weight


class SRKDOptions(ComparisonOptions):
    """Options of :class:`SRKD`.

    Attributes:
        weight: w of (3).
        agg: How the channels become one: "mean_sq", (mean)^2, as STD describes the map; "sum_sq", (sum)^2, as the
            authors of CSTD compute it, which grows with the square of the number of channels.
        at: Which features to compare: three levels, the last feature, or the last one at input resolution.
    """

    weight: Weight = 0.1
    agg: Literal["mean_sq", "sum_sq"] = "mean_sq"
    at: Literal["levels", "feature", "lr"] = "levels"


class SRKD(FeatureComparison[SRKDOptions]):
    """Match the squared channel mean of the teacher's features. See :class:`FeatureComparison`."""

    name = "srkd"
    paper = "Image Super-Resolution Using Knowledge Distillation (Gao et al., ACCV 2018)"
    needs = "feature maps at several depths, or one"
    roles = ("levels", "feature", "lr")
    loss = "statistic"  # (3) L = L_core + w * L_statistic
    Options: ClassVar[type[MethodOptions]] = SRKDOptions

    def wanted(self) -> tuple[str, ...]:
        return (self.options.at,)

    def compare(self, level: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        m_s = channel_map(f_s, self.options.agg)  # (B*L, 1, h, w), (1)
        m_t = like(channel_map(f_t, self.options.agg), m_s)  # (B*L, 1, h, w), (1)
        return mse_loss(m_s, m_t)  # (2), one level
