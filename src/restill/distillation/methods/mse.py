"""Feature distillation by mean squared error: FitNets' hint loss (Romero et al., ICLR 2015), on restoration features.

    equation                                     here
    (1) L_feature = mean (a(f_S) - f_T)^2        FeatureMSE.forward
    (2) L = L_core + w * L_feature               FeatureMSE.default_weights

The numbers are ours. a() is a learned 1x1 convolution where the widths differ, else nothing; f_T carries no gradient.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch.nn.functional import mse_loss

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, adapters
from restill.distillation.scales import like
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch


class FeatureMSEOptions(PairedOptions):
    """Options of :class:`FeatureMSE`.

    Attributes:
        weight: w of (2).
    """

    weight: Weight = 1.0


class FeatureMSE(Paired[FeatureMSEOptions]):
    """The student's features, through a 1x1 convolution, should be the teacher's. See :class:`Paired`."""

    name = "mse"
    paper = "FitNets (Romero et al., ICLR 2015)"
    needs = "one feature map each, or several levels"
    roles = ("feature",)
    Options: ClassVar[type[MethodOptions]] = FeatureMSEOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0, "feature": self.options.weight}  # (2) L = L_core + w L_feature
        self.adapters = adapters(self.widths("feature"))

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``feature``, (1), summed over levels."""
        teacher = self.run_teacher(batch)
        student, reconstruction = self.run_student(batch)
        f_t = self.teacher_net.maps(teacher, "feature")  # [(B*L, C_T, h, w)]
        f_s = self.student_net.maps(student, "feature")  # [(B*L, C_S, h', w')]
        losses = [
            mse_loss(adapt(s), like(t, s))  # (1)
            for adapt, s, t in zip(self.adapters, f_s, f_t, strict=True)
        ]
        return {"reconstruction": reconstruction, "feature": sum(losses[1:], losses[0])}
