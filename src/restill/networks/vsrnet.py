"""VSRNet (Kappeler et al., IEEE Transactions on Computational Imaging 2016): three convolutions on enlarged frames.

The paper compensates the motion of the neighbors before the network sees them. Here the data do this
(``data.align``).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.nn.functional import relu

from restill.errors import RestillError
from restill.networks.blocks.upsampling import SUPER_RESOLUTION, check_channels, enlarge, luma
from restill.networks.spec import NetworkSpec


class VSRNet(nn.Module):
    """Each frame has a first layer of its own; 395,969 parameters on the luma of 7 frames, 283,073 on that of 5.

    Args:
        channels: 1: luma is restored, chroma stays bicubic (the paper). 3: RGB.
        frames: Frames in a window; odd.
        width: Channels per frame after the first layer; half of it is the total after the second.
    """

    spec: NetworkSpec = replace(
        SUPER_RESOLUTION,
        paper="VSRNet, IEEE TCI 2016",
        frames_before=3,
        frames_after=3,
        levels=("conv1", "conv2", "head:input"),
    )

    def __init__(self, channels: int = 1, frames: int = 7, width: int = 64) -> None:
        super().__init__()
        check_channels("vsrnet", channels)
        if frames < 1 or frames % 2 == 0:
            raise RestillError(f"vsrnet's frames is {frames}; it must be odd, as many before the center as after it")
        self.spec = replace(self.spec, frames_before=frames // 2, frames_after=frames // 2)
        self.channels = channels
        self.conv1 = nn.Conv2d(frames * channels, frames * width, 9, padding=4, groups=frames)
        self.conv2 = nn.Conv2d(frames * width, width // 2, 5, padding=2)
        self.head = nn.Conv2d(width // 2, channels, 5, padding=2)

    def forward(self, window: Tensor) -> Tensor:
        """The enlarged center frame, corrected.

        Args:
            window: (B, K, 3, H, W), aligned to the center, any H and W.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        seen = luma(window) if self.channels == 1 else window  # (B, K, 1 or 3, H, W)
        seen = enlarge(seen.flatten(1, 2))  # (B, K or 3K, 4H, 4W), frame by frame
        f = relu(self.conv1(seen))  # (B, 64K, 4H, 4W), frames still separate
        f = relu(self.conv2(f))  # (B, 32, 4H, 4W): F^SR
        return self.head(f) + enlarge(window[:, self.spec.frames_before])  # (B, 3, 4H, 4W)
