"""Structural similarity as a training loss (CSTD, section on the reconstruction loss; Wang et al., 2004)."""

from __future__ import annotations

import torch
from torch import Tensor

from restill.losses.gaussian import gaussian_blur

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # for a data range of 1


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return mean SSIM per channel: 11x11 Gaussian window, sigma 1.5, zero padding, data range 1.

    Use this as a loss, not as a metric. It does not clamp pictures, and zero padding includes the border.
    For published numbers, use :mod:`restill.evaluation`.

    Args:
        x: (B, C, H, W), normally in [0, 1]. Values outside are allowed.
        y: (B, C, H, W).

    Returns:
        A scalar in [-1, 1]. It is 1 if the two are equal.

    >>> picture = torch.rand(1, 3, 16, 16)
    >>> round(ssim(picture, picture).item(), 5)
    1.0
    """
    with torch.autocast(x.device.type, enabled=False):  # variances subtract close numbers: use float32
        x, y = x.float(), y.float()
        maps = torch.cat([x, y, x * x, y * y, x * y], dim=1)  # (B, 5C, H, W)
        mean_x, mean_y, xx, yy, xy = gaussian_blur(maps, WINDOW, SIGMA, "zero").chunk(5, dim=1)  # (B, C, H, W) each
        var_x = (xx - mean_x**2).clamp_min(0)  # rounding can make it negative
        var_y = (yy - mean_y**2).clamp_min(0)
        cov = xy - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        structure = (2 * cov + C2) / (var_x + var_y + C2)
        return (luminance * structure).mean()
