"""AT: attention transfer (Zagoruyko and Komodakis, ICLR 2017), with the L1 distance that FAKD's authors use.

    equation                                        here
    (1) Q = sum_c F_c^2 / (||.||_2 + 1e-6)          AT.forward, scales.attention_map, scales.unit_map
    (2) L_attention = sum_levels mean |Q_T - Q_S|   AT.forward
    (3) L = L_core + w * L_attention                AT.__init__

The numbers are ours; so is w, which no text gives for restoration. The norm is over one picture's map, so Q says where
a feature is strong and not how strong: no adapter is needed, and the networks' features may have scales of their own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch.nn.functional import l1_loss

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions
from restill.distillation.scales import attention_map, like, unit_map
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch


class ATOptions(PairedOptions):
    """Options of :class:`AT`.

    Attributes:
        weight: w of (3). An element of Q is about one over the square root of h*w, so (2) is smaller on larger crops.
        at: Where to look: at three depths, at the last feature, or at the last one at input resolution.
    """

    weight: Weight = 1.0
    at: Literal["levels", "feature", "lr"] = "levels"


class AT(Paired[ATOptions]):
    """The student's features should be strong where the teacher's are. See :class:`Paired`."""

    name = "at"
    paper = "Paying More Attention to Attention (Zagoruyko and Komodakis, ICLR 2017)"
    needs = "feature maps at several depths, or one"
    roles = ("levels", "feature", "lr")
    Options: ClassVar[type[MethodOptions]] = ATOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # (3) L = L_core + w * L_attention
        self.default_weights = {"reconstruction": 1.0, "attention": self.options.weight}

    def wanted(self) -> tuple[str, ...]:
        return (self.options.at,)

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``attention``, (2)."""
        features, reconstruction = self.run_both(batch, self.options.at)
        losses = []
        for f_s, f_t in features:  # (B*L, C_S, h, w), (B*L, C_T, h', w')
            a_s = attention_map(f_s)  # (B*L, 1, h, w)
            a_t = like(attention_map(f_t), a_s)  # (B*L, 1, h, w)
            losses.append(l1_loss(unit_map(a_s), unit_map(a_t)))  # (1) in both, (2) of one level
        return {"reconstruction": reconstruction, "attention": sum(losses[1:], losses[0])}
