"""RBPN (Haris et al., CVPR 2019): back-projection of one neighbor at a time. A teacher in STD's ablation.

Each step compares the enlarged feature with the feature of a neighbor and its flow, and adds the difference.
The paper computes the flow with an external, classical program. Here SPyNet is a part of the network and trains with
it. You can load its published weights into ``flow``.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, cat, nn

from restill.errors import RestillError
from restill.networks.blocks.spynet import SPyNet
from restill.networks.blocks.upsampling import SCALE, SUPER_RESOLUTION
from restill.networks.spec import NetworkSpec

STAGES = 3  # up-projections in the single-picture part
BLOCKS = 5  # residual blocks in each of the other three parts


class BackProjection(nn.Module):
    """Project, then correct by the error of projecting back: y = there(x); again(back(y) - x) + y."""

    def __init__(self, there: nn.Module, back: nn.Module, again: nn.Module) -> None:
        super().__init__()
        self.there, self.back, self.again = there, back, again

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, 4h, 4w), or the reverse."""
        y = self.there(x)
        return self.again(self.back(y) - x) + y


class ResidualBlock(nn.Module):
    """act(conv(act(conv(x))) + x), one PReLU for both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.b(self.act(self.a(x))) + x)


class SinglePicture(nn.Module):
    """Enlarges one feature (DBPN, Haris et al., CVPR 2018): three steps up, with two down between them."""

    def __init__(self, c_in: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.first = _layer(c_in, c, 1)
        self.up = nn.ModuleList(BackProjection(_enlarge(c, c), _reduce(c, c), _enlarge(c, c)) for _ in range(STAGES))
        self.down = nn.ModuleList(
            BackProjection(_reduce(c, c), _enlarge(c, c), _reduce(c, c)) for _ in range(STAGES - 1)
        )
        self.last = nn.Conv2d(STAGES * c, c, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, 256, H, W) -> (B, 64, 4H, 4W)."""
        high = [self.up[0](self.first(feature))]  # (B, 64, 4H, 4W)
        for up, down in zip(self.up[1:], self.down, strict=True):
            high.append(up(down(high[-1])))  # (B, 64, 4H, 4W)
        return self.last(cat(high[::-1], 1))


def _layer(c_in: int, c_out: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2), nn.PReLU())


def _reduce(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 2 * SCALE, stride=SCALE, padding=SCALE // 2), nn.PReLU())


def _enlarge(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 2 * SCALE, stride=SCALE, padding=SCALE // 2), nn.PReLU())


class RBPN(nn.Module):
    """Seven frames; 12,771,943 parameters, and 1,440,300 in the flow network.

    Args:
        frames: In a window; odd, at least 3.
        channels: At input resolution.
        hr_channels: At output resolution.
    """

    spec: NetworkSpec = replace(
        SUPER_RESOLUTION,
        paper="RBPN, CVPR 2019",
        frames_before=3,
        frames_after=3,
        residual=False,
        upsample="bilinear",
        levels=("projected.1", "projected.3", "head:input"),
        no_export="in ONNX its flow network, SPyNet, is right only at sizes that are multiples of 32",
    )

    def __init__(self, frames: int = 7, channels: int = 256, hr_channels: int = 64) -> None:
        super().__init__()
        if frames < 3 or frames % 2 == 0:
            raise RestillError(f"rbpn's frames is {frames}; it must be odd and at least 3")
        neighbors, c, hr = frames - 1, channels, hr_channels
        first = (neighbors - 1) // 3
        second = max(first + 1, 2 * (neighbors - 1) // 3)  # with two neighbors: both
        levels = (f"projected.{first}", f"projected.{second}", "head:input")
        self.spec = replace(self.spec, frames_before=neighbors // 2, frames_after=neighbors // 2, levels=levels)
        self.center = _layer(3, c)
        self.pair = _layer(8, c)
        self.single = SinglePicture(c, hr)
        self.multiple = nn.Sequential(*(ResidualBlock(c) for _ in range(BLOCKS)), _enlarge(c, hr))
        self.error = nn.Sequential(*(ResidualBlock(hr) for _ in range(BLOCKS)), _layer(hr, hr))
        self.back = nn.Sequential(*(ResidualBlock(hr) for _ in range(BLOCKS)), _reduce(hr, c))
        self.projected = nn.ModuleList(nn.Identity() for _ in range(neighbors))  # for taps
        self.head = nn.Conv2d(neighbors * hr, 3, 3, padding=1)
        self.flow = SPyNet()

    def forward(self, window: Tensor) -> Tensor:
        """Enlarge the center frame, without a global skip.

        Args:
            window: (B, K, 3, H, W), not aligned, any H and W.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        before, center, after = window.tensor_split([self.spec.frames_before, self.spec.frames_before + 1], 1)
        center = center[:, 0]  # (B, 3, H, W)
        low = self.center(center)  # (B, 256, H, W)
        high: list[Tensor] = []
        for neighbor, projected in zip(cat([before, after], 1).unbind(1), self.projected, strict=True):
            if high:
                low = self.back(high[-1])  # (B, 256, H, W)
            pair = self.pair(cat([center, neighbor, self.flow(center, neighbor)], 1))  # (B, 256, H, W)
            single = self.single(low)  # (B, 64, 4H, 4W)
            error = self.error(single - self.multiple(pair))  # (B, 64, 4H, 4W)
            high.append(projected(single + error))  # (B, 64, 4H, 4W)
        return self.head(cat(high, 1))  # (B, 3, 4H, 4W)
