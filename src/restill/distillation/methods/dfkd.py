"""DFKD: data-free distillation (Zhang et al., CVPR 2021), in which a generator makes the student's training pictures.

    equation                                                    here
    (1) L_S = mean |S(x) - T(x)|                                DFKD.student_losses
    (2) L_gen = -log(1 + mean |T(x) - S(x)|), x = G(z)          DFKD.generator_losses
    (3) L_R = mean |D(T(x)) - x|, x = G(z)                      DFKD.generator_losses
    (4) L_G = L_gen + w_R L_R; L = L_S + w L_core               DFKD.__init__

The equation numbers are ours. T is the teacher, S the student, G the generator, z ~ N(0, I). D resizes a restored
picture to the input's size. The student learns to match its teacher (1). Then the generator learns to make pictures on
which the two differ (2), and which the teacher leaves nearly unchanged (3). Only the student is saved.
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
CELL = 4  # pixels: side of the square that one value of z covers


class DFKDOptions(PairedOptions):
    """Options of :class:`DFKD`.

    Attributes:
        dfkd_data: "real": half of the student's inputs are the batch's own degraded frames. "generated": none; only the
            shape of the batch is used.
        w_r: w_R of (4).
        task_weight: w of (4), weight of the reconstruction loss on the batch's real frames; 0 turns it off.
        student_steps: Steps of the student for each step of the generator.
        generator_channels: Channels of the generator at the picture's size; the earlier layers have twice as many.
    """

    dfkd_data: Literal["real", "generated"] = "real"
    w_r: Weight = 1.0
    task_weight: Weight = 0.0
    student_steps: Annotated[int, Field(ge=1)] = 1
    generator_channels: Annotated[int, Field(ge=GROUPS, multiple_of=GROUPS)] = 64


class Generator(nn.Module):
    """G: a convolutional network from noise to clips of any size.

    The two enlargements by repetition, the widths and the slope are the authors'. Their first layer fixes the picture's
    size; here it is a convolution of a map of noise. Normalization is over groups of channels of one sample.

    Args:
        frames: F, frames of a clip.
        channels: Channels at the picture's size, a multiple of :data:`GROUPS`.
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
    """Train the student to match the teacher on pictures from a generator. See :class:`Paired`."""

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
        """The losses of student and generator; each trains only its own network."""
        return {**self.student_losses(batch), **self.generator_losses(batch)}

    def loss_groups(self, batch: Batch, step: int) -> Iterator[Losses]:
        """A step of the student, then one of the generator against the updated student."""
        yield self.student_losses(batch)
        if (step + 1) % self.options.student_steps == 0:
            yield self.generator_losses(batch)

    def student_losses(self, batch: Batch) -> Losses:
        """``student`` (1); and ``reconstruction`` on the batch's own frames, if it has a weight."""
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
        """``generator`` (2) and ``consistency`` (3), with gradients for the generator only."""
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
        """G(z): clips of the shape of ``own``."""
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
    """Mask of every second center of every sample; at random the even or the odd ones, the same in all processes.

    Args:
        samples: B, of this process.
        n: N = B*L.

    Returns:
        (N, 1, 1, 1, 1), true for the selected centers.
    """
    sample = torch.arange(samples)[:, None] + first_row(samples)  # (B, 1), its number in the whole batch
    center = torch.arange(n // samples)  # (L,)
    return ((sample + center + torch.randint(2, ())) % 2 == 0).view(-1, 1, 1, 1, 1)


def bring_back(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    """D: resize restored pictures (N, 3, sH, sW) to the input's size (H, W), by antialiased bicubic interpolation.

    >>> import torch
    >>> bring_back(torch.arange(16.0).expand(1, 3, 16, 16), (8, 8))[0, 0, 3, 2:6].tolist()
    [4.5, 6.5, 8.5, 10.5]
    """
    if picture.shape[-2:] == size:
        return picture
    return interpolate(picture, size, mode="bicubic", antialias=True)
