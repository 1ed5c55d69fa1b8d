"""VDSR: the bicubic base, and luma alone."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from restill.errors import RestillError
from restill.networks.blocks.upsampling import luma
from restill.networks.vdsr import VDSR

torch.set_num_threads(1)


@pytest.mark.parametrize("channels", [1, 3])
def test_without_a_correction_it_is_bicubic(channels):
    network = VDSR(channels, width=4)
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.zero_()
        window = torch.rand(2, 1, 3, 5, 7)
        assert torch.equal(network(window), interpolate(window[:, 0], scale_factor=4, mode="bicubic"))


def test_a_correction_by_hand():
    network = VDSR(width=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for convolution in [m for m in network.body.modules() if isinstance(m, nn.Conv2d)]:
            convolution.weight[0, 0, 1, 1] = 1.0  # channel 0 carries the luma through
        network.head.weight[0, 0, 1, 1] = 0.5
        window = torch.tensor([0.2, 0.4, 0.6]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 4, 4)
        gray = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
        expected = torch.tensor([0.2, 0.4, 0.6]) + 0.5 * gray
        assert torch.allclose(network(window)[0, :, 8, 8], expected)


def test_chroma_stays_bicubic():
    torch.manual_seed(0)
    network = VDSR(width=8)
    network.head.weight.data.fill_(1.0)
    window = torch.rand(1, 1, 3, 6, 6)
    with torch.no_grad():
        change = network(window) - interpolate(window[:, 0], scale_factor=4, mode="bicubic")
        assert change.abs().max() > 0.01
        assert torch.allclose(change, change.mean(1, keepdim=True).expand_as(change), atol=1e-6)
        gray = luma(window).expand_as(window)  # the same luma, no chroma
        again = network(gray) - interpolate(gray[:, 0], scale_factor=4, mode="bicubic")
    assert torch.allclose(again, change, atol=1e-5)


def test_other_channels_are_refused():
    with pytest.raises(RestillError, match="channels is 2; it must be 1"):
        VDSR(channels=2)
