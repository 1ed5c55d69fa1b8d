"""The deraining network of S2VD (Yue et al., CVPR 2021): 3-D convolutions that restore all frames of a clip.

Pixel-unshuffle 2 folds the clip. Residual blocks estimate the rain, which is unfolded and subtracted from the clip.
Three more convolutions refine the pictures. The rain generator that the paper trains with is not included.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from restill.errors import RestillError
from restill.networks.blocks.onednn import Conv3d
from restill.networks.published import Published
from restill.networks.spec import NetworkSpec

FOLD = 2
BLOCKS = 8


class ClipConv(Conv3d):
    """3x3x3 convolution, same size. Padding repeats the first and last frame in time and is zero in space."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True) -> None:
        super().__init__(c_in, c_out, 3, padding=(0, 1, 1), bias=bias)
        nn.init.orthogonal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T, H, W)."""
        return super().forward(pad(input, (0, 0, 0, 0, 1, 1), mode="replicate"))  # T + 2 frames go in


class ResidualBlock(nn.Sequential):
    """x + conv(relu(norm(conv(relu(norm(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            *(nn.BatchNorm3d(channels), nn.ReLU(), ClipConv(channels, channels)),
            *(nn.BatchNorm3d(channels), nn.ReLU(), ClipConv(channels, channels)),
        )

    def forward(self, input: Tensor) -> Tensor:
        return input + super().forward(input)


class S2VD(nn.Module):
    """32 channels, 8 residual blocks: 525,260 parameters.

    Args:
        channels: In all features.
        frames: In a window, odd. The output is the restored middle frame.

    Raises:
        RestillError: ``frames`` is even or not positive.
    """

    spec: NetworkSpec = NetworkSpec(
        task="derain",
        paper="S2VD, CVPR 2021",
        frames_before=2,
        frames_after=2,
        feature="tail.4:input",  # no head: it reads three frames of this feature
        size_multiple=FOLD,
        levels=("body.2", "body.5", "tail.3"),
    )
    published: ClassVar[Published] = Published(
        "zsyOAOA/S2VD: the deraining network (derainer_*.pt)",
        rename=(
            (r"^head\.(\d)\.conv\.", r"first.\1."),
            (r"^body\.8\.", "rain.0."),
            (r"^body\.10\.conv\.", "rain.2."),
            (r"^body\.(\d)\.res\.(\d)\.(conv\.)?", r"body.\1.\2."),
            (r"^tail\.(\d)\.conv\.", r"tail.\1."),
        ),
    )

    def __init__(self, channels: int = 32, frames: int = 5) -> None:
        super().__init__()
        if frames < 1 or frames % 2 == 0:
            raise RestillError(f"frames {frames} must be a positive odd number")
        c, folded = channels, 3 * FOLD**2
        self.first = nn.Sequential(ClipConv(folded, c), nn.ReLU(), ClipConv(c, c))
        self.body = nn.Sequential(*(ResidualBlock(c) for _ in range(BLOCKS)))
        self.rain = nn.Sequential(nn.BatchNorm3d(c), nn.ReLU(), ClipConv(c, folded))
        self.tail = nn.Sequential(
            *(ClipConv(3, c, bias=False), nn.ReLU()),
            *(ClipConv(c, c, bias=False), nn.ReLU()),
            ClipConv(c, 3, bias=False),
        )
        self.spec = replace(self.spec, frames_before=frames // 2, frames_after=frames // 2)

    def forward(self, window: Tensor) -> Tensor:
        """Derain the center frame.

        Args:
            window: (B, K, 3, H, W), RGB in [0, 1], K = ``frames``; H and W even.

        Returns:
            (B, 3, H, W), not clamped.
        """
        return self.clip(window)[:, self.spec.frames_before]

    def clip(self, frames: Tensor) -> Tensor:
        """Derain all frames of a clip at once, as the authors do.

        Args:
            frames: (B, T, 3, H, W), RGB in [0, 1], any T; H and W even.

        Returns:
            (B, T, 3, H, W), not clamped.
        """
        t = frames.shape[1]
        folded = pixel_unshuffle(frames.flatten(0, 1), FOLD)  # (B * T, 12, H/2, W/2), channel = (c * 2 + dy) * 2 + dx
        x = self.first(folded.unflatten(0, (-1, t)).transpose(1, 2))  # (B, C, T, H/2, W/2)
        rain = self.rain(self.body(x)).transpose(1, 2)  # (B, T, 12, H/2, W/2)
        rain = pixel_shuffle(rain.flatten(0, 1), FOLD).unflatten(0, (-1, t))  # (B, T, 3, H, W)
        return self.tail((frames - rain).transpose(1, 2)).transpose(1, 2)  # (B, T, 3, H, W)
