"""Training without a teacher: the first stage of every experiment, and the baseline."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.scales import ScaleSource
from restill.distillation.supervised import Supervised, SupervisedOptions, Weight, weighted_sum
from restill.distillation.windows import Batch
from restill.losses.reconstruction import Kind, scale_losses


class PlainOptions(SupervisedOptions):
    """Options of :class:`Plain`.

    Attributes:
        reconstruction: The loss on pictures.
        recon_weights: One weight per scale, finest first; their number is the number of scales. CSTD pre-trains with
            three; ``[1]`` is the usual loss on the picture alone.
        scale_source: Where the coarser pictures come from; see
            :meth:`restill.distillation.scales.ObservedNetwork.scales`.
    """

    reconstruction: Kind = "neg_ssim"
    recon_weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=5)] = (0.6, 0.2, 0.2)
    scale_source: ScaleSource = "features"


class Plain(Supervised[PlainOptions]):
    """Only the reconstruction loss, (7) L_recon of CSTD. Arguments as in :class:`Supervised`."""

    name = "plain"
    paper = "none: only the student and the clean frames"
    needs = "no teacher"
    has_teacher = False
    Options: ClassVar[type[MethodOptions]] = PlainOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0}

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``: the weighted sum over scales, mean over the L centers."""
        windows = self.windows(self.student_net, batch)  # (B*L, K, C, H, W)
        options = self.options
        pictures, _ = self.student_net.scales(windows, len(options.recon_weights), options.scale_source)
        values = scale_losses(pictures, self.targets(batch), options.reconstruction)
        return {"reconstruction": weighted_sum(values, options.recon_weights)}
