"""Total variation: how much a picture changes from pixel to pixel. Noise and streaks have much, flat areas none."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import pad


def total_variation(x: Tensor, border: Literal["none", "zero"] = "none") -> Tensor:
    """The sum of all absolute differences of neighbors, along rows and along columns (anisotropic).

    Args:
        x: (B, C, H, W).
        border: What stands before the first row and column: nothing, or zeros, so that their own values count too.

    Returns:
        (B,), one sum for each picture.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    >>> total_variation(x)  # |3-1| + |3-0| along rows, |0-1| + |3-3| along columns
    tensor([6.])
    >>> total_variation(x, "zero")  # and 1 + 0 before the first column, 1 + 3 before the first row
    tensor([11.])
    """
    if border == "zero":
        along_rows, along_columns = pad(x, (1, 0)), pad(x, (0, 0, 1, 0))  # (B, C, H, W+1), (B, C, H+1, W)
    else:
        along_rows = along_columns = x
    sums = along_rows.diff(dim=3).abs().flatten(1).sum(1), along_columns.diff(dim=2).abs().flatten(1).sum(1)
    return sums[0] + sums[1]  # (11) L_TV of SSID-KD, of one picture
