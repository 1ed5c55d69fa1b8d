"""PISR, step 1: train a teacher that sees the clean picture (Lee et al., ECCV 2020).

    equation                                    here
    (1) L_core = mean |D(E(y)) - y|             PISRTeacher.forward
    (2) L_imitation = mean |E(y) - x|           PISRTeacher._imitation
    (3) L = L_core + 1e-4 * L_imitation         PISRTeacher.__init__

The equation numbers are ours. y is the clean picture, x the degraded one, E the encoder, D the decoder, which has the
architecture of the student of step 2. (2) keeps the code close to the degraded picture; E can still keep what helps D.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import l1_loss

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import adapter
from restill.distillation.scales import NetworkOutput, ObservedNetwork, like
from restill.distillation.supervised import Supervised, SupervisedOptions, Weight
from restill.distillation.windows import Batch
from restill.errors import RestillError


class PISRTeacherOptions(SupervisedOptions):
    """Options of :class:`PISRTeacher`.

    Attributes:
        weight: Weight of (2) in (3).
    """

    weight: Weight = 1e-4


class PISRTeacher(Supervised[PISRTeacherOptions]):
    """Trains PISR's teacher, the network ``pisr-teacher``; it is called the student here.

    The role "embedding" names its code: a picture of the degraded one's size. If the code is no picture, a learned 1x1
    convolution turns it into one, and the degraded picture is resized to it. Arguments as in :class:`Supervised`.

    Raises:
        RestillError: As :class:`Supervised`; or there is not exactly one path for the code.
    """

    name = "pisr-teacher"
    paper = "PISR, step 1 (Lee et al., ECCV 2020)"
    needs = "the clean input at training; network pisr-teacher around a copy of the student"
    has_teacher = False
    roles = ("embedding",)
    Options: ClassVar[type[MethodOptions]] = PISRTeacherOptions
    shown_clean = frozenset({"student"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0, "imitation": self.options.weight}  # (3) L_core + w L_imitation
        self.student_net.need("embedding")
        if len(self.student_net.paths["embedding"]) != 1:
            raise RestillError("method 'pisr-teacher' uses one code; give student_feature one path")
        (width,) = self._probe(self.student_net, "embedding")
        self.adapter = adapter(width, 3)

    def windows(self, net: ObservedNetwork, batch: Batch) -> Tensor:
        """Clean windows: (B*L, K, C, sH, sW)."""
        return self.privileged_windows(net, batch)

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``, (1); ``imitation``, (2)."""
        seen, reconstruction = self.run_student(batch)  # (1) mean |D(E(y)) - y|
        degraded = super().windows(self.student_net, batch)  # (N, K, C, H, W), N = B*L
        return {"reconstruction": reconstruction, "imitation": self._imitation(seen, degraded)}

    def _imitation(self, seen: NetworkOutput, x: Tensor) -> Tensor:
        """(2) mean |E(y) - x| over all frames that were encoded, of degraded windows (N, K, C, H, W)."""
        code = seen.features[self.student_net.paths["embedding"][0]]  # (N, C', K, h, w), or (N, C', h, w)
        if code.dim() == 5 and code.shape[2] == x.shape[1]:
            code, x = code.transpose(1, 2).flatten(0, 1), x.flatten(0, 1)  # (N*K, C', h, w), (N*K, C, H, W)
        else:
            (code,) = self.student_net.maps(seen, "embedding")  # (N, C', h, w)
            x = x[:, self.student_net.before]  # (N, C, H, W)
        code = self.adapter(code).float()  # (_, C, h, w)
        return l1_loss(code, like(x, code))  # (2)
