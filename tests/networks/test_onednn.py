"""The quick way gives what the slow one gives."""

import pytest
import torch

from restill.networks import create
from restill.networks.onednn import quick_conv3d


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
