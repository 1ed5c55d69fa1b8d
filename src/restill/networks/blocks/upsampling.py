"""Shared parts of the super-resolution networks: enlarging, luma, and the pixel-shuffle head."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle

from restill.errors import RestillError
from restill.networks.spec import NetworkSpec

SCALE = 4
SLOPE = 0.1
HR_CHANNELS = 64

# The fields that the super-resolution networks share. Each network sets the rest with `dataclasses.replace`.
SUPER_RESOLUTION = NetworkSpec(
    task="super-resolution",
    paper="",
    frames_before=0,
    frames_after=0,
    feature="head:input",
    head="head",
    residual=True,
    scale=SCALE,
    upsample="bicubic",
)
WITH_UPSAMPLER = replace(  # networks that end in an `Upsampler`
    SUPER_RESOLUTION, feature="upsampler.conv_last:input", head="upsampler.conv_last", size_multiple=4
)


def enlarge(picture: Tensor, scale: int = SCALE) -> Tensor:
    """Enlarge bicubically, a = -0.75 (PyTorch's; MATLAB and Pillow use -0.5), borders clamped.

    Args:
        picture: (B, C, H, W).
        scale: Output size over input size.

    Returns:
        (B, C, scale*H, scale*W); it may overshoot the input's range.
    """
    return interpolate(picture, scale_factor=scale, mode="bicubic", align_corners=False)


def luma(picture: Tensor) -> Tensor:
    """BT.601 luma in full range: 0 is black and 1 is white.

    Adding d to the luma alone adds d to each of R, G and B. So a network that restores only luma needs no conversion
    back to RGB.

    Args:
        picture: (..., 3, H, W) RGB in [0, 1].

    Returns:
        (..., 1, H, W) in [0, 1].
    """
    red, green, blue = picture.split(1, dim=-3)  # (..., 1, H, W) each
    return 0.299 * red + 0.587 * green + 0.114 * blue


def conv_relu(c_in: int, c_out: int) -> nn.Sequential:
    """3x3, same size, in one module so that a tap reads the output of the ReLU."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU())


def init_for_relu(network: nn.Module) -> None:
    """Initialize convolutions by He et al., biases zero. PyTorch's default fades signals in deep stacks."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_channels(network: str, channels: int) -> None:
    """Check for luma or RGB.

    Raises:
        RestillError: ``channels`` is not 1 or 3.
    """
    if channels not in (1, 3):
        raise RestillError(f"{network}'s channels is {channels}; it must be 1 (luma, chroma bicubic) or 3 (RGB)")


class Upsampler(nn.Module):
    """EDVR's reconstruction (Wang et al., CVPR Workshops 2019): two pixel-shuffles by 2, then two convolutions.

    The input of ``conv_last`` is the feature at output resolution, ``F^SR`` in STD (CVPR 2021).

    Args:
        channels: In the feature at input resolution.
        hr_channels: In the feature at output resolution.
    """

    def __init__(self, channels: int, hr_channels: int = HR_CHANNELS) -> None:
        super().__init__()
        self.upconv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.upconv2 = nn.Conv2d(channels, 4 * hr_channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(hr_channels, hr_channels, 3, padding=1)
        self.conv_last = nn.Conv2d(hr_channels, 3, 3, padding=1)

    def forward(self, feature: Tensor) -> Tensor:
        """Predict the residual of the enlarged center frame.

        Args:
            feature: (B, C, H, W), fused frames.

        Returns:
            (B, 3, 4*H, 4*W).
        """
        f = leaky_relu(pixel_shuffle(self.upconv1(feature), 2), SLOPE)  # (B, C, 2H, 2W)
        f = leaky_relu(pixel_shuffle(self.upconv2(f), 2), SLOPE)  # (B, 64, 4H, 4W)
        f = leaky_relu(self.conv_hr(f), SLOPE)  # (B, 64, 4H, 4W): F^SR
        return self.conv_last(f)  # (B, 3, 4H, 4W)
