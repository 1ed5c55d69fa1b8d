"""min-median: Restill's baseline without learning, which uses the same estimate as Rill (:mod:`restill.networks.rill`).

A drop is brighter than what it hides, and rarely covers one place in two of three frames. So the median of the three
removes it, and the minimum of the frame and that median keeps what is dark in one frame only.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from restill.networks.rill import darker_median
from restill.networks.spec import NetworkSpec


class MinMedian(nn.Module):
    """min(frame, median of three aligned frames), value by value: no weights, nothing to train.

    Attributes:
        align: Alignment of its neighbors. For a network with weights, the checkpoint stores it.
    """

    align: ClassVar[Literal["auto"]] = "auto"
    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="derain",
        paper="none: Restill's baseline without learning",
        frames_before=1,
        frames_after=1,
        feature="",  # the picture itself
    )

    def forward(self, window: Tensor) -> Tensor:
        """The center frame without what is bright in this frame only.

        Args:
            window: (B, 3, 3, H, W), the neighbors aligned to the center; any H and W.

        Returns:
            (B, 3, H, W), within the range of the window.
        """
        before, center, after = window.unbind(1)  # (B, 3, H, W) each
        return darker_median(before, center, after)  # (B, 3, H, W)
