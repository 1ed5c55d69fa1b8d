"""VESPCN: parameters, the units of its flow, and what the trunk sees."""

from math import atanh

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.distillation.hooks import FeatureHook
from restill.networks.vespcn import FLOW_UNIT, VESPCN

torch.set_num_threads(1)


def still() -> tuple[VESPCN, Tensor, Tensor]:
    """A network whose flow is zero everywhere, and the biases before tanh of its two steps."""
    network = VESPCN(channels=4, flow_width=4)
    biases = []
    for step in (network.flow.coarse, network.flow.fine):
        last = step[-3]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.data.zero_()
        last.bias.data.zero_()
        biases.append(last.bias)
    return network, biases[0], biases[1]


def test_parameters_by_hand():
    with torch.device("meta"):
        network = VESPCN()
    coarse = (25 * 6 * 24 + 24) + (9 * 24 * 24 + 24) + (25 * 24 * 24 + 24) + (9 * 24 * 24 + 24) + (9 * 24 * 32 + 32)
    fine = (25 * 11 * 24 + 24) + 3 * (9 * 24 * 24 + 24) + (9 * 24 * 8 + 8)
    trunk = (9 * 9 * 64 + 64) + 12 * (9 * 64 * 64 + 64)
    assert sum(p.numel() for p in network.parameters()) == coarse + fine + trunk + 334_083 == 841_859


def test_two_steps_of_flow_in_pixels_x_first():
    network, coarse, fine = still()
    with torch.no_grad():
        # pixel-shuffle by r takes its first r*r channels for x, the next for y
        coarse[:16] = atanh(3 / FLOW_UNIT)
        fine[4:] = atanh(-2 / FLOW_UNIT)
        flow = network.flow(torch.rand(1, 3, 12, 16), torch.rand(1, 3, 12, 16))
    assert flow.shape == (1, 2, 12, 16)
    assert torch.allclose(flow[:, 0], torch.tensor(3.0), atol=1e-4)
    assert torch.allclose(flow[:, 1], torch.tensor(-2.0), atol=1e-4)


def test_the_trunk_sees_warped_neighbors_around_the_center():
    network, coarse, _ = still()
    window = torch.rand(1, 3, 3, 12, 16)
    with torch.no_grad(), FeatureHook(network, "trunk:input") as tap:
        network(window)
        assert torch.allclose(tap.value, window.flatten(1, 2), atol=1e-5)
        coarse[:16] = atanh(3 / FLOW_UNIT)
        network(window)
    seen = tap.value.unflatten(1, (3, 3))  # (B, 3, 3, H, W)
    assert torch.equal(seen[:, 1], window[:, 1])
    for index in (0, 2):
        assert torch.allclose(seen[:, index, :, :, :-3], window[:, index, :, :, 3:], atol=1e-3)
        assert torch.allclose(seen[:, index, :, :, -3:], window[:, index, :, :, -1:].expand(-1, -1, -1, 3), atol=1e-3)


def test_the_flow_is_learned_from_the_picture():
    torch.manual_seed(0)
    network = VESPCN(channels=4, flow_width=4)
    network(torch.rand(1, 3, 3, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.flow.parameters())


def test_the_center_is_the_base():
    network = VESPCN(channels=4, flow_width=4)
    with torch.no_grad():
        for parameter in network.upsampler.conv_last.parameters():
            parameter.zero_()
        window = torch.rand(1, 3, 3, 8, 12)
        assert torch.equal(network(window), interpolate(window[:, 1], scale_factor=4, mode="bicubic"))
