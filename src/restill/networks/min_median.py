"""min-median: Restill's baseline without learning, from the idea that Rill starts from (:mod:`restill.networks.rill`).

A drop is brighter than what it hides, and rarely falls on one place in two of three frames: the median of the three
drops it, and the smaller of the frame and that median keeps what was dark only once.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from restill.networks.rill import darker_median
from restill.networks.spec import NetworkSpec


class MinMedian(nn.Module):
    """min(frame, median of three aligned frames), value by value: no weights, nothing to train.

    Attributes:
        align: How its neighbors are to come. Of a network with weights, its checkpoint says so.
    """

    align: ClassVar[Literal["dis"]] = "dis"
    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="derain",
        paper="none: Restill's baseline without learning",
        frames_before=1,
        frames_after=1,
        feature="",  # the picture itself: there is nothing before it
    )

    def forward(self, window: Tensor) -> Tensor:
        """The center frame without what is bright only in it.

        Args:
            window: (B, 3, 3, H, W), the neighbors aligned to the center; any H and W.

        Returns:
            (B, 3, H, W), within the range of the window.
        """
        before, center, after = window.unbind(1)  # (B, 3, H, W) each
        return darker_median(before, center, after)  # (B, 3, H, W)
