"""Data sets for super-resolution. They hold clean frames and make the small ones when you read them.

To make a small frame, blur the clean one with a Gaussian and keep every ``scale``-th pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restill.datasets.files import picture_size, read_picture
from restill.datasets.paired import PairedClip, PairedSet
from restill.degradations.downsample import KERNEL, downsample
from restill.errors import RestillError

if TYPE_CHECKING:
    from restill.datasets.clips import Box


@dataclass(frozen=True)
class ReducedClip(PairedClip):
    """A clean clip; ``degraded`` and ``clean`` are the same files."""

    reduction: dict[str, Any] = field(kw_only=True)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Small (h, w, 3) and clean frame (scale h, scale w, 3), RGB uint8; both are cropped to whole multiples."""
        clean = read_picture(self.degraded[index])
        scale = self.reduction["scale"]
        clean = clean[: clean.shape[0] // scale * scale, : clean.shape[1] // scale * scale]
        return downsample(clean, **self.reduction), clean

    def size(self) -> tuple[int, int]:
        """(height, width) of the clean side."""
        height, width = picture_size(self.degraded[0])
        scale = self.reduction["scale"]
        return height // scale * scale, width // scale * scale


class ReducedSet(PairedSet):
    """The clean clips of one split.

    Args:
        root: The folder.
        split: One of ``splits``.
        clips: Names of clips, or a text file of names; None for all.
        scale: The size of the clean frame divided by that of the small one.
        sigma: Standard deviation of the Gaussian, in pixels of the clean frame.
        offset: The first pixel to keep, from 0 to scale - 1.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        clips: Sequence[str] | Path | None = None,
        *,
        scale: int = 4,
        sigma: float = 1.6,
        offset: int = 0,
    ) -> None:
        if scale < 1 or sigma < 0 or not 0 <= offset < scale:
            raise RestillError(
                f"scale {scale}, sigma {sigma}, offset {offset}: scale should be 1 or more, sigma 0 or more, and "
                "offset from 0 to scale - 1"
            )
        self.scale, self.shift, self.reach = scale, offset, KERNEL // 2
        self.reduction = {"scale": scale, "sigma": sigma, "offset": offset}
        super().__init__(root, split, clips)

    def of(self, name: str, frames: Sequence[Path]) -> ReducedClip:
        """Build a clip from these frames."""
        return ReducedClip(name, tuple(frames), tuple(frames), reduction=self.reduction)

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Read a region of some frames. ``size`` is the size of the clean side; the small side is made from it."""
        from restill.datasets.clips import resample  # needs torch, which evaluation does without

        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        clean = [resample(read_picture(self.clips[clip].degraded[frame])[window], size) for frame in frames]
        return [downsample(frame, **self.reduction) for frame in clean], clean
