"""No distillation: the student and the clean frames alone. The first stage of every experiment, and the baseline."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from restill.distillation.method import Losses, Method, MethodOptions
from restill.distillation.places import Places
from restill.distillation.scales import ScaleSource, Tapped, pad_to_multiple
from restill.distillation.windows import Batch, centre_targets, centre_windows
from restill.losses.reconstruction import Kind, scale_losses

Weight = Annotated[float, Field(ge=0)]


class PlainOptions(MethodOptions):
    """Options of :class:`Plain`.

    Attributes:
        reconstruction: The loss on pictures.
        recon_weights: One weight per scale, finest first: how many there are is how many scales are used. CSTD
            pre-trains with three; ``[1]`` is the usual loss on the picture alone.
        scale_source: Where the coarser pictures come from; see :meth:`restill.distillation.scales.Tapped.scales`.
    """

    reconstruction: Kind = "neg_ssim"
    recon_weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=5)] = (0.6, 0.2, 0.2)
    scale_source: ScaleSource = "features"


class Plain(Method):
    """The reconstruction loss of CSTD, equation (7), and nothing else.

    Args:
        student: Any network; without a ``spec`` it sees ``2 * context + 1`` frames.
        context: Frames at either end of a clip that are only context.
        options: See :class:`PlainOptions`.
        student_feature: Tap path of the feature, if not the spec's.
        student_head: Path of the module that turns it into a picture, if not the spec's.
    """

    name = "plain"
    paper = "none: the student and the clean frames alone"
    needs = "no teacher"
    has_teacher = False
    Options: ClassVar[type[MethodOptions]] = PlainOptions

    def __init__(
        self,
        student: nn.Module,
        context: int,
        options: PlainOptions | None = None,
        student_feature: Places | None = None,
        student_head: str | None = None,
    ) -> None:
        super().__init__(student)
        self.options = options or PlainOptions()
        self.context = context
        self.default_weights = {"reconstruction": 1.0}
        self._net = Tapped.of(student, "student", context, student_feature, student_head)

    def forward(self, batch: Batch, step: int) -> Losses:
        """Returns ``reconstruction``, the weighted sum over scales, mean over the L centers."""
        windows = centre_windows(batch, self.context, self._net.before, self._net.after).flatten(0, 1)  # (BL,K,C,H,W)
        targets = centre_targets(batch, self.context).flatten(0, 1)  # (BL, C, sH, sW)
        windows = pad_to_multiple(windows, self._net.size_multiple)
        options = self.options
        pictures, _ = self._net.scales(windows, len(options.recon_weights), options.scale_source)
        values = scale_losses(pictures, targets, options.reconstruction)
        return {"reconstruction": weighted_sum(values, options.recon_weights)}


def weighted_sum(values: list[Tensor], weights: tuple[float, ...]) -> Tensor:
    """sum_p w_p * value_p."""
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total = total + value * weight
    return total
