"""Rill on planes sees what it says: luma of all frames, chroma of the center."""

from __future__ import annotations

import pytest
import torch

from restill.networks import create

GRAY = torch.tensor([1.0, 1.0, 1.0]).view(1, 3, 1, 1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = create("rill-s", channels=8).eval()
    torch.nn.init.normal_(network.head[0].weight, std=0.02)
    return network


@torch.no_grad()
def test_neighbors_count_by_their_luma_only(network):
    window = torch.rand(1, 3, 3, 16, 24)
    other = window.clone()
    other[:, 0] += torch.tensor([1.402, -0.714136, 0]).view(3, 1, 1) * 0.1  # red chroma by BT.601
    other[:, 2] += torch.tensor([0, -0.344136, 1.772]).view(3, 1, 1) * 0.1
    torch.testing.assert_close(network(other), network(window), atol=1e-4, rtol=0)
    brighter = window.clone()
    brighter[:, 0] += 0.1
    assert (network(brighter) - network(window)).abs().max() > 1e-3


@torch.no_grad()
def test_the_residual_has_chroma_at_half_the_resolution(network):
    window = torch.rand(1, 3, 3, 16, 24)
    change = network(window) - window[:, 1]
    weights = torch.tensor([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    chroma = torch.einsum("bchw,dc->bdhw", change, weights)
    assert chroma.abs().max() > 1e-3
    blocks = chroma.unfold(2, 2, 2).unfold(3, 2, 2)  # (B, 2, H/2, W/2, 2, 2)
    torch.testing.assert_close(blocks, blocks[..., :1, :1].expand_as(blocks), atol=1e-5, rtol=0)


@torch.no_grad()
def test_mixed_precision_keeps_one_gray_level():
    """Luma is never rounded to 8 bits: differences of one level reach the first convolution."""
    network = create("rill-s", channels=8).eval()
    seen = []
    network.first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    window = torch.full((1, 3, 3, 8, 8), 200 / 255)
    window[:, 0] += 1 / 255
    with torch.autocast("cpu", torch.bfloat16):
        network(window)
    difference = seen[0].float()[:, 4:8]  # of the frame before
    torch.testing.assert_close(difference, torch.full_like(difference, 1 / 255), atol=2e-5, rtol=0)
