"""PIQE's block measures (Venkatanath et al., NCC 2015) on feature maps, with sigmoids for its hard tests.

PIQE divides a picture into blocks and selects the active ones. A block is distorted if a piece of its edge is flat or
if it looks like noise. Standard deviations are biased, and at least 1e-3 so that they have a gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from restill.distillation.natural_statistics import group_mean, mscn

ACTIVE, DEAD = 0.1, 0.1  # PIQE's T_AT: least variance of an active block; T_STD: least deviation of an intact piece
SOFT = 0.02  # width of both tests, and temperature of the soft minimum
SOFT_NOISE = 0.1


def piqe_planes(u: Tensor) -> Tensor:
    """Return the texture and distortion of each block.

    A block's side is an eighth of the map's shorter side, between 4 and 16. If it does not divide a side, the last
    row and column are repeated, as in PIQE.

    Args:
        u: (B, C, H, W), with variance about 1.

    Returns:
        (B, G, 2, H/b, W/b), means over G = 8 groups of neighboring channels, see :func:`group_mean`.
    """
    h, w = u.shape[-2:]
    b = min(max(min(h, w) // 8, 4), 16)
    m = mscn(pad(u, (0, -w % b, 0, -h % b), mode="replicate"))  # (B, C, H, W)
    blocks = m.unflatten(2, (-1, b)).unflatten(4, (-1, b)).transpose(3, 4)  # (B, C, H/b, W/b, b, b)
    v = blocks.var(dim=(4, 5), correction=0)  # (B, C, H/b, W/b)
    active = torch.sigmoid((v - ACTIVE) / SOFT)
    distortion = active * (dead_edge(blocks) * (1 - v) + noise(blocks, v) * v)  # D = act (e (1 - v) + n v)
    return torch.stack([group_mean(v), group_mean(distortion)], dim=2)  # (B, G, 2, H/b, W/b)


def dead_edge(blocks: Tensor) -> Tensor:
    """Score whether any piece of a block's edges is flat: criterion e, (..., b, b) -> (...), 0..1."""
    b = blocks.shape[-1]
    piece = max(2, round(6 * b / 16))  # PIQE: 6 of 16 pixels
    edges = torch.stack([blocks[..., 0, :], blocks[..., -1, :], blocks[..., :, 0], blocks[..., :, -1]], dim=-2)
    s = deviation(edges.unfold(-1, piece, 1), (-1,)).flatten(-2)  # (..., M), all pieces of the 4 edges
    least = -SOFT * (torch.logsumexp(-s / SOFT, dim=-1) - math.log(s.shape[-1]))  # soft minimum
    return torch.sigmoid((DEAD - least) / SOFT)


def noise(blocks: Tensor, v: Tensor) -> Tensor:
    """Score whether a block's center varies strongly and like the rest: criterion n, (..., b, b) -> (...), 0..1.

    Args:
        blocks: (..., b, b).
        v: (...), their variance.
    """
    right = blocks.shape[-1] // 2
    around = torch.cat([blocks[..., : right - 1], blocks[..., right + 1 :]], dim=-1)  # (..., b, b - 2)
    sigma = torch.sqrt(v + 1e-6)
    ratio = deviation(blocks[..., right - 1 : right + 1], (-2, -1)) / deviation(around, (-2, -1))
    beta = (sigma - ratio).abs() / torch.maximum(sigma, ratio)
    return torch.sigmoid((sigma - 2 * beta) / SOFT_NOISE)


def deviation(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the standard deviation over ``dims``, at least 1e-3."""
    return torch.sqrt(x.var(dim=dims, correction=0) + 1e-6)
