"""Noise of the size of 8-bit rounding is there in training, and only there."""

from __future__ import annotations

import copy

import torch
from torch import nn

from restill.training.prepare import add_rounding_noise


def test_noise_is_half_a_step_at_most_and_only_in_training():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    noisy = copy.deepcopy(plain)
    add_rounding_noise(noisy)
    picture = torch.rand(2, 3, 16, 16)
    step = plain[0](picture).abs().max() / 255
    moved = (noisy[0](picture) - plain[0](picture)).abs()
    assert 0.3 * step < moved.max() <= 0.501 * step
    torch.testing.assert_close(noisy.eval()(picture), plain(picture), rtol=0, atol=0)
    assert noisy.state_dict().keys() == plain.state_dict().keys()
