"""D3Dnet (Ying et al., IEEE Signal Processing Letters 2020): deformable 3-D convolutions follow the motion.

It needs no flow and no alignment: the taps of the convolutions move within their frames.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from restill.networks.blocks.deformable import TAPS, deform_conv2d
from restill.networks.blocks.onednn import Conv3d
from restill.networks.blocks.upsampling import SCALE, SLOPE, SUPER_RESOLUTION, check_channels, luma
from restill.networks.spec import NetworkSpec

FRAMES = 7


class DeformableConv3d(nn.Module):
    """A 3x3x3 convolution whose taps move in space, not in time, by offsets from a convolution of its input.

    It is the 2-D one on three frames side by side, each a group with its own offsets, which start at 0.

    Args:
        channels: In and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.offset = Conv3d(channels, 2 * 3 * TAPS, 3, padding=1)
        bound = (channels * 3 * TAPS) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) keeps its shape; zero outside, in time too."""
        batch, _, frames, _, _ = x.shape
        padded = pad(x, (0, 0, 0, 0, 1, 1)).transpose(1, 2)  # (B, T+2, C, H, W)
        threes = torch.cat([padded[:, k : k + frames] for k in range(3)], 2).flatten(0, 1)  # (B*T, 3C, H, W)
        offset = self.offset(x).transpose(1, 2).flatten(0, 1)  # (B*T, 3*9*2, H, W)
        mask = offset.new_ones(1, 1, 1, 1).expand(-1, 3 * TAPS, *offset.shape[2:]).expand(batch * frames, -1, -1, -1)
        weight = self.weight.transpose(1, 2).flatten(1, 2)  # (C, 3C, 3, 3)
        y = deform_conv2d(threes, offset, mask, weight, self.bias)  # (B*T, C, H, W)
        return y.unflatten(0, (batch, frames)).transpose(1, 2)


class Residual(nn.Module):
    """conv(leaky_relu(conv(x))) + x."""

    def __init__(self, a: nn.Module, b: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(a, nn.LeakyReLU(SLOPE), b)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x


class D3Dnet(nn.Module):
    """Seven frames; 2,579,941 parameters on luma, 2,584,621 on RGB.

    Args:
        channels: 1: luma is restored, chroma stays bilinear (the paper). 3: RGB.
        width: Channels of a convolution.
    """

    spec: ClassVar[NetworkSpec] = replace(
        SUPER_RESOLUTION,
        paper="D3Dnet, IEEE SPL 2020",
        frames_before=FRAMES // 2,
        frames_after=FRAMES // 2,
        upsample="bilinear",
        lr_feature="picture",
        levels=("motion.3", "picture.2", "head:input"),
    )

    def __init__(self, channels: int = 1, width: int = 64) -> None:
        super().__init__()
        check_channels("d3dnet", channels)
        self.channels = channels
        c = width
        self.first = nn.Sequential(Conv3d(channels, c, 3, padding=1, bias=False), nn.LeakyReLU(SLOPE))
        self.motion = nn.Sequential(*(Residual(DeformableConv3d(c), DeformableConv3d(c)) for _ in range(5)))
        self.fuse = nn.Conv2d(FRAMES * c, c, 1)
        self.picture = nn.Sequential(
            *(Residual(nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)) for _ in range(6))
        )
        self.enlarge = nn.Sequential(nn.Conv2d(c, SCALE**2 * c, 1, bias=False), nn.PixelShuffle(SCALE))
        self.head = nn.Sequential(
            nn.Conv2d(c, channels, 3, padding=1, bias=False), nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        )

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged center frame, corrected.

        Args:
            window: (B, 7, 3, H, W), not aligned, any H and W.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        base = interpolate(window[:, FRAMES // 2], scale_factor=SCALE, mode="bilinear")  # (B, 3, 4H, 4W)
        seen = luma(window) if self.channels == 1 else window  # (B, 7, 1 or 3, H, W)
        f = self.motion(self.first(seen.transpose(1, 2)))  # (B, 64, 7, H, W)
        f = self.fuse(f.transpose(1, 2).flatten(1, 2))  # (B, 64, H, W)
        f = self.enlarge(self.picture(f))  # F^LR (B, 64, H, W), F^SR (B, 64, 4H, 4W)
        return self.head(f) + base  # (B, 3, 4H, 4W)
