"""Base of the methods that run a frozen teacher beside the student and compare their features or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from restill.distillation.feature_paths import FeaturePaths
from restill.distillation.method import MethodOptions
from restill.distillation.scales import NetworkOutput, ObservedNetwork, common_multiple
from restill.distillation.supervised import Supervised, SupervisedOptions
from restill.distillation.windows import Batch
from restill.errors import RestillError


class PairedOptions(SupervisedOptions):
    """Options of every method with a teacher: those of the reconstruction loss."""


AnyOptions = TypeVar("AnyOptions", bound=PairedOptions)


class Paired(Supervised[AnyOptions], Generic[AnyOptions]):
    """A student and a frozen teacher, with the features of both.

    A subclass sets ``roles``, builds its adapters in the constructor and writes ``forward``. If its options choose
    among the roles, it overrides :meth:`wanted`.

    Args:
        teacher: Any network (B, K, C, H, W) -> (B, C, sH, sW); will be frozen.
        student: Any network; without a ``spec`` it sees ``2 * context + 1`` frames.
        context: Frames at either end of a clip that are only context.
        options: The method's own.
        teacher_feature: Paths of the teacher's features, if not its spec's (see
            :mod:`restill.distillation.feature_paths`).
        student_feature: The same of the student.
        student_head: Path of the module that turns the student's last feature into the picture, if not its spec's;
            used only where ``recon_weights`` asks for coarser pictures.

    Raises:
        RestillError: A path is missing or names no module, or teacher and student have different numbers of paths.
    """

    Options: ClassVar[type[MethodOptions]] = PairedOptions

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        context: int,
        options: AnyOptions | None = None,
        teacher_feature: FeaturePaths | None = None,
        student_feature: FeaturePaths | None = None,
        student_head: str | None = None,
    ) -> None:
        super().__init__(student, context, options, student_feature, student_head, teacher=teacher)
        self.teacher_net = ObservedNetwork.of(teacher, "teacher", context, teacher_feature, roles=self.roles)
        for net in (self.teacher_net, self.student_net):
            net.need(*self.wanted())
        for role in self.wanted():
            of_teacher, of_student = (len(net.paths[role]) for net in (self.teacher_net, self.student_net))
            if of_teacher != of_student:
                raise RestillError(
                    f"'{role}' has {of_teacher} paths in the teacher but {of_student} in the student; "
                    "give teacher_feature and student_feature with as many paths each"
                )

    def wanted(self) -> tuple[str, ...]:
        """The roles that these options use."""
        return self.roles

    def shown_to_teacher(self, batch: Batch) -> Tensor:
        return self.windows(self.teacher_net, batch)

    # --- running both --------------------------------------------------------------------------------------------

    @property
    def size_multiple(self) -> int:
        """Heights and widths of windows are multiples of this, for both networks."""
        return common_multiple(self.teacher_net, self.student_net)

    @torch.no_grad()
    def run_teacher(self, batch: Batch) -> NetworkOutput:
        """Run the teacher on a batch, without gradient."""
        return self.teacher_net.run(self.windows(self.teacher_net, batch))

    def run_both(self, batch: Batch, role: str) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Run both networks; return the pairs of features of a role, and the reconstruction loss.

        Returns:
            [((B*L, C_S, h, w), (B*L, C_T, h', w')), ...]; a scalar.
        """
        teacher = self.run_teacher(batch)
        student, reconstruction = self.run_student(batch)
        maps = (net.maps(seen, role) for net, seen in ((self.student_net, student), (self.teacher_net, teacher)))
        return list(zip(*maps, strict=True)), reconstruction

    # --- building adapters ---------------------------------------------------------------------------------------

    def widths(self, role: str) -> list[tuple[int, int]]:
        """Channels at each path of a role, (student's, teacher's), found by running both once on a small window."""
        student, teacher = (self._probe(net, role) for net in (self.student_net, self.teacher_net))
        return list(zip(student, teacher, strict=True))


def adapter(student: int, teacher: int) -> nn.Module:
    """A 1x1 convolution from the student's channels to the teacher's; the identity if they are equal."""
    return nn.Identity() if student == teacher else nn.Conv2d(student, teacher, 1)


def adapters(widths: Sequence[tuple[int, int]]) -> nn.ModuleList:
    """One :func:`adapter` for each pair of widths."""
    return nn.ModuleList(adapter(student, teacher) for student, teacher in widths)


def same_area(size: Sequence[int], *pictures: Tensor) -> list[Tensor]:
    """Crop the padding from the pictures of both networks, and convert them to float32.

    Args:
        size: (sH, sW) without padding.
        pictures: The teacher's first; each (N, C, sH', sW'), no smaller than ``size``.

    Raises:
        RestillError: They differ in size: the networks restore at different scales.
    """
    first, *others = pictures
    for other in others:
        if other.shape != first.shape:
            raise RestillError(
                f"the teacher's pictures are {tuple(first.shape)} and the student's {tuple(other.shape)}; this method "
                "compares them, so both networks must give pictures of the same shape"
            )
    height, width = size
    return [picture[..., :height, :width].float() for picture in pictures]
