"""Learn the teacher's pictures of clips without a clean side, beside any method.

    equation                                               here
    (1) y_T = mean over the looks v of v^-1(T(v(x)))       looked_at
    (2) L_unlabeled = loss(S(x), y_T)                      unlabeled_loss
    (3) L = L_method + w * L_unlabeled                     loss_groups

The equation numbers are ours. x are degraded clips, the looks are mirror images and quarter turns, and the loss of (2)
is the one of the method's reconstruction (L1 if it has none). Where the truth is known, a teacher's picture is a noisy
copy of it. So the teacher is asked where no truth exists: on real rain, or on zoomed input (AugKD: Zhang et al., ICLR
2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from restill.distillation.method import Batch, Losses, Method
from restill.distillation.windows import stream
from restill.errors import RestillError
from restill.losses.reconstruction import reconstruction

UNLABELED = "unlabeled"  # the stream of a batch, and the loss on it
TARGET = "unlabeled_target"  # the teacher's pictures of it, (B*L, C, sH, sW), if it was asked before
FLIPS = {  # the looks: (quarter turns, mirrored)
    "none": [(0, False)],
    "mirror": [(0, False), (0, True)],
    "turns": [(turn, mirrored) for turn in range(4) for mirrored in (False, True)],
}
Flips = Literal["none", "mirror", "turns"]


def learn_unlabeled(method: Method, teacher: nn.Module | None) -> Method:
    """Add the loss ``unlabeled`` to a method, with weight 1.

    Args:
        method: Any method. One without a teacher gets this one.
        teacher: It is frozen.

    Raises:
        RestillError: There is no teacher, or a network of the method sees clean frames only.
    """
    if teacher is None:
        raise RestillError("unlabeled clips need a teacher, whose pictures are their only target: give 'teacher'")
    if method.teacher is None:
        method.teacher = teacher.requires_grad_(False).eval()
    try:
        for shown in (method.shown, method.shown_to_teacher):
            shown({"degraded": torch.zeros(1, 2 * method.context + 1, 3, 32, 32)})
    except KeyError as missing:
        raise RestillError(
            f"method '{method.name}' shows a network the {missing} frames, which unlabeled clips do not have; use "
            "another method for data.unlabeled"
        ) from missing
    method.default_weights[UNLABELED] = 1.0
    return method


def loss_groups(
    method: Method, batch: Batch, step: int, autocast: Callable[..., AbstractContextManager[Any]] = nullcontext
) -> Iterator[Losses]:
    """The method's groups of losses; the first also has ``unlabeled`` if the method learns from such clips.

    Args:
        method: The method.
        batch: What the method takes; and ``unlabeled`` (B', T, C, H, W), perhaps ``unlabeled_windows`` and
            :data:`TARGET`.
        step: Steps done before this one.
        autocast: Makes the context in which losses are computed.
    """
    waiting = UNLABELED in method.default_weights
    groups = method.loss_groups(batch, step)
    while True:
        with autocast():
            parts = next(groups, None)
            if parts is None:
                return
            if waiting:
                parts = {**parts, UNLABELED: unlabeled_loss(method, batch)}  # (3) L_method + w L_unlabeled
        yield parts
        waiting = False


def unlabeled_loss(method: Method, batch: Batch) -> Tensor:
    """(2) The distance between the student's pictures of unlabeled clips and the teacher's, a scalar.

    Raises:
        RestillError: The batch has no such clips, or the two networks restore at different scales.
    """
    if UNLABELED not in batch:
        raise RestillError("a batch has no 'unlabeled' clips, but the first one had: give them in every batch")
    clips = stream(batch, UNLABELED)
    y_t = batch[TARGET] if TARGET in batch else teacher_pictures(method, clips)  # (B'*L, C, sH, sW)
    y_s = method.student(method.shown(clips))[..., : y_t.shape[-2], : y_t.shape[-1]].float()
    if y_s.shape != y_t.shape:
        raise RestillError(
            f"the teacher's pictures of unlabeled clips are {tuple(y_t.shape)} and the student's {tuple(y_s.shape)}: "
            "both networks must restore at one scale"
        )
    kind = getattr(getattr(method, "options", None), "reconstruction", "l1")
    return reconstruction(kind)(y_s, y_t)  # (2) loss(S(x), y_T)


def teacher_pictures(method: Method, clips: Batch, flips: Flips = "none") -> Tensor:
    """The teacher's pictures of degraded clips, in float32, without gradient.

    Args:
        method: Has the teacher.
        clips: ``degraded`` (B, T, C, H, W), perhaps ``windows``.
        flips: The looks to average over: "none", "mirror" (two) or "turns" (eight).

    Returns:
        (B*L, C, sH, sW).
    """
    h, w = clips["degraded"].shape[-2:]
    windows = method.shown_to_teacher(clips)  # (B*L, K, C, H', W'), padded
    assert method.teacher is not None  # noqa: S101 - learn_unlabeled has seen to it
    pictures = looked_at(method.teacher, windows, flips)  # (B*L, C, sH', sW')
    scale = pictures.shape[-1] // windows.shape[-1]
    return pictures[..., : scale * h, : scale * w]


@torch.no_grad()
def looked_at(teacher: nn.Module, windows: Tensor, flips: Flips) -> Tensor:
    """(1) The mean over the looks at windows (N, K, C, H, W): (N, C, sH, sW), float32."""
    pictures = []
    with torch.autocast(windows.device.type, enabled=False):
        for turn, mirrored in FLIPS[flips]:
            seen = windows.flip(-1) if mirrored else windows
            picture = teacher(seen.rot90(turn, (-2, -1))).float().rot90(-turn, (-2, -1))
            pictures.append(picture.flip(-1) if mirrored else picture)
    return torch.stack(pictures).mean(0)
