"""VDSR (Kim et al., CVPR 2016): twenty 3x3 convolutions that correct the enlarged picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from restill.networks.blocks.upsampling import SUPER_RESOLUTION, check_channels, conv_relu, enlarge, init_for_relu, luma
from restill.networks.spec import NetworkSpec

CONVOLUTIONS = 20


class VDSR(nn.Module):
    """One frame; 665,921 parameters on luma, 668,227 on RGB.

    Args:
        channels: 1: luma is restored, chroma stays bicubic (the paper). 3: RGB.
        width: Channels of a convolution.
    """

    spec: ClassVar[NetworkSpec] = replace(
        SUPER_RESOLUTION,
        paper="VDSR, CVPR 2016",
        levels=("body.5", "body.12", "head:input"),
    )

    def __init__(self, channels: int = 1, width: int = 64) -> None:
        super().__init__()
        check_channels("vdsr", channels)
        self.channels = channels
        widths = [channels] + [width] * (CONVOLUTIONS - 1)
        self.body = nn.Sequential(*(conv_relu(a, b) for a, b in pairwise(widths)))
        self.head = nn.Conv2d(width, channels, 3, padding=1)
        init_for_relu(self)
        nn.init.normal_(self.head.weight, std=1e-3)  # starts at bicubic, but not with dead gradients

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged picture, corrected.

        Args:
            window: (B, 1, 3, H, W), any H and W.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        base = enlarge(window[:, 0])  # (B, 3, 4H, 4W)
        feature = self.body(luma(base) if self.channels == 1 else base)  # (B, 64, 4H, 4W): F^SR
        return self.head(feature) + base  # luma's residual is added to R, G and B alike
