"""The Gaussian window for local statistics, used by SSIM and by natural scene statistics."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def gaussian_blur(x: Tensor, window: int, sigma: float, border: Literal["zero", "replicate"]) -> Tensor:
    """Return the weighted mean around each pixel. Channels stay separate, and the size is kept.

    Args:
        x: (B, N, H, W).
        window: Side of the neighborhood in pixels, odd.
        sigma: Standard deviation of the weights, in pixels. The weights sum to 1.
        border: Pad with zeros, or repeat the edge.

    Returns:
        (B, N, H, W).

    >>> gaussian_blur(torch.ones(1, 1, 1, 3), 3, 1e9, "zero")  # so wide that all 3x3 weights are equal
    tensor([[[[0.2222, 0.3333, 0.2222]]]])
    >>> gaussian_blur(torch.ones(1, 1, 1, 3), 3, 1e9, "replicate")
    tensor([[[[1., 1., 1.]]]])
    """
    n, edge = x.shape[1], window // 2
    at = torch.arange(window, dtype=x.dtype, device=x.device) - edge
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).repeat(n, 1)  # (N, window)
    zeros = edge if border == "zero" else 0
    if border == "replicate":
        x = pad(x, (edge, edge, edge, edge), mode="replicate")
    # On a CPU, grouped channels are far faster than a batch of single channels.
    x = conv2d(x, kernel.view(n, 1, -1, 1), padding=(zeros, 0), groups=n)
    return conv2d(x, kernel.view(n, 1, 1, -1), padding=(0, zeros), groups=n)
