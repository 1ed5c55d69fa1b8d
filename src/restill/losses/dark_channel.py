"""The dark channel (He et al., CVPR 2009): in a clear picture nearly every neighborhood has something dark in it."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import max_pool2d


def dark_channel(x: Tensor, window: int | None) -> Tensor:
    """The least value of any channel in the neighborhood of each pixel; beyond the edge there is nothing.

    Args:
        x: (B, C, H, W).
        window: Pixels on a side of the neighborhood, window // 2 of them before the pixel; None: as large as the
            picture.

    Returns:
        (B, 1, H, W). An even window is not centered, and gives a position more on that axis, as pooling with a padding
        of window // 2 does.

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
    x = -x.amin(dim=1, keepdim=True)  # (B, 1, H, W): the least is the negative of the greatest negative
    x = max_pool2d(x, (h, 1), stride=1, padding=(h // 2, 0))  # rows, then columns: the same, and far fewer comparisons
    return -max_pool2d(x, (1, w), stride=1, padding=(0, w // 2))  # (9) D of SSID-KD
