"""SOF-VSR: interleaved halves, sixteen drafts of a neighbor, the units of its flow."""

import torch
from torch import nn
from torch.nn.functional import interpolate

from restill.distillation.hooks import FeatureHook
from restill.networks.blocks.upsampling import luma
from restill.networks.sofvsr import SOFVSR, UNIT, FlowNet, HalfBlock, drafts

torch.set_num_threads(1)
SMALL = {"channels": 4, "hr_channels": 4, "flow_blocks": 1}


def test_the_first_half_passes_and_both_are_interleaved():
    block = HalfBlock(4)
    block.body = nn.Sequential()  # the second half passes too
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert block(x).flatten().tolist() == [0, 2, 1, 3]
    block.body = nn.Threshold(9.0, -1.0)  # type: ignore[assignment]
    assert block(x).flatten().tolist() == [0, -1, 1, -1]


def test_sixteen_drafts_by_hand():
    ramp = torch.arange(10.0).expand(1, 1, 10, 10)  # the value is x
    places = torch.arange(16.0).view(1, 1, 4, 4).repeat(1, 1, 10, 10)  # number of the place in its 4x4 block
    flow = torch.cat([places, torch.zeros_like(places)], 1) / UNIT  # x only, in pixels of the output
    warped = drafts(ramp, flow)
    assert warped.shape == (1, 16, 10, 10)
    # flow of k pixels of the output is k/4 of the input: x = 2 is found at 2 + k/4
    assert torch.allclose(warped[0, :, 5, 2], 2 + torch.arange(16.0) / 4, atol=1e-4)
    pair = drafts(torch.cat([ramp, ramp + 100]), flow.expand(2, -1, -1, -1))  # frames of a batch do not mix
    assert torch.allclose(pair[1], pair[0] + 100, atol=1e-3)


def test_flow_doubles_and_quadruples_on_the_way_up():
    network = FlowNet(4, 4, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()

        def ones(module, inputs, output):
            return torch.ones_like(output)

        network.low.register_forward_hook(ones)
        flow = network(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))
    assert flow.shape == (1, 2, 32, 32)
    assert torch.allclose(flow, torch.tensor((2 * 1 + 1) * 4.0))  # 1 at half size, 1 more at full size


def test_without_flow_the_drafts_are_the_neighbors():
    network = SOFVSR(**SMALL).eval()
    with torch.no_grad():
        for parameter in network.flow.parameters():
            parameter.zero_()
        for parameter in network.head.parameters():
            parameter.zero_()
        window = torch.rand(2, 3, 3, 6, 8)
        with FeatureHook(network, "first:input") as tap:
            picture = network(window)
    y = luma(window)[:, :, 0]
    expected = torch.cat([y[:, 1:2], y[:, :1].expand(-1, 16, -1, -1), y[:, 2:].expand(-1, 16, -1, -1)], 1)
    assert torch.allclose(tap.value, expected, atol=1e-5)
    assert torch.equal(picture, interpolate(window[:, 1], scale_factor=4, mode="bicubic"))
