"""FAKD: Feature-Affinity based Knowledge Distillation for Efficient Image Super-Resolution (He et al., ICIP 2020).

    equation                                              here
    (1) X_i = F_i / (||F_i||_2 + 1e-8), i a pixel         spatial_affinity
    (2) A = X^T X, between pixels: (hw, hw)               spatial_affinity
    (3) A between channels: (C, C)                        channel_affinity
    (4) A between the pictures of a batch: (N, N)         instance_affinity
    (5) L_affinity = sum_levels mean |A_T - A_S|          FAKD._affinity
    (6) L_picture = mean |y_S - y_T|                      FAKD.forward
    (7) L = (1-a) L_core + a L_picture + w L_affinity     FAKD.__init__

The equation numbers are ours. An affinity lies between -1 and 1 for any scale of the feature, and (2) and (4) do not
depend on its width, so no adapter is needed. (1) and (2) are the method; (3) and (4) are variants in the authors' code.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, l1_loss

from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions, same_area
from restill.distillation.processes import all_rows
from restill.distillation.scales import like
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch
from restill.errors import RestillError

EPSILON = 1e-8


class FAKDOptions(PairedOptions):
    """Options of :class:`FAKD`.

    Attributes:
        weight: w of (7); the authors' script says 10, the default of their code is 1.
        alpha: a of (7): share of the teacher's picture in the student's target, from 0 to 1.
        affinity: Which affinity: "spatial" (2), "channel" (3) or "instance" (4).
        max_pixels: Features are average-pooled to at most this many pixels, because (2) has the square of them.
    """

    weight: Weight = 10.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    affinity: Literal["spatial", "channel", "instance"] = "spatial"
    max_pixels: Annotated[int, Field(ge=1)] = 1024


class FAKD(Paired[FAKDOptions]):
    """Match the similarities between the teacher's features. See :class:`Paired`.

    Raises:
        RestillError: As :class:`Paired`; or the affinity is "channel" and the widths differ.
    """

    name = "fakd"
    paper = "FAKD, feature affinity (He et al., ICIP 2020)"
    needs = "feature maps at several depths, or one; both networks restore at one scale"
    roles = ("levels",)
    Options: ClassVar[type[MethodOptions]] = FAKDOptions

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        # (7) L = (1-a) L_core + a L_picture + w L_affinity
        self.default_weights = {"reconstruction": 1 - o.alpha, "picture": o.alpha, "affinity": o.weight}
        if o.affinity == "channel":
            for level, (student, teacher) in enumerate(self.widths("levels"), start=1):
                if student != teacher:
                    raise RestillError(
                        f"method 'fakd', option 'affinity': 'channel' needs networks of one width, but at level "
                        f"{level} the student has {student} channels and the teacher {teacher}; take 'spatial'"
                    )

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``picture``, (6); ``affinity``, (5)."""
        teacher = self.run_teacher(batch)
        student, reconstruction = self.run_student(batch)
        y_t, y_s = same_area(self.targets(batch).shape[-2:], teacher.picture, student.picture)  # (N, C, sH, sW)
        f_t = self.teacher_net.maps(teacher, "levels")  # [(N, C_T, h', w'), ...], N = B*L
        f_s = self.student_net.maps(student, "levels")  # [(N, C_S, h, w), ...]
        levels = [self._affinity(s, t) for s, t in zip(f_s, f_t, strict=True)]
        return {
            "reconstruction": reconstruction,
            "picture": l1_loss(y_s, y_t),  # (6)
            "affinity": torch.stack(levels).sum(),
        }

    def _affinity(self, f_s: Tensor, f_t: Tensor) -> Tensor:
        """(5) of one level, of (N, C_S, h, w) and (N, C_T, h', w')."""
        kind = self.options.affinity
        with torch.autocast(f_s.device.type, enabled=False):  # float32: sums of many products, and small differences
            f_s, f_t = f_s.float(), f_t.float()
            if kind == "spatial":
                f_s = pooled(f_s, self.options.max_pixels)  # (N, C_S, h/k, w/k)
                f_t = like(f_t, f_s)  # (N, C_T, h/k, w/k)
            affinity = {"spatial": spatial_affinity, "channel": channel_affinity, "instance": instance_affinity}[kind]
            return l1_loss(affinity(f_s), affinity(f_t))  # (5)


def spatial_affinity(f: Tensor) -> Tensor:
    """Cosine similarity of every two pixels of a picture, over the channels.

    Args:
        f: (N, C, h, w).

    Returns:
        (N, h*w, h*w), from -1 to 1.
    """
    x = unit(f.flatten(2), dim=1)  # (N, C, hw): (1) each pixel's column over its norm
    return x.transpose(1, 2) @ x  # (N, hw, hw): (2)


def channel_affinity(f: Tensor) -> Tensor:
    """Cosine similarity of every two channels of a picture, over the pixels.

    Args:
        f: (N, C, h, w).

    Returns:
        (N, C, C), from -1 to 1.
    """
    x = unit(f.flatten(2), dim=2)  # (N, C, hw)
    return x @ x.transpose(1, 2)  # (N, C, C): (3)


def instance_affinity(f: Tensor) -> Tensor:
    """Similarity of every two pictures in the batch of all processes; the rows have length 1.

    Args:
        f: (N, C, h, w), the pictures of this process.

    Returns:
        (N', N'), N' the pictures of all processes; from -1 to 1.

    Raises:
        RestillError: There is only one picture.
    """
    x = all_rows(f.flatten(1))  # (N', C*h*w)
    if len(x) < 2:
        raise RestillError(
            "method 'fakd', option 'affinity': 'instance' compares the pictures of a batch with each other, but the "
            "batch has only one; give larger batches, or 'spatial'"
        )
    x = x / x.detach().abs().amax().clamp_min(EPSILON)  # avoids an overflow; scaling does not change A
    return unit(x @ x.T, dim=1)  # (N', N'): (4)


def unit(x: Tensor, dim: int) -> Tensor:
    """Scale vectors to length 1 along a dimension; a vector near zero becomes zero, without gradient."""
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return x / (norm + EPSILON).masked_fill(norm <= EPSILON, inf)


def pooled(f: Tensor, most: int) -> Tensor:
    """Average-pool (N, C, h, w) by the least whole factor that leaves at most ``most`` pixels."""
    h, w = f.shape[-2:]
    k = 1
    while max(1, h // k) * max(1, w // k) > most:
        k += 1
    return f if k == 1 else adaptive_avg_pool2d(f, (max(1, h // k), max(1, w // k)))
