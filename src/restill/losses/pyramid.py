"""The scale pyramid that losses share: repeated 2x2 average pooling."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d


def pool(x: Tensor) -> Tensor:
    """Apply 2x2 average pooling. At odd sizes, average the last row or column over existing pixels only.

    Args:
        x: (B, C, H, W).

    Returns:
        (B, C, ceil(H/2), ceil(W/2)).

    >>> import torch
    >>> pool(torch.tensor([[[[1.0, 3.0, 8.0]]]]))
    tensor([[[[2., 8.]]]])
    """
    return avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """Return ``x`` and ``levels - 1`` coarser versions of it.

    Args:
        x: (B, C, H, W).
        levels: Number of scales, 1 or more.

    Returns:
        [(B, C, H, W), (B, C, H/2, W/2), ...], finest first.
    """
    scales = [x]
    while len(scales) < levels:
        scales.append(pool(scales[-1]))
    return scales
