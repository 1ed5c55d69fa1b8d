"""The quick way gives what the slow one gives."""

import pytest
import torch

from restill.evaluation.models import load_checkpoint
from restill.networks import create
from restill.networks.blocks.onednn import Conv3d, quick_conv3d
from restill.training.checkpoint import save_network


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


def test_a_checkpoint_runs_the_quick_way_and_is_counted_all_the_same(tmp_path):
    torch.set_num_threads(1)
    network = create("prednet-student1", channels=8).eval()
    info = {"network": "prednet-student1", "options": {"channels": 8}, "name": "small", "align": "none"}
    save_network(tmp_path / "student.safetensors", network, info)
    model = load_checkpoint(tmp_path / "student.safetensors")
    window = torch.rand(1, 3, 3, 20, 24)
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(model.run(window.numpy())), network(window), atol=1e-5, rtol=0)
    assert model.info.parameters == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("channels", [(3, 32), (32, 32), (32, 3), (16, 16)])
def test_the_gradient_in_bfloat16(frames, kernel, channels):
    if kernel > frames + 2 * (kernel - 2):
        pytest.skip("the kernel is longer than the clip")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = Conv3d(*channels, (kernel, 3, 3), padding=(kernel - 2, 1, 1))
    x = torch.rand(2, channels[0], frames, 64, 64, requires_grad=True)
    parts = (layer.weight, layer.bias, x)
    gradients = []
    for enabled in (False, True):
        for part in parts:
            part.grad = None
        fill_memory()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = layer(x)
        fill_memory()
        y.float().square().mean().backward()
        gradients.append([part.grad.clone() for part in parts])
    for true, half in zip(*gradients, strict=True):
        assert (half - true).norm() < 0.01 * true.norm()
    plain = torch.nn.Conv3d(*channels, (kernel, 3, 3), padding=(kernel - 2, 1, 1))
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=0)


def fill_memory():
    """What is given back and then taken again without being written holds NaN."""
    for kind in (torch.float32, torch.bfloat16):
        junk = [torch.full((2**power,), float("nan"), dtype=kind) for power in range(6, 24)]
        del junk
