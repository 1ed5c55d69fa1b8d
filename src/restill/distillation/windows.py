"""Cut a batch into the windows that networks take: each frame of a clip with its neighbors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from restill.errors import RestillError

Batch = Mapping[str, Tensor]

# The streams of a batch, (B, T, C, H, W), and the names of their windows with aligned neighbors, (B, L, K, C, H, W).
ALIGNED = {"degraded": "windows", "unpaired": "unpaired_windows", "unlabeled": "unlabeled_windows"}


def stream(batch: Batch, name: str) -> dict[str, Tensor]:
    """One stream of a batch as a batch of its own: ``degraded``, and ``windows`` if its neighbors are aligned."""
    found = {"degraded": batch[name]}
    if ALIGNED[name] in batch:
        found["windows"] = batch[ALIGNED[name]]
    return found


def centre_windows(batch: Batch, context: int, before: int, after: int) -> Tensor:
    """The windows of all centers of a clip, with the frames that one network takes.

    Args:
        batch: ``degraded`` (B, T, C, H, W), T = L + 2 * context; ``windows`` (B, L, K, C, H, W), with the
            neighbors aligned to each center, is used instead if the batch has it.
        context: Frames at either end of the clip that are only context.
        before: Frames before the center that this network sees.
        after: Frames after it.

    Returns:
        (B, L, before + 1 + after, C, H, W).

    Raises:
        RestillError: The network takes more frames than the batch has around its centers.
    """
    if "windows" in batch:
        windows = batch["windows"]  # (B, L, K, C, H, W)
        middle = windows.shape[2] // 2
        _check_room(min(context, middle), before, after)
        return windows[:, :, middle - before : middle + after + 1]
    clip = batch["degraded"]  # (B, T, C, H, W)
    _check_room(context, before, after)
    centres = _centres(clip.shape[1], context)
    return torch.stack([clip[:, t - before : t + after + 1] for t in centres], dim=1)


def clean_windows(batch: Batch, context: int, before: int, after: int, scale: int = 1) -> Tensor:
    """The windows of all centers with clean frames, for networks that take the clean input in training.

    Args:
        batch: ``clean`` (B, T, C, sH, sW), ``degraded`` (B, T, C, H, W).
        context: Frames at either end of the clip that are only context.
        before: Frames before the center that the network sees.
        after: Frames after it.
        scale: s, the size of the network's input relative to the degraded frames: 1 if it is made for those.

    Returns:
        (B, L, before + 1 + after, C, sH, sW).

    Raises:
        RestillError: The clean frames have another scale, or the neighbors would have to be aligned.
    """
    clean, degraded = (tuple(batch[key].shape[-2:]) for key in ("clean", "degraded"))
    if clean != (scale * degraded[0], scale * degraded[1]):
        raise RestillError(
            f"a network that sees the clean input must restore at scale {scale}, but the clean frames are "
            f"{clean} and the degraded ones {degraded}"
        )
    if "windows" in batch and (before or after):
        raise RestillError(
            "the clean neighbors are not aligned: a teacher of several frames that sees the clean input needs "
            "data.align none"
        )
    return centre_windows({"degraded": batch["clean"]}, context, before, after)


def unpaired_windows(batch: Batch, context: int, before: int, after: int) -> Tensor:
    """The windows of all centers of the batch's ``unpaired`` clips, degraded frames without a clean side.

    Args:
        batch: ``unpaired`` (B, T, C, H, W), and ``unpaired_windows`` (B, L, K, C, H, W) if neighbors are aligned.
        context: Frames at either end of the clip that are only context.
        before: Frames before the center that the network sees.
        after: Frames after it.

    Returns:
        (B, L, before + 1 + after, C, H, W).

    Raises:
        RestillError: The batch has no such clips.
    """
    if "unpaired" not in batch:
        raise RestillError(
            "this method learns from unpaired frames too, but the batch has none: give data.unpaired in a recipe, or "
            "batches with 'unpaired' (B, T, C, H, W)"
        )
    return centre_windows(stream(batch, "unpaired"), context, before, after)


def centre_targets(batch: Batch, context: int) -> Tensor:
    """The clean frames of the centers.

    Args:
        batch: ``clean`` (B, T, C, sH, sW).
        context: Frames at either end that are only context.

    Returns:
        (B, L, C, sH, sW), L = T - 2 * context.
    """
    clean = batch["clean"]
    centres = _centres(clean.shape[1], context)
    return clean[:, centres.start : centres.stop]


def _centres(frames: int, context: int) -> range:
    if frames <= 2 * context:
        raise RestillError(
            f"a clip of {frames} frames has no center with {context} frames on either side; "
            f"it must have at least {2 * context + 1}"
        )
    return range(context, frames - context)


def _check_room(context: int, before: int, after: int) -> None:
    if max(before, after) > context:
        raise RestillError(
            f"the network sees {before} frames before and {after} after, but the batch has {context} on either side"
        )
