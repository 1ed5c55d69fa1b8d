"""bicubic: what super-resolution is measured against, interpolation of the center frame alone."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.networks.blocks.upsampling import SCALE
from restill.networks.spec import NetworkSpec


class Bicubic(nn.Module):
    """The picture four times as large, by cubic convolution with a = -0.5 as in MATLAB: no weights, nothing to train.

    Attributes:
        align: Of a network with weights, its checkpoint says so.
    """

    align: ClassVar[Literal["none"]] = "none"
    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="super-resolution",
        paper="none: interpolation",
        frames_before=0,
        frames_after=0,
        feature="",  # the picture itself: there is nothing before it
        scale=SCALE,
        upsample="bicubic",
        no_export="there is nothing learned in it; every player enlarges pictures",
    )

    def forward(self, window: Tensor) -> Tensor:
        """(B, 1, 3, H, W) -> (B, 3, 4*H, 4*W), not clamped; any H and W."""
        # with antialias PyTorch takes a = -0.5, without it -0.75; enlarging needs no other filter
        return interpolate(window[:, 0], scale_factor=SCALE, mode="bicubic", antialias=True)
