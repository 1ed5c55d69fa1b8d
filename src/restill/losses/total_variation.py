"""Total variation: how much neighboring pixels differ. It is high for noise and streaks, zero for flat areas."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import pad


def total_variation(x: Tensor, border: Literal["none", "zero"] = "none") -> Tensor:
    """Return the sum of absolute differences of neighbors along rows and columns (anisotropic).

    Args:
        x: (B, C, H, W).
        border: Padding before the first row and column. "zero" also counts the values of that row and column.

    Returns:
        (B,), one sum per picture.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    >>> total_variation(x)  # |3-1| + |3-0| along rows, |0-1| + |3-3| along columns
    tensor([6.])
    >>> total_variation(x, "zero")  # plus 1 + 0 before the first column, 1 + 3 before the first row
    tensor([11.])
    """
    if border == "zero":
        along_rows, along_columns = pad(x, (1, 0)), pad(x, (0, 0, 1, 0))  # (B, C, H, W+1), (B, C, H+1, W)
    else:
        along_rows = along_columns = x
    sums = along_rows.diff(dim=3).abs().flatten(1).sum(1), along_columns.diff(dim=2).abs().flatten(1).sum(1)
    return sums[0] + sums[1]  # (11) L_TV of SSID-KD, of one picture
