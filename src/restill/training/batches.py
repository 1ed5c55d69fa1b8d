"""The user's batches: each is checked and converted to what methods take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restill.distillation.windows import ALIGNED as STREAMS
from restill.errors import RestillError

Batch = dict[str, Tensor]

SIDES = ("degraded", "clean")
FRAMES = {"clean", *STREAMS}  # (B, T, C, H, W); without the T axis they are pictures
ALIGNED = set(STREAMS.values())  # (B, L, K, C, H, W)
SLACK = 0.25  # allowed distance outside [0, 1], since noise and resampling leave it
FEW = 0.05  # share of the values that may be further out, for heavy noise
FARTHEST = 2.0  # largest distance outside [0, 1] for any value
MOST_CHANNELS = 4  # a last axis this short, after two long ones, is taken for channels
DARKEST = 1 / 128  # a clean batch darker than this was probably divided by 255 twice


def as_batch(given: Any, context: int = 0, *, clean_context: bool = True) -> Batch:
    """Check a user's batch and convert it to what methods take.

    Args:
        given: A mapping with ``degraded`` and ``clean``, or a pair of them; (B, T, C, H, W), or pictures (B, C, H, W);
            float in [0, 1] or uint8. ``unpaired`` and ``unlabeled`` are checked too, the latter with rows of its own.
            Further tensors with B rows are passed on unchanged.
        context: Frames at either end of a clip that are only context.
        clean_context: The method also uses the clean context frames. If not, ``clean`` may hold only the T - 2 *
            context centers.

    Returns:
        ``degraded`` (B, T, C, H, W) and ``clean`` (B, T, C, sH, sW), s whole, float32 in [0, 1]; and the rest.

    Raises:
        RestillError: It is not a batch, a shape, type or range is wrong, or the two sides do not match.
    """
    if isinstance(given, Sequence) and len(given) == 2:
        given = {"degraded": given[0], "clean": given[1]}
    if not isinstance(given, Mapping) or not set(SIDES) <= given.keys():
        raise RestillError(
            f"a batch must be a dict with 'degraded' and 'clean', or a pair (degraded, clean), not {_named(given)}"
        )
    made = {name: _numbers(name, given[name]) for name in given if name in FRAMES | ALIGNED}
    centers = made["degraded"].shape[1] - 2 * context
    if context and not clean_context and made["clean"].shape[1] == centers > 0:
        ends = [made["clean"][:, :1]] * context, [made["clean"][:, -1:]] * context  # not used
        made["clean"] = torch.cat([*ends[0], made["clean"], *ends[1]], dim=1)
    _check_sides(made, context, clean_context)
    for name, value in made.items():
        _check_range(name, value)
    rows = len(made["degraded"])
    others = {name: value for name, value in given.items() if isinstance(value, Tensor) and name not in made}
    return made | {name: value for name, value in others.items() if value.dim() and len(value) == rows}


def _named(given: Any) -> str:
    """Describe what was given instead of a batch."""
    if isinstance(given, Mapping):
        return f"a dict with {', '.join(map(repr, given)) or 'nothing'}"
    if isinstance(given, Tensor):
        return f"a tensor {tuple(given.shape)}; if it is a side of one batch, give the batches in a list"
    length = f" of {len(given)}" if isinstance(given, Sequence) else ""
    return f"a {type(given).__name__}{length}"


def _numbers(name: str, value: Any) -> Tensor:
    """One entry as float32, with a T axis."""
    wanted = "(B, L, K, C, H, W)" if name in ALIGNED else "(B, T, C, H, W) or (B, C, H, W)"
    if isinstance(value, np.ndarray) and value.dtype != object:
        value = torch.from_numpy(value)
    axes = (6,) if name in ALIGNED else (4, 5)
    if not isinstance(value, Tensor) or value.dim() not in axes:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        single = isinstance(value, Tensor) and value.dim() == 3
        hint = "; if it is one sample, put the data set into a torch.utils.data.DataLoader" if single else ""
        raise RestillError(f"a batch's '{name}' must be a tensor {wanted}, not {shape}{hint}")
    shape = tuple(value.shape)
    if 0 in shape:
        raise RestillError(f"a batch's '{name}' is empty: its shape is {shape}")
    if shape[-1] <= MOST_CHANNELS < min(shape[-3:-1]):
        raise RestillError(
            f"a batch's '{name}' is {shape}, which looks like channels last (B, H, W, C); it must be {wanted}: "
            "use .movedim(-1, -3)"
        )
    if value.dtype != torch.uint8 and not value.is_floating_point():
        raise RestillError(
            f"a batch's '{name}' holds {str(value.dtype).removeprefix('torch.')}; it must be uint8 (0 to 255), or "
            "float in [0, 1]: divide by the largest value that a pixel can have (255, 1023 or 65535)"
        )
    value = value.detach()
    value = value.float() / 255 if value.dtype == torch.uint8 else value.float()
    return value.unsqueeze(1) if value.dim() == 4 else value


def _check_sides(batch: Batch, context: int, clean_context: bool) -> None:
    """Check that both sides have the same frames, the clean ones larger by one whole factor or equal."""
    degraded, clean = (tuple(batch[side].shape) for side in SIDES)  # (B, T, C, H, W) each
    both = f"'degraded' is {degraded} and 'clean' is {clean} (B, T, C, H, W)"
    if degraded[0] != clean[0]:
        raise RestillError(f"a batch's {both}: both must have the same number of samples")
    if degraded[1] <= 2 * context:
        raise RestillError(
            f"a batch's 'degraded' has {degraded[1]} frames; with {context} frames of context on either side it must "
            f"have at least {2 * context + 1}"
        )
    if degraded[1] != clean[1]:
        centers = "" if clean_context or not context else f", or 'clean' only the {degraded[1] - 2 * context} centers"
        raise RestillError(
            f"a batch's {both}: both must have the same number of frames{centers}; {context} frames on "
            "either side are context"
        )
    (h, w), (clean_h, clean_w) = degraded[3:], clean[3:]
    if clean_h % h or clean_w % w or clean_h // h != clean_w // w:
        raise RestillError(
            f"a batch's {both}: the clean frames must be as large as the degraded ones, or larger by one whole number "
            "on both axes"
        )
    for stream, name in STREAMS.items():
        if name not in batch:
            continue
        found, (b, t, *rest) = tuple(batch[name].shape), tuple(batch.get(stream, batch["degraded"]).shape)
        if (*found[:2], *found[3:]) != (b, t - 2 * context, *rest):
            raise RestillError(
                f"a batch's '{name}' is {found} (B, L, K, C, H, W), which does not match '{stream}', {(b, t, *rest)} "
                f"(B, T, C, H, W): L must be T - 2 * {context}, the rest equal"
            )


def _check_range(name: str, value: Tensor) -> None:
    """Check that values are in [0, 1], up to a tolerance."""
    lowest, highest = (float(end) for end in value.aminmax())
    where = f"a batch's '{name}' holds numbers from {lowest:.4g} to {highest:.4g}"
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise RestillError(f"a batch's '{name}' holds NaN or infinite numbers; all must be finite, in [0, 1]")
    if lowest < -SLACK or highest > 1 + SLACK:
        outside = ((value < -SLACK) | (value > 1 + SLACK)).float().mean()
        if outside > FEW or lowest < -FARTHEST or highest > 1 + FARTHEST:
            raise RestillError(f"{where}; they must lie in [0, 1]: {_advice(lowest, highest)}")
    if name == "clean" and 0 < highest < DARKEST:
        raise RestillError(f"{where}; they must fill [0, 1]: were they divided by 255 twice?")


def _advice(lowest: float, highest: float) -> str:
    if lowest < -SLACK:
        return "undo the normalization, such as (x + 1) / 2 for [-1, 1]"
    return f"divide by {255 if highest <= 256 else 1023 if highest <= 1023 else 65535}"
