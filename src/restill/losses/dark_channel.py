"""The dark channel (He et al., CVPR 2009). In a clear picture, nearly every neighborhood has a dark pixel."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import max_pool2d


def dark_channel(x: Tensor, window: int | None) -> Tensor:
    """Return the minimum over all channels in each pixel's neighborhood. Ignore what is outside the picture.

    Args:
        x: (B, C, H, W).
        window: Side of the neighborhood in pixels, window // 2 of them before the pixel. None means the size of the
            picture.

    Returns:
        (B, 1, H, W). An even window is not centered and adds one position on that axis, like pooling with a padding of
        window // 2.

    >>> import torch
    >>> x = torch.tensor([[5.0, 3.0, 4.0, 9.0, 8.0], [5.0, 6.0, 7.0, 8.0, 2.0]]).view(1, 2, 1, 5)
    >>> dark_channel(x, 1)
    tensor([[[[5., 3., 4., 8., 2.]]]])
    >>> dark_channel(x, 3)
    tensor([[[[3., 3., 3., 2., 2.]]]])
    >>> dark_channel(x, 4).shape
    torch.Size([1, 1, 2, 6])
    """
    h, w = (window, window) if window else (x.shape[-2], x.shape[-1])
    x = -x.amin(dim=1, keepdim=True)  # (B, 1, H, W): min x = -max(-x)
    x = max_pool2d(x, (h, 1), stride=1, padding=(h // 2, 0))  # rows, then columns: same result, far fewer comparisons
    return -max_pool2d(x, (1, w), stride=1, padding=(0, w // 2))  # (9) D of SSID-KD
