"""What the super-resolution networks share: the enlarged center frame, its luma, and the pixel-shuffle head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle

SCALE = 4
SLOPE = 0.1
HR_CHANNELS = 64


def enlarge(picture: Tensor, scale: int = SCALE) -> Tensor:
    """Bicubic, a = -0.75 (PyTorch's; MATLAB and Pillow use -0.5), borders clamped.

    Args:
        picture: (B, C, H, W).
        scale: Output size over input size.

    Returns:
        (B, C, scale*H, scale*W); it may overshoot the input's range.
    """
    return interpolate(picture, scale_factor=scale, mode="bicubic", align_corners=False)


def luma(picture: Tensor) -> Tensor:
    """BT.601 luma in full range: what gray stays gray, 0 is black and 1 is white.

    Adding d to the luma and leaving the chroma as it is adds d to each of R, G and B; so a network that restores luma
    alone needs no way back.

    Args:
        picture: (B, 3, H, W) RGB in [0, 1].

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    red, green, blue = picture.split(1, dim=1)  # (B, 1, H, W) each
    return 0.299 * red + 0.587 * green + 0.114 * blue


class Upsampler(nn.Module):
    """EDVR's reconstruction (Wang et al., CVPR Workshops 2019): two pixel-shuffles by 2, one convolution, the picture.

    What goes into ``conv_last`` is the feature at output resolution, ``F^SR`` in STD (CVPR 2021).

    Args:
        channels: Of the feature at input resolution.
        hr_channels: Of the feature at output resolution.
    """

    def __init__(self, channels: int, hr_channels: int = HR_CHANNELS) -> None:
        super().__init__()
        self.upconv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.upconv2 = nn.Conv2d(channels, 4 * hr_channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(hr_channels, hr_channels, 3, padding=1)
        self.conv_last = nn.Conv2d(hr_channels, 3, 3, padding=1)

    def forward(self, feature: Tensor) -> Tensor:
        """What is added to the enlarged center frame.

        Args:
            feature: (B, C, H, W), frames fused.

        Returns:
            (B, 3, 4*H, 4*W).
        """
        f = leaky_relu(pixel_shuffle(self.upconv1(feature), 2), SLOPE)  # (B, C, 2H, 2W)
        f = leaky_relu(pixel_shuffle(self.upconv2(f), 2), SLOPE)  # (B, 64, 4H, 4W)
        f = leaky_relu(self.conv_hr(f), SLOPE)  # (B, 64, 4H, 4W): F^SR
        return self.conv_last(f)  # (B, 3, 4H, 4W)
