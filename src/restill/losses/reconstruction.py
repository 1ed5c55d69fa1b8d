"""Losses between a restored and a clean picture: one function per kind, and the loss at each scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from restill.errors import RestillError
from restill.losses.pyramid import pyramid
from restill.losses.ssim import ssim

Kind = Literal["neg_ssim", "neg_ssim_l1", "neg_psnr", "mse", "charbonnier", "l1"]
PictureLoss = Callable[[Tensor, Tensor], Tensor]  # (prediction, target), both (B, C, H, W) -> scalar
CHARBONNIER_EPSILON = 1e-3  # a quarter of a gray level of 255: quadratic below, linear above


def neg_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return -SSIM, in [-1, 1]. The CSTD paper prints a plus sign, but only -SSIM can be minimized."""
    return -ssim(x, y)  # (6) L_T of SSID-KD; the term of one scale in CSTD


def neg_ssim_l1(x: Tensor, y: Tensor) -> Tensor:
    """Return -SSIM + L1, in [-1, 2]. SSIM measures structure, and L1 measures brightness.

    SSIM alone hardly distinguishes a picture from its negative. SSIM(-y, y) is nearly 1 because both factors change
    sign. Without a skip from input to output, a network may converge to the negative in one color.
    """
    return neg_ssim(x, y) + l1_loss(x, y)


def neg_psnr(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of -PSNR / (100 dB), about -0.3. One dB weighs about as much as it does in SSIM.

    With MSE, the few pictures with the heaviest rain dominate every step. Here, all pictures have equal weight.
    Above 50 dB, the loss does not improve.
    """
    mse = (x - y).square().flatten(1).mean(1)  # (B,)
    return torch.log10(mse + 1e-5).mean() / 10


def charbonnier(
    x: Tensor, y: Tensor, epsilon: float = CHARBONNIER_EPSILON, over: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """Return sqrt((x - y)^2 + epsilon^2), an L1 that is smooth at zero. Never below epsilon.

    Args:
        x: (B, C, H, W).
        y: (B, C, H, W).
        epsilon: Where the loss changes from quadratic to linear.
        over: "mean" over all values, or "sum" over each picture, averaged over pictures.
    """
    values = torch.sqrt((x - y) ** 2 + epsilon**2)  # (B, C, H, W)
    return values.mean() if over == "mean" else values.flatten(1).sum(1).mean()


_KINDS: dict[str, PictureLoss] = {
    "neg_ssim": neg_ssim,
    "neg_ssim_l1": neg_ssim_l1,
    "neg_psnr": neg_psnr,
    "mse": mse_loss,
    "charbonnier": charbonnier,
    "l1": l1_loss,
}


def reconstruction(kind: str) -> PictureLoss:
    """Return the loss with this name.

    Raises:
        RestillError: The kind is unknown.
    """
    if kind not in _KINDS:
        raise RestillError(f"reconstruction loss '{kind}' is not known; it must be one of: {', '.join(get_args(Kind))}")
    return _KINDS[kind]


def scale_losses(predictions: Sequence[Tensor], target: Tensor, kind: str | PictureLoss) -> list[Tensor]:
    """Return the loss at each scale. Pool the target 2x2 to match the scale.

    Args:
        predictions: One per scale, finest first; scale p is (B, C, ~H/2^(p-1), ~W/2^(p-1)). If padding makes
            one larger than its target, crop it at the right and the bottom.
        target: (B, C, H, W), the clean picture.
        kind: A name for :func:`reconstruction`, or a loss function.

    Returns:
        One scalar per scale.

    Raises:
        RestillError: A prediction is smaller than its target.
    """
    loss = reconstruction(kind) if isinstance(kind, str) else kind
    values = []
    for prediction, clean in zip(predictions, pyramid(target, len(predictions)), strict=True):
        h, w = clean.shape[-2:]
        if prediction.shape[-2] < h or prediction.shape[-1] < w:
            raise RestillError(
                f"the student's picture at scale {len(values) + 1} is {tuple(prediction.shape[-2:])}, "
                f"but the clean one there is {(h, w)}: its feature or head path is not the right one"
            )
        values.append(loss(prediction[..., :h, :w].float(), clean))
    return values
