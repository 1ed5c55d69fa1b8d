"""D3Dnet: the deformable 3-D convolution against the plain one and by hand."""

import pytest
import torch
from torch.nn.functional import conv3d, interpolate

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.d3dnet import D3Dnet, DeformableConv3d

torch.set_num_threads(1)


def test_without_offsets_it_is_a_plain_3d_convolution():
    torch.manual_seed(0)
    conv = DeformableConv3d(4)
    torch.nn.init.normal_(conv.bias)
    x = torch.rand(2, 4, 5, 6, 7)
    assert torch.allclose(conv(x), conv3d(x, conv.weight, conv.bias, padding=1), atol=1e-5)


@pytest.mark.parametrize("time", [0, 1, 2])
def test_a_moved_tap_by_hand(time):
    conv = DeformableConv3d(1)
    assert conv.offset.bias is not None
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, time, 1, 1] = 1.0  # the tap in the middle of one of the three frames
        tap = 9 * time + 4
        conv.offset.bias[2 * tap] = 1.0  # down
        conv.offset.bias[2 * tap + 1] = 2.5  # right
        x = torch.rand(1, 1, 4, 6, 8)
        y = conv(x)
    other = torch.zeros(4, 6, 8)  # the frame before, the same, the frame after; none beyond the ends
    for t in range(4):
        if 0 <= t + time - 1 < 4:
            other[t] = x[0, 0, t + time - 1]
    between = (other[:, 1:, 2:-1] + other[:, 1:, 3:]) / 2  # 2.5 to the right
    assert torch.allclose(y[0, 0, :, :-1, :5], between, atol=1e-5)
    assert torch.allclose(y[0, 0, :, -1], torch.zeros(4, 8), atol=1e-5)  # below the picture


@pytest.mark.parametrize("channels", [1, 3])
def test_the_center_is_the_base(channels):
    network = D3Dnet(channels, width=2)
    window = torch.rand(1, 7, 3, 5, 6)
    base = interpolate(window[:, 3], scale_factor=4, mode="bilinear")
    with torch.no_grad(), FeatureHook(network, "fuse:input") as tap:
        assert not torch.equal(network(window), base)
        for parameter in network.head.parameters():
            parameter.zero_()
        assert torch.equal(network(window), base)
    assert tap.value.shape == (1, 7 * 2, 5, 6)


def test_frames_are_fused_frame_by_frame():
    network = D3Dnet(width=2)
    network.motion = torch.nn.Sequential()
    window = torch.rand(1, 7, 3, 5, 6)
    other = window.clone()
    other[:, 6] += 0.1  # the last frame reaches the last two through the first layer's three frames
    with torch.no_grad(), FeatureHook(network, "fuse:input") as tap:
        network(window)
        before = tap.value
        network(other)
    changed = (tap.value - before).abs().amax(dim=(0, 2, 3)).view(7, 2).amax(1) > 0
    assert changed.tolist() == [False] * 5 + [True] * 2


def test_other_channels_are_refused():
    with pytest.raises(RestillError, match="d3dnet's channels is 2"):
        D3Dnet(channels=2)
