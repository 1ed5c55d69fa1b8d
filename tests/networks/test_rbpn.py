"""RBPN: parameters, back-projection by hand, which frames meet."""

import pytest
import torch
from torch import nn

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.rbpn import RBPN, BackProjection, ResidualBlock

torch.set_num_threads(1)
SMALL = {"channels": 8, "hr_channels": 4}


def test_parameters_without_the_flow():
    with torch.device("meta"):
        network = RBPN()
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters - sum(p.numel() for p in network.flow.parameters()) == 12_771_943


def test_back_projection_by_hand():
    class Times(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return self.factor * x

    # there: 2x; back: 0.6x, 0.2 too much at x = 1; again: that times 2
    y = BackProjection(Times(2.0), Times(0.6), Times(2.0))(torch.ones(1))
    assert y.item() == pytest.approx(2 * (0.6 * 2 - 1) + 2)


def test_a_residual_block_by_hand():
    block = ResidualBlock(1)
    with torch.no_grad():
        for conv, weight in ((block.a, -1.0), (block.b, 4.0)):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = weight
            conv.bias = None
        block.act.weight.fill_(0.25)
        # act(-2) = -0.5; 4 * -0.5 + 2 = 0; act(2) = 2; 4 * 2 - 2 = 6
        assert block(torch.tensor([2.0, -2.0]).view(1, 1, 1, 2)).flatten().tolist() == [0.0, 6.0]


def test_each_neighbor_meets_the_center_and_its_flow():
    torch.manual_seed(0)
    network = RBPN(frames=5, **SMALL).eval()
    assert network.spec.frames == 5
    assert network.spec.levels == ("projected.1", "projected.2", "head:input")
    window = torch.rand(1, 5, 3, 8, 8)
    seen = []
    network.pair.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad(), FeatureHook(network, "head:input") as tap:
        network(window)
        first = tap.value
        window[:, 3] += 0.1  # the third neighbor: what was projected before it stays
        network(window)
        changed = (tap.value - first).abs().amax(dim=(0, 2, 3)) > 0
    for pair, index in zip(seen[4:], (0, 1, 3, 4), strict=True):
        assert torch.equal(pair[:, :3], window[:, 2])
        assert torch.equal(pair[:, 3:6], window[:, index])
        with torch.no_grad():
            assert torch.equal(pair[:, 6:], network.flow(window[:, 2], window[:, index]))
    assert changed.tolist() == [False] * 8 + [True] * 8


def test_two_frames_are_refused():
    with pytest.raises(RestillError, match="frames is 2; it must be odd and at least 3"):
        RBPN(frames=2)
