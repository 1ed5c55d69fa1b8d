"""Output distillation: the teacher's picture as a second target (response-based distillation; Hinton et al., 2015).

    equation                                     here
    (1) L_picture = loss(y_S, y_T)               Output.forward
    (2) L = L_core + w * L_picture               Output.__init__

The equation numbers are ours. The loss of (1) is the one of L_core; y_T carries no gradient. The method compares only
pictures, so it works with any two networks that restore at the same scale.
"""

from __future__ import annotations

from typing import Any, ClassVar

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, same_area
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch
from restill.losses.reconstruction import reconstruction


class OutputOptions(PairedOptions):
    """Options of :class:`Output`.

    Attributes:
        weight: w of (2).
    """

    weight: Weight = 1.0


class Output(Paired[OutputOptions]):
    """Train the student on the clean pictures and on the teacher's. See :class:`Paired`."""

    name = "output"
    paper = "Distilling the Knowledge in a Neural Network (Hinton et al., 2015), on pictures"
    needs = "no feature; both networks restore at one scale"
    roles = ()
    Options: ClassVar[type[MethodOptions]] = OutputOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0, "picture": self.options.weight}  # (2) L = L_core + w L_picture

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``picture``, (1)."""
        teacher = self.run_teacher(batch)
        student, core = self.run_student(batch)
        size = self.targets(batch).shape[-2:]
        y_t, y_s = same_area(size, teacher.picture, student.picture)  # (B*L, C, sH, sW)
        return {"reconstruction": core, "picture": reconstruction(self.options.reconstruction)(y_s, y_t)}
