"""AT: attention transfer (Zagoruyko and Komodakis, ICLR 2017), with the L1 distance that FAKD's authors use.

    equation                                        here
    (1) Q = sum_c F_c^2 / (||.||_2 + 1e-6)          AT.compare, scales.attention_map, scales.unit_map
    (2) L_attention = sum_levels mean |Q_T - Q_S|   AT.compare, FeatureComparison.forward
    (3) L = L_core + w * L_attention                AT, FeatureComparison.__init__

The equation numbers are ours. We also chose w: no text gives it for restoration. The norm is taken over the map of one
picture. Q therefore shows where a feature is strong, not how strong, and the method needs no adapter.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import l1_loss

from restill.distillation.comparison import ComparisonOptions, FeatureComparison
from restill.distillation.method import MethodOptions
from restill.distillation.scales import attention_map, like, unit_map
from restill.distillation.supervised import Weight


class ATOptions(ComparisonOptions):
    """Options of :class:`AT`.

    Attributes:
        weight: w of (3). An element of Q is about 1 / sqrt(h*w), so (2) is smaller on larger crops.
        at: Which features to compare: three levels, the last feature, or the last one at input resolution.
    """

    weight: Weight = 1.0
    at: Literal["levels", "feature", "lr"] = "levels"


class AT(FeatureComparison[ATOptions]):
    """Train the student's features to be strong where the teacher's are. See :class:`FeatureComparison`."""

    name = "at"
    paper = "Paying More Attention to Attention (Zagoruyko and Komodakis, ICLR 2017)"
    needs = "feature maps at several depths, or one"
    roles = ("levels", "feature", "lr")
    loss = "attention"  # (3) L = L_core + w * L_attention
    Options: ClassVar[type[MethodOptions]] = ATOptions

    def wanted(self) -> tuple[str, ...]:
        return (self.options.at,)

    def compare(self, level: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        a_s = attention_map(f_s)  # (B*L, 1, h, w)
        a_t = like(attention_map(f_t), a_s)  # (B*L, 1, h, w)
        return l1_loss(unit_map(a_s), unit_map(a_t))  # (1) of both, (2) of one level
