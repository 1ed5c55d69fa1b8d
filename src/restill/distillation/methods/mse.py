"""Feature distillation by mean squared error: FitNets' hint loss (Romero et al., ICLR 2015), on restoration features.

    equation                                     here
    (1) L_feature = mean (a(f_S) - f_T)^2        FeatureMSE.compare
    (2) L = L_core + w * L_feature               FeatureMSE, FeatureComparison.__init__

The equation numbers are ours. a() is a learned 1x1 convolution, or nothing if the widths are equal; f_T carries no
gradient.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from restill.distillation.comparison import ComparisonOptions, FeatureComparison
from restill.distillation.method import MethodOptions
from restill.distillation.paired import adapters
from restill.distillation.scales import like


class FeatureMSEOptions(ComparisonOptions):
    """Options of :class:`FeatureMSE`: ``weight`` is w of (2)."""


class FeatureMSE(FeatureComparison[FeatureMSEOptions]):
    """Match the teacher's features after a 1x1 convolution. See :class:`FeatureComparison`."""

    name = "mse"
    paper = "FitNets (Romero et al., ICLR 2015)"
    needs = "one feature map each, or several levels"
    roles = ("feature",)
    loss = "feature"  # (2) L = L_core + w * L_feature
    Options: ClassVar[type[MethodOptions]] = FeatureMSEOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.adapters = adapters(self.widths("feature"))

    def compare(self, level: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        return mse_loss(self.adapters[level](f_s), like(f_t, f_s))  # (1)
