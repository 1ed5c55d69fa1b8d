"""How far a restored picture is from the clean one: one function per kind, and the sum over scales."""

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
PictureLoss = Callable[[Tensor, Tensor], Tensor]  # of (prediction, target), both (B, C, H, W), giving a scalar
CHARBONNIER_EPSILON = 1e-3  # a quarter of a grey level of 255: quadratic below it, linear above


def neg_ssim(x: Tensor, y: Tensor) -> Tensor:
    """-SSIM, in [-1, 1]. The CSTD paper prints a plus sign; only the negative can be minimized."""
    return -ssim(x, y)  # (6) L_T of SSID-KD; the term of one scale in CSTD


def neg_ssim_l1(x: Tensor, y: Tensor) -> Tensor:
    """-SSIM + L1, in [-1, 2]: SSIM says how a picture is structured, L1 how bright it is.

    SSIM alone hardly tells a picture from its negative: of -y and y it is nearly 1, for both of its factors change
    their sign. A network without a skip from input to output may settle there with one of its colors.
    """
    return neg_ssim(x, y) + l1_loss(x, y)


def neg_psnr(x: Tensor, y: Tensor) -> Tensor:
    """-PSNR / (100 dB), mean over pictures; about -0.3, and a dB weighs about what it does in SSIM.

    MSE lets the few pictures with the heaviest rain decide every step; here each picture counts the same. Beyond 50 dB
    there is nothing to gain.
    """
    mse = (x - y).square().flatten(1).mean(1)  # (B,)
    return torch.log10(mse + 1e-5).mean() / 10


def charbonnier(
    x: Tensor, y: Tensor, epsilon: float = CHARBONNIER_EPSILON, over: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """sqrt((x - y)^2 + epsilon^2): an L1 that is smooth at zero. Never below epsilon.

    Args:
        x: (B, C, H, W).
        y: (B, C, H, W).
        epsilon: Where it turns from quadratic to linear.
        over: "mean" over everything, or the "sum" over each picture, mean over the pictures.
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
    """The loss of that name.

    Raises:
        RestillError: There is no such kind.
    """
    if kind not in _KINDS:
        raise RestillError(f"reconstruction loss '{kind}' is not known; it must be one of: {', '.join(get_args(Kind))}")
    return _KINDS[kind]


def scale_losses(predictions: Sequence[Tensor], target: Tensor, kind: str | PictureLoss) -> list[Tensor]:
    """The loss at each scale, against the target pooled 2x2 as often as the scale says.

    Args:
        predictions: One per scale, finest first; scale p is (B, C, ~H/2^(p-1), ~W/2^(p-1)). One that is larger than
            its target (padding) is cropped at the right and the bottom.
        target: (B, C, H, W), the clean picture.
        kind: See :func:`reconstruction`; or the function itself.

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
