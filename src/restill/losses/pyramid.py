"""The scale pyramid that losses share: 2x2 average pooling, again and again."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d


def pool(x: Tensor) -> Tensor:
    """2x2 average pooling; the last row or column of an odd size is averaged over the pixels that exist.

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
    """``x`` and ``levels - 1`` coarser versions of it.

    Args:
        x: (B, C, H, W).
        levels: How many, 1 or more.

    Returns:
        [(B, C, H, W), (B, C, H/2, W/2), ...], finest first.
    """
    scales = [x]
    while len(scales) < levels:
        scales.append(pool(scales[-1]))
    return scales
