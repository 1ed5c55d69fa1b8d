"""How far a network looks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from restill.networks import create
from restill.networks.receptive_field import receptive_field
from restill.networks.spec import NetworkSpec


class Made(nn.Module):
    """A network of one function of the centre frame."""

    def __init__(self, function, multiple=1, scale=1):
        super().__init__()
        self.spec = NetworkSpec("derain", "", 0, 0, "", size_multiple=multiple, scale=scale)
        self.function = function

    def forward(self, window):
        return self.function(window[:, 0])


def convolutions(*far):
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=pixels, dilation=pixels) for pixels in far))


def test_by_hand():
    assert receptive_field(Made(lambda x: x)) == 0
    assert receptive_field(Made(convolutions(1, 2, 1))) == 1 + 2 + 1
    # cells of four: two to the side, and from the first pixel of one to the last of the other
    folded = nn.Sequential(
        nn.PixelUnshuffle(4), *(nn.Conv2d(48, 48, 3, padding=1) for _ in range(2)), nn.PixelShuffle(4)
    )
    assert receptive_field(Made(folded, multiple=4)) == 2 * 4 + 3
    enlarging = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    assert receptive_field(Made(enlarging, scale=2)) == 1
    assert receptive_field(Made(nn.AvgPool2d(101, 1, 50))) == 50  # needs the larger trial window


def test_the_whole_frame_or_where_the_picture_says():
    assert receptive_field(Made(lambda x: x + x.mean((2, 3), keepdim=True))) is None
    assert receptive_field(Made(nn.AvgPool2d(301, 1, 150))) is None

    def warped(x):
        grid = x[:, :2].permute(0, 2, 3, 1)
        return torch.nn.functional.grid_sample(x, grid, align_corners=True)

    assert receptive_field(Made(warped)) is None


@pytest.mark.parametrize(("name", "expected"), [("rill-s", 13), ("rill-l", 29), ("min-median", 0), ("vespcn", None)])
def test_networks(name, expected):
    """Rill: six and ten 3x3 convolutions on cells of four; VESPCN warps."""
    assert receptive_field(create(name)) == expected
