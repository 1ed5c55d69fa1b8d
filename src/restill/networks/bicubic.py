"""bicubic: interpolation of the center frame, the baseline of super-resolution."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.networks.blocks.upsampling import SCALE
from restill.networks.spec import NetworkSpec


class Bicubic(nn.Module):
    """Enlarges the picture by 4 with cubic convolution, a = -0.5 as in MATLAB; it has no weights.

    Attributes:
        align: Alignment of its neighbors. For a network with weights, the checkpoint stores it.
    """

    align: ClassVar[Literal["none"]] = "none"
    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="super-resolution",
        paper="none: interpolation",
        frames_before=0,
        frames_after=0,
        feature="",  # the picture itself
        scale=SCALE,
        upsample="bicubic",
        no_export="it has no weights, and every player can enlarge pictures",
    )

    def forward(self, window: Tensor) -> Tensor:
        """(B, 1, 3, H, W) -> (B, 3, 4*H, 4*W), not clamped; any H and W."""
        # with antialias PyTorch takes a = -0.5, without it -0.75; when enlarging, nothing else changes
        return interpolate(window[:, 0], scale_factor=SCALE, mode="bicubic", antialias=True)
