"""PIQE's measures of feature maps, against the formulas in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from restill.distillation.block_statistics import dead_edge, noise, piqe_planes
from restill.distillation.natural_statistics import mscn

torch.set_num_threads(1)


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def std(x: np.ndarray) -> float:
    return math.sqrt(x.var() + 1e-6)


def plain_block(block: np.ndarray) -> tuple[float, float]:
    """v and D of one block (b, b)."""
    b = len(block)
    piece = {16: 6, 8: 3, 4: 2}[b]
    v = block.var()
    s = [
        std(edge[i : i + piece])
        for edge in (block[0], block[-1], block[:, 0], block[:, -1])
        for i in range(b - piece + 1)
    ]
    least = -0.02 * (math.log(sum(math.exp(-x / 0.02) for x in s)) - math.log(len(s)))
    e = sigmoid((0.1 - least) / 0.02)
    sigma = math.sqrt(v + 1e-6)
    ratio = std(block[:, b // 2 - 1 : b // 2 + 1]) / std(np.delete(block, [b // 2 - 1, b // 2], axis=1))
    n = sigmoid((sigma - 2 * abs(sigma - ratio) / max(sigma, ratio)) / 0.1)
    return v, sigmoid((v - 0.1) / 0.02) * (e * (1 - v) + n * v)


@pytest.mark.parametrize(("side", "b"), [(128, 16), (64, 8), (32, 4), (16, 4)])
def test_every_block(side, b):
    u = maps(1, 8, side, side) * torch.linspace(0.05, 3, side, dtype=torch.float64)  # from flat to textured
    found, m = piqe_planes(u), mscn(u)[0].numpy()
    assert found.shape == (1, 8, 2, side // b, side // b)
    for channel, y, x in ((0, 0, 0), (3, side // b - 1, 1), (7, 2, side // b - 1)):
        block = m[channel, y * b : (y + 1) * b, x * b : (x + 1) * b]
        assert found[0, channel, :, y, x].tolist() == pytest.approx(plain_block(block), abs=1e-9)


def test_groups_are_means_of_their_channels():
    u = maps(1, 16, 16, 16)
    each = piqe_planes(u.view(2, 8, 16, 16)).flatten(0, 1)  # (16, 2, 4, 4), a group for each channel
    assert torch.allclose(piqe_planes(u)[0], each.view(8, 2, 2, 4, 4).mean(1))


def test_a_map_that_blocks_do_not_divide_is_continued():
    u = maps(1, 3, 10, 6)
    continued = torch.cat([u, u[:, :, -1:].expand(-1, -1, 2, -1)], 2)
    continued = torch.cat([continued, continued[..., -1:].expand(-1, -1, -1, 2)], 3)
    assert torch.equal(piqe_planes(u), piqe_planes(continued))
    assert piqe_planes(maps(1, 3, 1, 2)).shape == (1, 3, 2, 1, 1)


def test_a_dead_piece_of_an_edge_by_hand():
    block = torch.ones(4, 4, dtype=torch.float64)
    assert dead_edge(block).item() == pytest.approx(sigmoid((0.1 - 0.001) / 0.02))  # no piece varies
    rows = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    checkers = rows[:, None] * rows
    assert dead_edge(checkers).item() == pytest.approx(sigmoid((0.1 - math.sqrt(1 + 1e-6)) / 0.02))  # every one does
    checkers[0, 1] = 1  # two of the 12 pieces are dead: 1, 1 and 1, 1
    least = -0.02 * (math.log(2 * math.exp(-0.001 / 0.02)) - math.log(12))
    assert dead_edge(checkers).item() == pytest.approx(sigmoid((0.1 - least) / 0.02))


def test_noise_by_hand():
    rows = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=torch.float64)
    block = rows * torch.tensor([2.0, 1.0, 1.0, 2.0], dtype=torch.float64)  # the middle varies by 1, the rest by 2
    v = (4 + 1 + 1 + 4) / 4
    beta = (math.sqrt(v) - 0.5) / math.sqrt(v)
    want = sigmoid((math.sqrt(v) - 2 * beta) / 0.1)
    assert noise(block, torch.tensor(v, dtype=torch.float64)).item() == pytest.approx(want, abs=1e-5)


def test_the_gradient_is_that_of_finite_differences():
    u, towards, weights = maps(1, 9, 16, 16), maps(1, 9, 16, 16, seed=1), maps(1, 8, 2, 4, 4, seed=2)
    at = u.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * piqe_planes(at)).sum(), at)
    ahead, behind = ((weights * piqe_planes(u + step * towards)).sum() for step in (1e-6, -1e-6))
    assert (gradient * towards).sum().item() == pytest.approx(((ahead - behind) / 2e-6).item(), rel=1e-5)
