"""Modulated deformable convolution (DCNv2; Zhu et al., CVPR 2019) in plain PyTorch: no compiled extension."""

from __future__ import annotations

import torch
from torch import Tensor, arange, nn
from torch.nn.functional import conv2d, grid_sample

KERNEL = 3
TAPS = KERNEL**2


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 3x3 convolution, stride 1, same size, with an offset and a weight for every tap at every position.

    y(p) = sum over taps k of weight_k * x(p + p_k + offset_k(p)) * mask_k(p), p_k = (-1, -1) .. (1, 1) row by row
    (eq. 1 of the paper); x is sampled bilinearly and is zero outside. The channels of x form G groups of adjacent
    channels. Each group has its own offsets and masks.

    Args:
        x: (B, C, H, W).
        offset: (B, G*9*2, H, W), pixels: for each group, for each tap: down, then right.
        mask: (B, G*9, H, W): for each group, for each tap.
        weight: (O, C, 3, 3).
        bias: (O,).

    Returns:
        (B, O, H, W).
    """
    batch, channels, height, width = x.shape
    groups = mask.shape[1] // TAPS
    wide = torch.promote_types(x.dtype, torch.float32)  # half precision cannot index a large map's columns
    offset = offset.reshape(batch * groups, TAPS, 2, height, width).to(wide)
    tap = arange(TAPS, device=x.device).view(TAPS, 1, 1)  # (9, 1, 1)
    rows = arange(height, device=x.device).view(height, 1) + tap // KERNEL - KERNEL // 2  # (9, H, 1)
    columns = arange(width, device=x.device) + tap % KERNEL - KERNEL // 2  # (9, 1, W)
    down = rows + offset[:, :, 0]  # (B*G, 9, H, W)
    right = columns + offset[:, :, 1]  # (B*G, 9, H, W)
    # in grid_sample, -1 and 1 are the outer edges of the first and last pixel
    grid = torch.stack([(2 * right + 1) / width - 1, (2 * down + 1) / height - 1], dim=-1)  # (B*G, 9, H, W, 2)
    grouped = x.reshape(batch * groups, channels // groups, height, width).to(wide)  # (B*G, C/G, H, W)
    read = grid_sample(grouped, grid.flatten(1, 2), mode="bilinear", padding_mode="zeros", align_corners=False)
    weighed = read.to(x.dtype) * mask.reshape(batch * groups, 1, TAPS * height, width)  # (B*G, C/G, 9*H, W)
    taps = weighed.reshape(batch, channels * TAPS, height, width)  # channel c*9 + k is tap k of channel c
    return conv2d(taps, weight.reshape(-1, channels * TAPS, 1, 1), bias)  # (B, O, H, W)


class DeformableConv2d(nn.Module):
    """:func:`deform_conv2d` with offsets and masks computed from another map. They start at 0 and 1/2.

    Args:
        channels: In and out.
        groups: G, groups with their own offsets; divides ``channels``.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels, channels, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.offset = nn.Conv2d(channels, 3 * groups * TAPS, 3, padding=1)  # offsets, then masks before the sigmoid
        bound = (channels * TAPS) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Convolve x with the offsets and masks from the guide.

        Args:
            x: (B, C, H, W).
            guide: (B, C, H, W).

        Returns:
            (B, C, H, W).
        """
        moves = self.offset(guide)  # (B, G*27, H, W)
        offset, mask = moves.split([2 * self.groups * TAPS, self.groups * TAPS], dim=1)
        return deform_conv2d(x, offset, mask.sigmoid(), self.weight, self.bias)
