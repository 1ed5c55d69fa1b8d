"""PReNet by scalar arithmetic, and the published keys."""

from math import exp, tanh

import pytest
import torch

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.prenet import PReNet
from restill.training.convert import match_keys

torch.set_num_threads(1)


def on_one_pixel(network: PReNet, rgb: list[float]) -> list[float]:
    """One channel, one pixel: of every 3x3 kernel only the middle counts, and the network is a few sums."""

    def conv(layer, *values: float) -> list[float]:
        taps = layer.weight[:, :, 1, 1].tolist()
        return [
            sum(w * v for w, v in zip(row, values, strict=True)) + b
            for row, b in zip(taps, layer.bias.tolist(), strict=True)
        ]

    def relu(value: float) -> float:
        return max(value, 0.0)

    def sigmoid(value: float) -> float:
        return 1 / (1 + exp(-value))

    estimate, hidden, cell = rgb, 0.0, 0.0
    lstm = network.lstm
    for _ in range(network.iterations):
        x = relu(*conv(network.first, *rgb, *estimate))
        i, f, o = (sigmoid(*conv(gate, x, hidden)) for gate in (lstm.i, lstm.f, lstm.o))
        cell = f * cell + i * tanh(*conv(lstm.g, x, hidden))
        x = hidden = o * tanh(cell)
        for block in network.body:
            x = relu(relu(*conv(block.b, relu(*conv(block.a, x)))) + x)
        estimate = [out + value for out, value in zip(conv(network.head, x), rgb, strict=True)]
    return estimate


@pytest.mark.parametrize("iterations", [1, 2, 6])
def test_one_pixel_by_hand(iterations):
    torch.manual_seed(0)
    network = PReNet(channels=1, iterations=iterations)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.5, 1)
    rgb = [0.2, 0.7, 0.4]
    out = network(torch.tensor(rgb).view(1, 1, 3, 1, 1)).flatten().tolist()
    assert out == pytest.approx(on_one_pixel(network, rgb), abs=1e-5)


def test_iterations_share_their_weights_and_a_tap_keeps_the_last():
    network = PReNet(channels=4)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in PReNet(4, iterations=1).parameters())
    calls = []
    network.body[4].register_forward_hook(lambda module, inputs, output: calls.append(output))
    window = torch.rand(1, 1, 3, 7, 9)
    with FeatureHook(network, "body.4@last") as tap:
        out = network(window)
    assert len(calls) == 6
    assert torch.equal(tap.value, calls[5])
    assert torch.allclose(network.head(calls[5]) + window[:, 0], out)


def test_no_iteration_is_no_network():
    with pytest.raises(RestillError, match="iterations 0"):
        PReNet(iterations=0)


def test_published_keys_are_ours_one_to_one():
    layers = {"conv0.0": (32, 6), **{f"conv_{gate}.0": (32, 64) for gate in "ifgo"}, "conv.0": (3, 32)}
    layers |= {f"res_conv{block}.{place}": (32, 32) for block in range(1, 6) for place in (0, 2)}
    with torch.device("meta"):
        network = PReNet()
        weights = {f"{name}.weight": torch.empty(*shape, 3, 3) for name, shape in layers.items()}
        weights |= {f"{name}.bias": torch.empty(shape[0]) for name, shape in layers.items()}
    match = match_keys(weights, network)
    assert match.fits, match
    assert not match.ignored
    for theirs, ours in [("conv_g.0", "lstm.g"), ("res_conv1.0", "body.0.a"), ("res_conv5.2", "body.4.b")]:
        assert match.renamed[f"{theirs}.weight"] == f"{ours}.weight"
