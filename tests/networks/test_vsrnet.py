"""VSRNet: frames kept apart by the first layer, and the base."""

import pytest
import torch
from torch.nn.functional import interpolate

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.vsrnet import VSRNet

torch.set_num_threads(1)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_frame_has_a_first_layer_of_its_own(channels):
    torch.manual_seed(0)
    network = VSRNet(channels, frames=5, width=4)
    window = torch.rand(1, 5, 3, 4, 4)
    other = window.clone()
    other[:, 3] += 0.1
    with torch.no_grad(), FeatureHook(network, "conv1") as tap:
        network(window)
        before = tap.value
        network(other)
        changed = (tap.value - before).abs().amax(dim=(0, 2, 3)) > 0  # (20,)
    assert changed.tolist() == [False] * 12 + [True] * 4 + [False] * 4


def test_the_center_is_the_base():
    network = VSRNet(frames=5, width=4)
    assert (network.spec.frames_before, network.spec.frames, VSRNet.spec.frames) == (2, 5, 7)
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.zero_()
        window = torch.rand(1, 5, 3, 5, 6)
        assert torch.equal(network(window), interpolate(window[:, 2], scale_factor=4, mode="bicubic"))


def test_an_even_number_of_frames_is_refused():
    with pytest.raises(RestillError, match="frames is 4; it must be odd"):
        VSRNet(frames=4)
    with pytest.raises(RestillError, match="channels is 4; it must be 1"):
        VSRNet(channels=4)
