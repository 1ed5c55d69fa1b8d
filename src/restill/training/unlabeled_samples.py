"""Samples without a clean side, mixed with the paired ones at a fixed share of each batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate
from torch.utils.data import Dataset, default_collate

from restill.distillation.windows import ALIGNED

Sample = dict[str, torch.Tensor]


class UnlabeledSamples(Dataset[Sample]):
    """Parts of degraded clips, enlarged or shrunk to one size.

    Args:
        streams: Samples with ``degraded``, and ``windows`` if neighbors are aligned.
        shares: How often a sample is cut from each stream; their sum is 1.
        size: Height and width of the result, pixels.
        zoom: The range of the factor, drawn for each sample.
        seed: The seed; with the index it determines a sample.
    """

    def __init__(
        self,
        streams: Sequence[Dataset[Sample]],
        shares: Sequence[float],
        size: int,
        zoom: tuple[float, float],
        seed: int,
    ) -> None:
        self.streams, self.shares, self.size, self.zoom, self.seed = streams, shares, size, zoom, seed

    def __len__(self) -> int:
        return len(self.streams[0])  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        """``unlabeled`` (T, 3, size, size), and perhaps ``unlabeled_windows`` (L, 2k+1, 3, size, size); uint8."""
        rng = np.random.default_rng([self.seed, index, 0])
        sample = self.streams[rng.choice(len(self.streams), p=self.shares)][index]
        whole = sample["degraded"].shape[-1]
        part = min(whole, max(1, round(self.size / np.exp(rng.uniform(*np.log(self.zoom))))))
        top, left = rng.integers(whole - part + 1, size=2)
        cut = (..., slice(top, top + part), slice(left, left + part))
        names = {"degraded": "unlabeled", ALIGNED["degraded"]: ALIGNED["unlabeled"]}
        return {new: self._resized(sample[old][cut]) for old, new in names.items() if old in sample}

    def _resized(self, frames: torch.Tensor) -> torch.Tensor:
        """(..., 3, part, part) to (..., 3, size, size)."""
        if frames.shape[-1] == self.size:
            return frames.contiguous()
        flat = frames.flatten(0, -4)
        resized = interpolate(flat, (self.size, self.size), mode="bicubic", antialias=True)
        return resized.reshape(*frames.shape[:-2], self.size, self.size)


class Mixed(Dataset[Sample]):
    """Paired and unlabeled samples in the order in which a run takes them.

    The unlabeled ones are spread evenly over a batch, so that each process gets as many.

    Args:
        paired: Samples with a clean side.
        unlabeled: Samples with ``unlabeled``.
        batch: Samples in a batch, over all processes.
        rows: How many of them are unlabeled.
    """

    def __init__(self, paired: Dataset[Sample], unlabeled: Dataset[Sample], batch: int, rows: int) -> None:
        self.paired, self.unlabeled, self.batch, self.rows = paired, unlabeled, batch, rows

    def __len__(self) -> int:
        return len(self.paired)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        step, place = divmod(index, self.batch)
        before = place * self.rows // self.batch  # unlabeled samples before this place of the batch
        if (place + 1) * self.rows // self.batch > before:
            return self.unlabeled[step * self.rows + before]
        return self.paired[step * (self.batch - self.rows) + place - before]


def collate(samples: Sequence[Sample]) -> Sample:
    """A batch of a :class:`Mixed`: ``unlabeled`` and ``degraded`` have rows of their own."""
    kinds = [[sample for sample in samples if ("unlabeled" in sample) is kind] for kind in (False, True)]
    return {key: value for kind in kinds for key, value in default_collate(kind).items()}
