"""DFKD: data-free distillation (Zhang et al., CVPR 2021): a generator makes the pictures that the student learns from.

    equation                                                    here
    (1) L_S = mean |S(x) - T(x)|                                DFKD.student_losses
    (2) L_gen = -log(1 + mean |T(x) - S(x)|), x = G(z)          DFKD.generator_losses
    (3) L_R = mean |D(T(x)) - x|, x = G(z)                      DFKD.generator_losses
    (4) L_G = L_gen + w_R L_R; L = L_S + w L_core               DFKD.__init__

The numbers are ours. T is the teacher, S the student, G the generator, z ~ N(0, I); D brings a restored picture back to
the input's size, and does nothing where that is the same. The student learns to do what its teacher does (1); then the
generator learns to make pictures on which it does not (2), but which the teacher takes for pictures (3). Only the
student is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss

from restill.distillation.freeze import frozen_statistics, frozen_weights
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, same_area
from restill.distillation.processes import first_row, random_rows
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch, centre_windows

NOISE = 32  # channels of z
GROUPS = 8  # of the generator's group normalization
CELL = 4  # pixels: a value of z stands for a square of this side


class DFKDOptions(PairedOptions):
    """Options of :class:`DFKD`.

    Attributes:
        dfkd_data: "real": half of the student's inputs are the batch's own degraded frames. "generated": none; of the
            batch only the shape is used.
        w_r: w_R of (4).
        task_weight: w of (4), of the task's own loss on the batch's real frames; 0: it is not computed.
        student_steps: Steps of the student for each step of the generator.
        generator_channels: Of the generator at the picture's size; twice as many before.
    """

    dfkd_data: Literal["real", "generated"] = "real"
    w_r: Weight = 1.0
    task_weight: Weight = 0.0
    student_steps: Annotated[int, Field(ge=1)] = 1
    generator_channels: Annotated[int, Field(ge=GROUPS, multiple_of=GROUPS)] = 64


class Generator(nn.Module):
    """G: noise to clips of any size, by convolutions alone.

    The authors' two enlargements by repetition, widths and slope; but their first layer, which ties a picture's size
    to the weights, is a convolution of a map of noise here, and normalization takes groups of channels of one sample.

    Args:
        frames: F, of a clip.
        channels: At the picture's size, a multiple of :data:`GROUPS`.
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.body = nn.Sequential(
            *(nn.Conv2d(NOISE, wide, 3, padding=1), nn.GroupNorm(GROUPS, wide), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(wide, wide, 3, padding=1), nn.GroupNorm(GROUPS, wide), nn.LeakyReLU(0.2)),
            nn.Upsample(scale_factor=2),
            *(nn.Conv2d(wide, channels, 3, padding=1), nn.GroupNorm(GROUPS, channels), nn.LeakyReLU(0.2)),
            nn.Conv2d(channels, 3 * frames, 3, padding=1),
        )

    def forward(self, z: Tensor) -> Tensor:
        """(N, NOISE, h, w) -> (N, F, 3, 4h, 4w), RGB in [0, 1]."""
        return self.body(z).float().sigmoid().unflatten(1, (-1, 3))


class DFKD(Paired[DFKDOptions]):
    """The student should do what the teacher does, on pictures that a generator looks for. See :class:`Paired`."""

    name = "dfkd"
    paper = "Data-Free Knowledge Distillation for Image Super-Resolution (Zhang et al., CVPR 2021)"
    needs = "no feature and no clean frames; with dfkd_data=generated no frames at all"
    roles = ()
    Options: ClassVar[type[MethodOptions]] = DFKDOptions
    trains_others = frozenset({"generator", "consistency"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        # (4) L_G = L_gen + w_R L_R for the generator, L_S + w L_core for the student: the loop sums by these weights
        self.default_weights = {"student": 1.0, "generator": 1.0, "consistency": o.w_r}
        if o.task_weight:
            self.default_weights["reconstruction"] = o.task_weight
        self.generator = Generator(2 * self.context + 1, o.generator_channels)

    def forward(self, batch: Batch, step: int) -> Losses:
        """The losses of both; none moves what the other is for."""
        return {**self.student_losses(batch), **self.generator_losses(batch)}

    def loss_groups(self, batch: Batch, step: int) -> Iterator[Losses]:
        """First a step of the student, then one of the generator against the student as it is by then."""
        yield self.student_losses(batch)
        if (step + 1) % self.options.student_steps == 0:
            yield self.generator_losses(batch)

    def student_losses(self, batch: Batch) -> Losses:
        """``student`` (1); and ``reconstruction``, where it has a weight, on the batch's own frames."""
        own = self._own(batch)  # (N, F, 3, H, W)
        with torch.no_grad():
            x = self._generated(own)  # (N, F, 3, H, W)
        if self.options.dfkd_data == "real":
            x = torch.where(every_second(len(batch["degraded"]), len(own)).to(own.device), own, x)
        y_t, y_s = self._restored(x)  # (N, 3, sH, sW)
        losses = {"student": l1_loss(y_s, y_t)}  # (1) mean |S(x) - T(x)|
        if self.options.task_weight:
            losses["reconstruction"] = self.run_student(batch)[1]
        return losses

    def generator_losses(self, batch: Batch) -> Losses:
        """``generator`` (2) and ``consistency`` (3): gradients go through both networks into the generator alone."""
        x = self._generated(self._own(batch))  # (N, F, 3, H, W)
        with frozen_weights(self.student), frozen_statistics(self.student):
            y_t, y_s = self._restored(x)  # (N, 3, sH, sW)
        gap = (y_t - y_s).abs().flatten(1).mean(1)  # (N,), mean |T(x) - S(x)| of each sample
        back = bring_back(y_t, x.shape[-2:])  # (N, 3, H, W), D(T(x))
        return {
            "generator": -torch.log1p(gap).mean(),  # (2) -log(1 + mean |T(x) - S(x)|)
            "consistency": l1_loss(back, x[:, self.context]),  # (3) mean |D(T(x)) - x|
        }

    def _own(self, batch: Batch) -> Tensor:
        """The batch's degraded frames around each of its centers: (N, F, 3, H, W), N = B*L, F = 2 * context + 1."""
        return centre_windows(batch, self.context, self.context, self.context).flatten(0, 1)

    def _generated(self, own: Tensor) -> Tensor:
        """As many clips of that shape, G(z)."""
        height, width = own.shape[-2:]
        like = next(self.generator.parameters())
        z = random_rows(len(own), NOISE, -(-height // CELL), -(-width // CELL), like=like)  # (N, NOISE, ~H/4, ~W/4)
        return self.generator(z)[..., :height, :width]

    def _restored(self, x: Tensor) -> list[Tensor]:
        """T(x) and S(x) of clips (N, F, 3, H, W), with gradient: pictures (N, 3, sH, sW), float32."""
        windows = [self.windows(net, {"degraded": x}) for net in (self.teacher_net, self.student_net)]
        y_t, y_s = self.teacher_net.network(windows[0]), self.student_net.network(windows[1])  # (N, 3, sH', sW')
        scale = y_t.shape[-1] // windows[0].shape[-1]
        return same_area([scale * side for side in x.shape[-2:]], y_t, y_s)


def every_second(samples: int, n: int) -> Tensor:
    """Every second center of every sample; a coin, the same in all processes, says whether the even or the odd ones.

    Args:
        samples: B, of this process.
        n: N = B*L.

    Returns:
        (N, 1, 1, 1, 1), true for those.
    """
    sample = torch.arange(samples)[:, None] + first_row(samples)  # (B, 1), its number in the whole batch
    center = torch.arange(n // samples)  # (L,)
    return ((sample + center + torch.randint(2, ())) % 2 == 0).view(-1, 1, 1, 1, 1)


def bring_back(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    """D: restored pictures (N, 3, sH, sW) at the input's size (H, W), by antialiased bicubic interpolation.

    >>> import torch
    >>> bring_back(torch.arange(16.0).expand(1, 3, 16, 16), (8, 8))[0, 0, 3, 2:6].tolist()
    [4.5, 6.5, 8.5, 10.5]
    """
    if picture.shape[-2:] == size:
        return picture
    return interpolate(picture, size, mode="bicubic", antialias=True)
