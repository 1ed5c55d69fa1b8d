"""The dark channel against the definition, pixel by pixel."""

from __future__ import annotations

import doctest

import pytest
import torch
from torch.nn.functional import max_pool3d

from restill.losses import dark_channel as module
from restill.losses.dark_channel import dark_channel

torch.set_num_threads(1)


@pytest.mark.parametrize("window", [1, 3, 15, 20])
def test_it_is_the_pooling_of_rows_columns_and_channels_at_once(window):
    x = torch.rand(2, 3, 18, 11)
    edge = window // 2
    want = -max_pool3d(-x[:, None], (3, window, window), stride=1, padding=(0, edge, edge))[:, 0]
    assert torch.equal(dark_channel(x, window), want)


def test_a_window_as_large_as_the_picture_finds_its_least_value_in_the_middle():
    x = torch.rand(2, 3, 7, 9)
    assert torch.equal(dark_channel(x, None)[:, 0, 3, 4], x.amin(dim=(1, 2, 3)))
    assert dark_channel(torch.rand(1, 3, 8, 8), None).shape == (1, 1, 9, 9)


def test_one_dark_pixel_takes_all_of_the_gradient():
    x = torch.full((1, 3, 5, 5), 0.5)
    x[0, 1, 2, 2] = 0.1
    x.requires_grad_()
    dark_channel(x, 5).sum().backward()
    assert x.grad is not None
    assert x.grad[0, 1, 2, 2].item() == 25
    assert x.grad.sum().item() == 25


def test_its_examples():
    assert doctest.testmod(module).failed == 0
