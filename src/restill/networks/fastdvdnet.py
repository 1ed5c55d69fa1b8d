"""FastDVDnet (Tassano et al., CVPR 2020) for super-resolution, the student of STD (Space-Time Distillation, CVPR 2021).

It uses the denoiser's block, a small U-Net on three frames, without the noise map; three stages instead of two, for
seven frames instead of five; then EDVR's upsampler. STD describes its own changes in a supplement that we do not have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn, stack

from restill.networks.blocks.upsampling import HR_CHANNELS, WITH_UPSAMPLER, Upsampler, enlarge
from restill.networks.spec import NetworkSpec

PER_FRAME = 30  # channels of a block's first layer for each of its three frames


class Block(nn.Module):
    """The U-Net of FastDVDnet: three frames in, one map out; the biases are in the batch norms.

    Args:
        c_in: Channels of one of the three frames.
        c_out: Channels of the result.
        width: Channels at full resolution; twice and four times as many at a half and a quarter.
    """

    def __init__(self, c_in: int = 3, c_out: int = 3, width: int = 32) -> None:
        super().__init__()
        w = width
        self.first = nn.Sequential(*_layer(3 * c_in, 3 * PER_FRAME, groups=3), *_layer(3 * PER_FRAME, w))
        self.down1 = nn.Sequential(*_layer(w, 2 * w, stride=2), *_two_layers(2 * w))
        self.down2 = nn.Sequential(*_layer(2 * w, 4 * w, stride=2), *_two_layers(4 * w))
        self.up2 = nn.Sequential(*_two_layers(4 * w), _conv(4 * w, 8 * w), nn.PixelShuffle(2))
        self.up1 = nn.Sequential(*_two_layers(2 * w), _conv(2 * w, 4 * w), nn.PixelShuffle(2))
        self.last = nn.Sequential(*_layer(w, w), _conv(w, c_out))

    def forward(self, triplet: Tensor) -> Tensor:
        """One map of three frames.

        Args:
            triplet: (N, 3*C, H, W), frame by frame; H and W multiples of 4.

        Returns:
            (N, C', H, W).
        """
        full = self.first(triplet)  # (N, 32, H, W)
        half = self.down1(full)  # (N, 64, H/2, W/2)
        quarter = self.down2(half)  # (N, 128, H/4, W/4)
        half = self.up2(quarter) + half  # (N, 64, H/2, W/2)
        full = self.up1(half) + full  # (N, 32, H, W)
        return self.last(full)  # (N, C', H, W)


def _conv(c_in: int, c_out: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, groups=groups, bias=False)


def _layer(c_in: int, c_out: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [_conv(c_in, c_out, stride, groups), nn.BatchNorm2d(c_out), nn.ReLU()]


def _two_layers(channels: int) -> list[nn.Module]:
    return [*_layer(channels, channels), *_layer(channels, channels)]


def triplets(frames: Tensor) -> Tensor:
    """All runs of three consecutive frames, with channels side by side: (B, T, C, H, W) -> (B*(T-2), 3*C, H, W)."""
    rows = [frames[:, t : t + 3] for t in range(frames.shape[1] - 2)]  # T-2 times (B, 3, C, H, W)
    return stack(rows, dim=1).flatten(0, 1).flatten(1, 2)


def clean(block: nn.Module, frames: Tensor) -> Tensor:
    """Subtract the block's output from all centers: (B, T, 3, H, W) -> (B, T-2, 3, H, W)."""
    centers = frames[:, 1:-1]  # (B, T-2, 3, H, W)
    return centers - block(triplets(frames)).view_as(centers)


class FastDVDnetVSR(nn.Module):
    """Seven frames; 4,067,865 parameters. The blocks of a stage share their weights.

    Args:
        channels: Of the feature in front of the upsampler.
        width: Of the blocks.
        hr_channels: Of the feature at output resolution.
    """

    spec: ClassVar[NetworkSpec] = replace(
        WITH_UPSAMPLER,
        paper="STD, CVPR 2021, Table 1",
        frames_before=3,
        frames_after=3,
        lr_feature="stage3",
        levels=("after1", "after2", "upsampler.conv_last:input"),
    )
    channels: ClassVar[int] = 64

    def __init__(self, channels: int | None = None, width: int = 32, hr_channels: int = HR_CHANNELS) -> None:
        super().__init__()
        c = channels or self.channels
        self.stage1 = Block(width=width)
        self.stage2 = Block(width=width)
        self.stage3 = Block(c_out=c, width=width)
        self.after1 = nn.Identity()  # for hooks: all frames of a stage side by side
        self.after2 = nn.Identity()
        self.upsampler = Upsampler(c, hr_channels)

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged center frame, corrected.

        Args:
            window: (B, 7, 3, H, W), H and W multiples of 4.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        five = self.after1(clean(self.stage1, window).flatten(1, 2))  # (B, 15, H, W)
        three = self.after2(clean(self.stage2, five.unflatten(1, (5, 3))).flatten(1, 2))  # (B, 9, H, W)
        feature = self.stage3(three)  # (B, 64, H, W): F^LR
        return self.upsampler(feature) + enlarge(window[:, 3])  # (B, 3, 4H, 4W)


class FastDVDnetVSRHalf(FastDVDnetVSR):
    """32 channels in front of the upsampler instead of 64 (STD's model-size ablation)."""

    channels = 32


class FastDVDnetVSRQuarter(FastDVDnetVSR):
    """16 channels in front of the upsampler instead of 64 (STD's model-size ablation)."""

    channels = 16
