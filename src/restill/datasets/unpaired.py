"""Add unpaired samples to paired ones, for methods that also learn from frames without a clean side."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

Sample = dict[str, torch.Tensor]


class WithUnpaired(Dataset[Sample]):
    """Each paired sample plus the degraded side of another source's sample with the same index.

    Args:
        paired: Samples with ``degraded`` and ``clean``.
        unpaired: Samples whose ``degraded`` is used, and ``windows`` if neighbors are aligned.
    """

    def __init__(self, paired: Dataset[Sample], unpaired: Dataset[Sample]) -> None:
        self.paired, self.unpaired = paired, unpaired

    def __len__(self) -> int:
        return len(self.paired)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        """The paired sample, and ``unpaired`` (T, 3, crop, crop), ``unpaired_windows`` (L, 2k+1, 3, crop, crop)."""
        sample, other = self.paired[index], self.unpaired[index]
        names = {"degraded": "unpaired", "windows": "unpaired_windows"}
        return sample | {new: other[old] for old, new in names.items() if old in other}
