"""Total variation on pictures whose differences can be counted."""

from __future__ import annotations

import doctest

import pytest
import torch

from restill.losses import total_variation as module
from restill.losses.total_variation import total_variation

torch.set_num_threads(1)


def test_a_streak_counts_on_both_of_its_sides():
    x = torch.zeros(2, 3, 6, 8)
    x[0, :, :, 3] = 0.5  # a column: two edges of 6 pixels in each of 3 channels
    x[1, 0, 2, 5] = -1.0  # a pixel: four edges
    assert total_variation(x).tolist() == pytest.approx([2 * 6 * 3 * 0.5, 4.0])
    assert total_variation(x, "zero").tolist() == pytest.approx([2 * 6 * 3 * 0.5 + 3 * 0.5, 4.0])


@pytest.mark.parametrize("value", [0.0, 0.7, 1e8])
def test_a_flat_picture_has_none_but_at_a_border_of_zeros(value):
    x = torch.full((1, 3, 4, 5), value, requires_grad=True)
    assert total_variation(x).item() == 0
    assert total_variation(x, "zero").item() == pytest.approx(3 * (4 + 5) * value)
    total_variation(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_its_examples():
    assert doctest.testmod(module).failed == 0
