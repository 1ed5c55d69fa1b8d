"""SOF-VSR (Wang et al., IEEE Transactions on Image Processing 2020): optical flow is super-resolved before the picture.

A flow at output resolution equals sixteen slightly shifted flows at input resolution. Each of them warps every neighbor
onto the center, and the upsampling network gets all these drafts. It works on luma.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, cat, nn, zeros_like
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, pixel_unshuffle

from restill.networks.blocks.spynet import warp
from restill.networks.blocks.upsampling import HR_CHANNELS, SCALE, SLOPE, SUPER_RESOLUTION, enlarge, luma
from restill.networks.spec import NetworkSpec

UNIT = 15.5  # pixels for a flow of 1, as in the authors' code: half of a training crop of 32


class HalfBlock(nn.Module):
    """Half of the channels pass unchanged; the others get 1x1, depthwise 3x3 and 1x1; then both are interleaved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels // 2
        self.body = nn.Sequential(
            nn.Conv2d(c, c, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False),
            nn.Conv2d(c, c, 1, bias=False),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), C even, keeps its shape."""
        passed, other = x.chunk(2, dim=1)  # (B, C/2, H, W) each
        both = cat([passed, self.body(other)], 1).unflatten(1, (2, -1))  # (B, 2, C/2, H, W)
        return both.transpose(1, 2).flatten(1, 2)  # (B, C, H, W)


def _blocks(number: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*(HalfBlock(channels) for _ in range(number)))


def _enlarge(channels: int, hr_channels: int) -> nn.Sequential:
    """1x1 and pixel-shuffle, twice."""
    layers: list[nn.Module] = []
    for c in (channels, hr_channels):
        layers += [nn.Conv2d(c, 4 * hr_channels, 1, bias=False), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _conv(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)


class FlowNet(nn.Module):
    """Flow at half, full and four times the input's size, with shared feature layers."""

    def __init__(self, channels: int, hr_channels: int, blocks: int) -> None:
        super().__init__()
        self.features = nn.Sequential(_conv(4, channels), nn.LeakyReLU(SLOPE), _blocks(blocks, channels))
        self.low = _conv(channels, 2)
        self.high = nn.Sequential(_blocks(blocks, channels), _enlarge(channels, hr_channels), _conv(hr_channels, 2))

    def forward(self, center: Tensor, neighbor: Tensor) -> Tensor:
        """Optical flow from the enlarged center to the enlarged neighbor.

        Args:
            center: (B, 1, H, W) luma in [0, 1], H and W even.
            neighbor: The same of the other frame.

        Returns:
            (B, 2, 4*H, 4*W): displacement (x, y), center to neighbor, in 15.5 pixels of the output's size.
        """
        small = avg_pool2d(cat([neighbor, center], 1), 2)  # (B, 2, H/2, W/2)
        flow = self.low(self.features(cat([small, zeros_like(small)], 1)))  # (B, 2, H/2, W/2)
        flow = 2 * interpolate(flow, scale_factor=2, mode="bilinear")  # (B, 2, H, W)
        flow = self.low(self._seen(center, neighbor, flow)) + flow  # (B, 2, H, W)
        fine = self.high(self._seen(center, neighbor, flow))  # (B, 2, 4H, 4W)
        return fine + SCALE * interpolate(flow, scale_factor=SCALE, mode="bilinear")

    def _seen(self, center: Tensor, neighbor: Tensor, flow: Tensor) -> Tensor:
        """(B, C, H, W)."""
        return self.features(cat([warp(neighbor, UNIT * flow), center, flow], 1))


def drafts(neighbor: Tensor, flow: Tensor) -> Tensor:
    """The neighbor warped by each of the flows, which are a quarter of a pixel apart.

    Args:
        neighbor: (B, 1, H, W).
        flow: (B, 2, 4*H, 4*W) of :class:`FlowNet`.

    Returns:
        (B, 16, H, W), the places of a 4x4 block row by row.
    """
    flows = pixel_unshuffle(UNIT / SCALE * flow, SCALE)  # (B, 2*16, H, W), in pixels of the input's size
    flows = flows.unflatten(1, (2, SCALE**2)).transpose(1, 2).flatten(0, 1)  # (B*16, 2, H, W)
    frames = neighbor.expand(-1, SCALE**2, -1, -1).flatten(0, 1).unsqueeze(1)  # (B*16, 1, H, W)
    return warp(frames, flows).view(-1, SCALE**2, *neighbor.shape[-2:])


class SOFVSR(nn.Module):
    """Three frames; 1,047,617 parameters.

    Args:
        channels: At input resolution, even.
        hr_channels: At output resolution.
        flow_blocks: In each of the two parts of the flow network.
    """

    spec: ClassVar[NetworkSpec] = replace(
        SUPER_RESOLUTION,
        paper="SOF-VSR, IEEE TIP 2020",
        frames_before=1,
        frames_after=1,
        size_multiple=2,
        lr_feature="blocks",
        levels=("blocks.2", "blocks.5", "head:input"),
    )

    def __init__(self, channels: int = 320, hr_channels: int = HR_CHANNELS, flow_blocks: int = 3) -> None:
        super().__init__()
        self.flow = FlowNet(channels, hr_channels, flow_blocks)
        self.first = _conv(1 + 2 * SCALE**2, channels)
        self.blocks = _blocks(8, channels)
        self.enlarge = _enlarge(channels, hr_channels)
        self.head = nn.Conv2d(hr_channels, 1, 3, padding=1)

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged center frame, its luma corrected.

        Args:
            window: (B, 3, 3, H, W), not aligned; H and W even.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        before, center, after = luma(window).unbind(1)  # (B, 1, H, W) each
        neighbors = cat([before, after])  # (2B, 1, H, W)
        warped = drafts(neighbors, self.flow(cat([center, center]), neighbors))  # (2B, 16, H, W)
        f = leaky_relu(self.first(cat([center, *warped.chunk(2)], 1)), SLOPE)  # (B, 320, H, W)
        f = self.blocks(f)  # (B, 320, H, W): F^LR
        f = self.enlarge(f)  # (B, 64, 4H, 4W): F^SR
        return self.head(f) + enlarge(window[:, 1])  # (B, 3, 4H, 4W)
