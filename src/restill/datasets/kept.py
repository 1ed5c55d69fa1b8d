"""Samples that are made once: where rendering takes longer than the network's step."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

Sample = dict[str, torch.Tensor]


class Kept(Dataset[Sample]):
    """The first samples of a data set again and again, in memory once they are made.

    Args:
        samples: What to take them from.
        distinct: How many.
    """

    def __init__(self, samples: Dataset[Sample], distinct: int) -> None:
        self.samples, self.distinct = samples, distinct
        self._made: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        """The sample of that index, counted anew after every ``distinct``."""
        index %= self.distinct
        if index not in self._made:
            self._made[index] = self.samples[index]
        return self._made[index]
