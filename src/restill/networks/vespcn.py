"""VESPCN (Caballero et al., CVPR 2017) as a student of STD: its own coarse-to-fine flow, early fusion, a deep trunk.

The flow networks are the paper's, on RGB. The trunk is not. The paper's trunk has a few tens of thousands of
parameters; STD's table has one of about 0.26 T multiply-accumulates that is described nowhere. Here it is 12
convolutions of 64 channels and EDVR's upsampler, which gives the 64-channel feature at output resolution that STD
distils.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, cat, nn

from restill.networks.blocks.spynet import warp
from restill.networks.blocks.upsampling import HR_CHANNELS, WITH_UPSAMPLER, Upsampler, conv_relu, enlarge, init_for_relu
from restill.networks.spec import NetworkSpec

# Pixels for a flow of 1. In the paper it is the distance from center to border, 32 pixels in a training crop of 64.
# Fixed in pixels, it does not change with the size of the picture.
FLOW_UNIT = 32.0


class FlowNet(nn.Module):
    """Optical flow from a reference to a neighbor: coarse at a quarter of the size, corrected at half of it.

    Args:
        width: Channels of the inner layers.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        w = width
        self.coarse = nn.Sequential(
            *(nn.Conv2d(6, w, 5, stride=2, padding=2), nn.ReLU(), *conv_relu(w, w)),
            *(nn.Conv2d(w, w, 5, stride=2, padding=2), nn.ReLU(), *conv_relu(w, w)),
            *(nn.Conv2d(w, 2 * 4**2, 3, padding=1), nn.Tanh(), nn.PixelShuffle(4)),
        )
        self.fine = nn.Sequential(
            *(nn.Conv2d(11, w, 5, stride=2, padding=2), nn.ReLU()),
            *(layer for _ in range(3) for layer in conv_relu(w, w)),
            *(nn.Conv2d(w, 2 * 2**2, 3, padding=1), nn.Tanh(), nn.PixelShuffle(2)),
        )

    def forward(self, reference: Tensor, neighbor: Tensor) -> Tensor:
        """Optical flow.

        Args:
            reference: (B, 3, H, W) RGB in [0, 1], H and W multiples of 4.
            neighbor: The same of the other frame.

        Returns:
            (B, 2, H, W): displacement (x, y) in pixels, reference to neighbor; each of the two steps within 32.
        """
        coarse = self.coarse(cat([reference, neighbor], 1))  # (B, 2, H, W) in [-1, 1]
        warped = warp(neighbor, FLOW_UNIT * coarse)  # (B, 3, H, W)
        fine = self.fine(cat([reference, warped, coarse, neighbor], 1))  # (B, 2, H, W) in [-1, 1]
        return FLOW_UNIT * (coarse + fine)


class VESPCN(nn.Module):
    """Three frames; 841,859 parameters.

    Args:
        channels: Of the trunk, and of the feature at output resolution.
        flow_width: Channels of the flow networks.
    """

    spec: ClassVar[NetworkSpec] = replace(
        WITH_UPSAMPLER,
        paper="VESPCN, CVPR 2017; trunk ours",
        frames_before=1,
        frames_after=1,
        lr_feature="trunk",
        levels=("trunk.5", "trunk.10", "upsampler.conv_last:input"),
    )

    def __init__(self, channels: int = HR_CHANNELS, flow_width: int = 24) -> None:
        super().__init__()
        self.flow = FlowNet(flow_width)
        widths = [9] + [channels] * 13
        self.trunk = nn.Sequential(*(conv_relu(a, b) for a, b in pairwise(widths)))
        init_for_relu(self.trunk)
        self.upsampler = Upsampler(channels, channels)

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged center frame, corrected.

        Args:
            window: (B, 3, 3, H, W), not aligned; H and W multiples of 4.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        before, center, after = window.unbind(1)  # (B, 3, H, W) each
        neighbors = cat([before, after])  # (2B, 3, H, W)
        before, after = warp(neighbors, self.flow(cat([center, center]), neighbors)).chunk(2)  # (B, 3, H, W) each
        feature = self.trunk(cat([before, center, after], 1))  # (B, 64, H, W): F^LR
        return self.upsampler(feature) + enlarge(center)  # (B, 3, 4H, 4W)
