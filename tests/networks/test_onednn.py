"""The quick way gives what the slow one gives."""

import pytest
import torch

from restill.networks import create
from restill.networks.onednn import Conv3d, quick_conv3d


@pytest.mark.parametrize("name", ["prednet-teacher", "prednet-student1"])
def test_a_network_gives_the_same(name):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = create(name, channels=8).eval()
    window = torch.rand(1, network.spec.frames, 3, 20, 24)
    with torch.inference_mode():
        expected = network(window)
        quick_conv3d(network)
        assert any("_conv_forward" in vars(m) for m in network.modules())
        torch.testing.assert_close(network(window), expected, atol=1e-5, rtol=0)


def test_the_gradient_of_two_frames_in_bfloat16():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer, x = Conv3d(16, 16, 3, padding=1), torch.rand(2, 16, 2, 64, 64)
    gradients = []
    for enabled in (False, True):
        junk = [torch.full((size,), 3e38) for size in (2**10, 2**12, 2**14, 2**16)]
        del junk  # what memory then holds
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = layer(x)
        y.float().square().mean().backward()
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad.clone())
    torch.testing.assert_close(gradients[1], gradients[0], atol=2e-3, rtol=0.05)
    plain = torch.nn.Conv3d(16, 16, 3, padding=1)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=0)
