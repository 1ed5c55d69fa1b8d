"""Draw training samples from clips.

A sample is a pure function of (seed, index). It does not depend on the worker or the time, so a resumed run gets the
same samples as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from restill.alignment import Aligner, align_window, luma_of, make_picture
from restill.alignment.search import camera_vectors
from restill.errors import RestillError
from restill.progress import say_once, some


class Box(NamedTuple):
    """A region of a frame in pixels."""

    top: int
    left: int
    height: int
    width: int


class Crop(NamedTuple):
    """A square in a region, after mirroring if ``mirrored``."""

    top: int
    left: int
    side: int
    mirrored: bool

    @property
    def cut(self) -> tuple[slice, slice]:
        """The slices of rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


class ClipSource(Protocol):
    """The interface of training data: clips whose regions can be read, clean and degraded.

    A source for super-resolution also has ``scale``, the size of a clean frame divided by that of the degraded one. If
    it makes degraded frames itself, it has ``shift``, the position of the first degraded pixel, and ``reach``, the
    distance that a degraded pixel depends on; both in pixels of the clean frame. A source may have ``chances``, how
    often each clip is drawn; otherwise all are equally likely.
    """

    names: Sequence[str]

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip."""
        ...

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Read a region of some frames and resize it.

        Args:
            clip: The clip's index.
            frames: Frame indices, in the order to return (they may run backwards).
            box: Region of the clean frames.
            size: (height, width) to resize the region to, multiples of the scale.
            rng: The source of randomness, for rain or noise.

        Returns:
            Degraded frames, (height / scale, width / scale, 3), and clean ones, (height, width, 3), uint8.
        """
        ...


class ClipSamples(Dataset[dict[str, torch.Tensor]]):
    """Random crops of ``context + centres + context`` frames.

    Args:
        source: The source of the clips.
        length: The number of samples.
        seed: The seed; with the index it determines a sample.
        crop: Height and width of a sample's clean frames, a multiple of the source's scale.
        centres: L, the number of frames to restore in one sample.
        context: k, the number of frames before the first and after the last center.
        align: An aligner (:mod:`restill.alignment`) adds ``windows``, the neighbors moved onto each center; "none" does
            not. With "source", and for half of the samples with "auto", the degraded frames are encoded as a camera
            does, for its motion vectors.
        scale: Clean frames are resampled by a factor drawn from this range (never below the crop).
        augment: Flip left-right and reverse time, each with probability one half.
        turns: Also turn by 90 degrees with probability one half. Do not use it for rain, which falls downward.
        position: "random", or "topleft" as the CSTD authors crop.
        edges: "context": the frames before the first center and after the last come from the clip; "replicate": a
            sample is L frames of the clip, and its first and last frame are repeated as context.
        margin: Pixels around the degraded crop that the flow uses; cut off afterwards.
        what: The name of the clips in messages.

    Raises:
        RestillError: If no clip is long and large enough.
    """

    def __init__(
        self,
        source: ClipSource,
        length: int,
        seed: int,
        *,
        crop: int,
        centres: int,
        context: int,
        align: Literal["none", "auto", "source", "search", "dis"],
        scale: tuple[float, float] = (1.0, 1.0),
        augment: bool = True,
        turns: bool = False,
        position: Literal["random", "topleft"] = "random",
        edges: Literal["context", "replicate"] = "context",
        margin: int = 32,
        what: str = "clips",
    ) -> None:
        self.source, self.length, self.seed = source, length, seed
        self.crop, self.centres, self.context, self.align = crop, centres, context, align
        self.scale, self.augment, self.turns, self.position = scale, augment, turns, position
        self.shrinks: int = getattr(source, "scale", 1)
        if crop % self.shrinks:
            raise RestillError(
                f"data.crop {crop} must be a multiple of {self.shrinks}, the factor between clean and degraded frames"
            )
        self.shift: int = getattr(source, "shift", 0)
        around = max(
            getattr(source, "reach", 0), 2 * self.shrinks if self.shrinks > 1 else 0
        )  # a flip may need one pixel
        self.margin = max(-(-around // self.shrinks), margin if align != "none" else 0) * self.shrinks
        self.edges = edges
        self.frames = centres if edges == "replicate" else centres + 2 * context
        reasons = [self._reason(source.shape(i)) for i in range(len(source.names))]
        self.usable = [i for i, reason in enumerate(reasons) if not reason]
        left_out = [f"{name} {reason}" for name, reason in zip(source.names, reasons, strict=True) if reason]
        needed = f"{self.frames} frames of at least {crop}x{crop} pixels are needed"
        if not self.usable:
            raise RestillError(
                f"none of the {what} can be used ({some(left_out)}): {needed}; use smaller data.crop or data.centres, "
                "or longer clips"
            )
        if left_out:
            say_once(f"{len(left_out)} of {len(reasons)} {what} are not used: {some(left_out)}; {needed}")

    def _reason(self, shape: tuple[int, int, int]) -> str:
        """Why a clip of (frames, height, width) cannot be used; empty if it can."""
        frames, height, width = shape
        if frames < self.frames:
            return f"has {frames} frame{'s' * (frames != 1)}"
        return f"is {width}x{height}" if min(height, width) < self.crop else ""

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """One sample.

        Returns:
            ``clean`` (T, 3, crop, crop), ``degraded`` (T, 3, crop/s, crop/s), s the source's scale, and with alignment
            ``windows`` (L, 2k+1, 3, crop/s, crop/s); uint8 RGB, because float takes four times the memory between
            processes; :func:`to_float` converts a batch for the methods.
        """
        rng = np.random.default_rng([self.seed, index])
        clip = self._pick(rng)
        total, height, width = self.source.shape(clip)
        factor = max(rng.uniform(*self.scale), self.crop / min(height, width))
        first = int(rng.integers(total - self.frames + 1))
        order = list(range(first, first + self.frames))
        flip = reverse = False
        if self.augment:
            flip, reverse = rng.random(2) < 0.5
        if reverse:
            order.reverse()
        box, size, clean_at, degraded_at = self._region(height, width, factor, flip, rng)
        degraded, clean = self.source.read(clip, order, box, size, rng)
        if clean_at.mirrored:
            degraded, clean = ([np.ascontiguousarray(f[:, ::-1]) for f in side] for side in (degraded, clean))
        if self.edges == "replicate":
            degraded, clean = (
                [side[0]] * self.context + side + [side[-1]] * self.context for side in (degraded, clean)
            )
        cut = degraded_at.cut
        sample = {
            "degraded": _tensor([f[cut] for f in degraded]),
            "clean": _tensor([f[clean_at.cut] for f in clean]),
        }
        if self.align != "none":
            sample["windows"] = torch.stack([_tensor([f[cut] for f in w]) for w in self._windows(degraded, rng)])
        if self.turns and rng.random() < 0.5:  # swap rows and columns: with the flips, a quarter turn
            sample = {key: value.transpose(-1, -2).contiguous() for key, value in sample.items()}
        return sample

    def _pick(self, rng: np.random.Generator) -> int:
        """A random clip, by the source's ``chances`` if it has them."""
        chances = getattr(self.source, "chances", None)
        if chances is None:
            return self.usable[int(rng.integers(len(self.usable)))]
        wanted = np.asarray(chances)[self.usable]
        return int(rng.choice(self.usable, p=wanted / wanted.sum()))

    def _region(
        self, height: int, width: int, factor: float, flip: bool, rng: np.random.Generator
    ) -> tuple[Box, tuple[int, int], Crop, Crop]:
        """The region to read, the size to resize it to, and the clean and the degraded crop in it."""
        s, reach = self.shrinks, self.crop + 2 * self.margin
        full = (max(self.crop, round(height * factor)), max(self.crop, round(width * factor)))
        scaled = (full[0] // s * s, full[1] // s * s)
        size = (min(reach, scaled[0]), min(reach, scaled[1]))
        most = [(whole - self.crop) // s for whole in scaled]
        # mirroring changes which pixels down-sampling keeps: move the clean crop inward by the difference
        moved = s - 1 - 2 * self.shift if flip else 0
        least, most[1] = int(moved > 0), most[1] - int(moved < 0)
        if least > most[1]:
            flip, moved, least, most[1] = False, 0, 0, most[1] + int(moved < 0)
        if self.position == "topleft":
            crop_at = (0, least * s)
        else:
            crop_at = (int(rng.integers(most[0] + 1)) * s, int(rng.integers(least, most[1] + 1)) * s)
        corner = [
            min(max(at - self.margin, 0), whole - part) for at, whole, part in zip(crop_at, scaled, size, strict=True)
        ]
        top, left = crop_at[0] - corner[0], crop_at[1] - corner[1]
        if flip:
            left = size[1] - self.crop - left
        clean_at, degraded_at = (
            Crop(top, left + moved, self.crop, flip),
            Crop(top // s, left // s, self.crop // s, flip),
        )
        ratio = (height / full[0], width / full[1])
        box_h, box_w = min(height, round(size[0] * ratio[0])), min(width, round(size[1] * ratio[1]))
        top, left = min(round(corner[0] * ratio[0]), height - box_h), min(round(corner[1] * ratio[1]), width - box_w)
        return Box(top, left, box_h, box_w), size, clean_at, degraded_at

    def _windows(self, degraded: list[np.ndarray], rng: np.random.Generator) -> list[list[np.ndarray]]:
        """The aligned windows of all centers; the motion of neighbors is that which the runtime finds."""
        aligner, k = Aligner(self.align), self.context
        lumas = [luma_of(frame) for frame in degraded]
        camera = self.align == "source" or (self.align == "auto" and rng.random() < 0.5)
        known = camera_vectors(lumas) if camera else [None] * len(lumas)
        pictures = [make_picture(luma, vectors) for luma, vectors in zip(lumas, known, strict=True)]
        fields = [None, *(aligner.field(now, before) for before, now in pairwise(pictures))]
        return [
            align_window(degraded[t - k : t + k + 1], fields[t - k : t + k + 1], k) for t in range(k, k + self.centres)
        ]


def resample(region: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a region to (height, width); always returns a copy."""
    if region.shape[:2] == size:
        return region.copy()
    shrink = size[0] < region.shape[0]
    return cv2.resize(region, size[::-1], interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)


def to_float(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert every tensor of a batch from uint8 to float32 in [0, 1]."""
    return {key: value.float().div_(255) for key, value in batch.items()}


def _tensor(frames: list[np.ndarray]) -> torch.Tensor:
    """T times (H, W, 3) -> (T, 3, H, W), uint8."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2)))
