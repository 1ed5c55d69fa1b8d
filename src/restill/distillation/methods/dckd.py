"""DCKD: cascaded distillation (Fang et al., JVCIR 2023): each network's encoder feeds the other's decoder.

    equation                                                    here
    (1) y_ST = T_dec(a1(S_enc(I)))                              DCKD.forward
    (2) y_TS = S_dec(a2(T_enc(I)))                              DCKD.forward
    (3) L_ST = mean |y_ST - y_T|                                DCKD.forward
    (4) L_TS = mean |y_TS - y_T|                                DCKD.forward
    (5) L_y = mean |y_S - y_T|                                  DCKD.forward
    (6) L = mean |y_S - gt| + w1 L_ST + w2 L_TS + w3 L_y        DCKD.__init__

The numbers and the form are ours: from the paper we know only that the student is cascaded into the teacher, whose
trained parameters are used. T is the teacher, S the student; a1 and a2 are learned 1x1 convolutions, one for each path
of the encoder (skips and bottleneck), or nothing if the widths are equal. The teacher's weights are frozen, but the
gradient passes through its decoder to the student's encoder.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from restill.distillation.freeze import frozen_statistics
from restill.distillation.hooks import FeatureReplacement
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, adapters, same_area
from restill.distillation.scales import NetworkOutput, ObservedNetwork
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch
from restill.errors import RestillError

Run = tuple[ObservedNetwork, NetworkOutput]  # a network and its output


class DCKDOptions(PairedOptions):
    """Options of :class:`DCKD`: the weights of (6).

    Attributes:
        w1: Weight of L_ST, which trains the student's encoder.
        w2: Weight of L_TS, which trains its decoder.
        w3: Weight of L_y, which trains the whole student.
    """

    w1: Weight = 0.5
    w2: Weight = 0.5
    w3: Weight = 0.5


class DCKD(Paired[DCKDOptions]):
    """Train the student's encoder for the teacher's decoder, and the reverse. See :class:`Paired`.

    Raises:
        RestillError: As :class:`Paired`; or a path is a module's input, which cannot be replaced.
    """

    name = "dckd"
    paper = "DCKD, cascaded distillation (Fang et al., JVCIR 2023)"
    needs = "an encoder each: everything that the decoder takes from it, of equal size in both networks"
    roles = ("encoder",)
    Options: ClassVar[type[MethodOptions]] = DCKDOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        # (6) L = L_core + w1 L_ST + w2 L_TS + w3 L_y: the loop sums by these weights
        self.default_weights = {
            "reconstruction": 1.0,
            "student_teacher": o.w1,
            "teacher_student": o.w2,
            "picture": o.w3,
        }
        for net in (self.teacher_net, self.student_net):  # check the paths here, not at the first step
            FeatureReplacement(net.network, dict.fromkeys(net.paths["encoder"], torch.empty(0)))
        widths = self.widths("encoder")
        self.to_teacher = adapters(widths)  # a1
        self.to_student = adapters([(teacher, student) for student, teacher in widths])  # a2

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``student_teacher`` (3), ``teacher_student`` (4) and ``picture`` (5), unweighted."""
        teacher = self.run_teacher(batch)  # T_enc(I) and y_T, without gradient
        student, reconstruction = self.run_student(batch)  # S_enc(I) and y_S
        of_student = self._exchange(self.to_teacher, (self.student_net, student), (self.teacher_net, teacher))
        of_teacher = self._exchange(self.to_student, (self.teacher_net, teacher), (self.student_net, student))
        y_st = self._decode(self.teacher_net, batch, of_student)  # (1) T_dec(a1(S_enc(I))), (N, C, sH, sW)
        with frozen_statistics(self.student):
            y_ts = self._decode(self.student_net, batch, of_teacher)  # (2) S_dec(a2(T_enc(I))), (N, C, sH, sW)
        size = self.targets(batch).shape[-2:]
        y_t, y_s, y_st, y_ts = same_area(size, teacher.picture, student.picture, y_st, y_ts)  # (N, C, sH, sW)
        return {
            "reconstruction": reconstruction,
            "student_teacher": l1_loss(y_st, y_t),  # (3)
            "teacher_student": l1_loss(y_ts, y_t),  # (4)
            "picture": l1_loss(y_s, y_t),  # (5)
        }

    def _exchange(self, adapt: nn.ModuleList, source: Run, target: Run) -> dict[str, Tensor]:
        """The source's encoder features with the target's channels, by the target's paths.

        Raises:
            RestillError: Two features differ in size.
        """
        (net, output), (other, other_output) = source, target
        features = {}
        for a, path, other_path in zip(adapt, net.paths["encoder"], other.paths["encoder"], strict=True):
            f = output.features[path]  # (N, C, h, w), or with T before h
            replaced = other_output.features[other_path]  # (N, C', h, w), or with T before h
            if f.shape[2:] != replaced.shape[2:]:
                raise RestillError(
                    f"method 'dckd' replaces the {other.side}'s '{other_path}' {tuple(replaced.shape[1:])} by the "
                    f"{net.side}'s '{path}' {tuple(f.shape[1:])}, so all but the channels must be equal; give "
                    f"teacher_feature and student_feature paths to features of equal size"
                )
            features[other_path] = a(f.flatten(2, -2)).reshape(f.shape[0], -1, *f.shape[2:])  # (N, C', h, w)
        return features

    def _decode(self, net: ObservedNetwork, batch: Batch, features: dict[str, Tensor]) -> Tensor:
        """Run a network on its own input with other features in its encoder; its picture (N, C, sH, sW)."""
        with FeatureReplacement(net.network, features):
            return net.network(self.windows(net, batch))
