"""Kullback-Leibler divergences of features and pictures, after normalizing them to distributions."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Direction = Literal["reverse", "forward"]


def kl(student: Tensor, teacher: Tensor, direction: Direction = "reverse") -> Tensor:
    """Return the divergence of two softmax distributions, averaged over all axes but the last.

    Args:
        student: (..., N) logits.
        teacher: (..., N) logits.
        direction: "reverse": sum P_S log(P_S / P_T); "forward": sum P_T log(P_T / P_S), as in Hinton et al.

    Returns:
        A scalar, 0 or more.

    >>> import torch
    >>> student, teacher = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.8, 0.2]).log()
    >>> round(kl(student, teacher).item(), 4)  # 0.5 ln(0.5 / 0.8) + 0.5 ln(0.5 / 0.2)
    0.2231
    >>> round(kl(student, teacher, "forward").item(), 4)  # 0.8 ln(0.8 / 0.5) + 0.2 ln(0.2 / 0.5)
    0.1927
    """
    log_s, log_t = student.log_softmax(-1), teacher.log_softmax(-1)  # (..., N)
    first, second = (log_s, log_t) if direction == "reverse" else (log_t, log_s)
    return (first.exp() * (first - second)).sum(-1).mean()


def picture_kl(
    student: Tensor, teacher: Tensor, kind: Literal["sum", "softmax"] = "sum", direction: Direction = "reverse"
) -> Tensor:
    """Return the divergence of two pictures, averaged over samples and channels. A channel is one distribution.

    Args:
        student: (B, C, H, W).
        teacher: (B, C, H, W).
        kind: How to normalize a channel over its pixels. "sum": clamp to 1e-4..1, divide by the sum; or "softmax".
        direction: See :func:`kl`.

    Returns:
        A scalar, 0 or more.

    >>> import torch
    >>> student, teacher = torch.tensor([0.5, 0.5]).view(1, 1, 1, 2), torch.tensor([0.4, 0.1]).view(1, 1, 1, 2)
    >>> round(picture_kl(student, teacher).item(), 4)  # again (0.5, 0.5) and (0.8, 0.2)
    0.2231
    """
    # x / sum x is the softmax of log x
    logits_s, logits_t = ((x.clamp(1e-4, 1).log() if kind == "sum" else x).flatten(2) for x in (student, teacher))
    return kl(logits_s, logits_t, direction)  # of (B, C, H*W)
