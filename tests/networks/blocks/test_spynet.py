import pytest
import torch
from safetensors.torch import save_file

from restill.errors import RestillError
from restill.networks.blocks.spynet import SPyNet, align_window, load_spynet, save_spynet, spynet_windows, warp

torch.set_num_threads(1)


def zero() -> SPyNet:
    net = SPyNet()
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    return net


class Constant(torch.nn.Module):
    """The same flow everywhere."""

    def __init__(self, x: float, y: float) -> None:
        super().__init__()
        self.x, self.y = x, y

    def forward(self, reference, neighbour):
        one = torch.ones_like(reference[:, :1])
        return torch.cat([self.x * one, self.y * one], dim=1)


def test_parameters_are_the_papers():
    net = SPyNet()
    assert sum(p.numel() for p in net.parameters()) == 1_440_300
    assert len(net.state_dict()) == 60  # weights and biases alone: that is what a file of weights holds


@pytest.mark.parametrize(("height", "width"), [(32, 64), (33, 47), (1, 5), (40, 31)])
def test_any_size(height, width):
    torch.manual_seed(0)
    flow = SPyNet()(torch.rand(2, 3, height, width), torch.rand(2, 3, height, width))
    assert flow.shape == (2, 2, height, width)
    assert torch.isfinite(flow).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 48)])
def test_flow_doubles_from_level_to_level_and_is_in_the_frames_own_pixels(height, width):
    net = zero()
    net.levels[0][-1].bias.data = torch.tensor([0.5, -0.25])  # type: ignore[index,union-attr]
    flow = net(torch.rand(1, 3, height, width), torch.rand(1, 3, height, width))
    assert torch.allclose(flow[:, 0], torch.full((1, height, width), 16.0 * width / (-(-width // 32) * 32)))
    assert torch.allclose(flow[:, 1], torch.full((1, height, width), -8.0 * height / (-(-height // 32) * 32)))


def test_a_level_sees_the_reference_then_the_warped_neighbour_then_the_flow():
    net, seen = zero(), []
    net.levels[4][-1].bias.data = torch.tensor([1.0, 0.0])  # type: ignore[index,union-attr]
    net.levels[5].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    reference, neighbour = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    net(reference, neighbour)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = [(frame - mean.view(3, 1, 1)) / std.view(3, 1, 1) for frame in (reference, neighbour)]
    assert torch.allclose(seen[0][:, :3], normal[0], atol=1e-5)
    assert torch.allclose(seen[0][:, 3:6, :, :-2], normal[1][..., 2:], atol=1e-4)
    assert torch.allclose(seen[0][:, 6:], torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 32, 32))


def test_zero_weights_leave_every_frame_where_it_is():
    net, clip = zero(), torch.rand(2, 7, 3, 21, 34)
    assert not net(clip[:, 0], clip[:, 1]).any()
    windows = spynet_windows(net, clip, context=2)
    assert windows.shape == (2, 3, 5, 3, 21, 34)
    slices = torch.stack([clip[:, t - 2 : t + 3] for t in (2, 3, 4)], dim=1)
    assert torch.allclose(windows, slices, atol=1e-5)


def test_warp_by_whole_pixels_shifts_and_clamps_at_the_border():
    frame = torch.rand(1, 3, 9, 12)
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 9, 12)
    rows, columns = (torch.arange(9) - 1).clamp(min=0), (torch.arange(12) + 2).clamp(max=11)
    assert torch.allclose(warp(frame, flow), frame[:, :, rows][..., columns], atol=1e-5)


def test_windows_leave_the_centre_exact_and_bring_neighbours_onto_it():
    torch.manual_seed(0)
    clip = torch.rand(1, 5, 3, 33, 40)
    windows = spynet_windows(SPyNet(), clip, context=1)
    assert torch.equal(windows[:, :, 1], clip[:, 1:4])
    assert not windows.requires_grad
    moved = align_window(Constant(3, 2), clip[:, :3], centre=0)  # a window need not be symmetric
    assert torch.equal(moved[:, 0], clip[:, 0])
    assert torch.allclose(moved[:, 1:, :, :-2, :-3], clip[:, 1:3, :, 2:, 3:], atol=1e-5)
    assert torch.equal(spynet_windows(SPyNet(), clip, context=0)[:, :, 0], clip)


def test_weights_come_back_frozen_and_a_wrong_file_is_named(tmp_path):
    net = SPyNet()
    save_spynet(net, tmp_path / "spynet.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["spynet.safetensors"]
    loaded = load_spynet(tmp_path / "spynet.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters(), strict=True))
    assert not any(p.requires_grad for p in loaded.parameters())
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("a poem")
    for name, words in (("other", "levels.0.0.weight"), ("text", "cannot be read"), ("none", "cannot be read")):
        with pytest.raises(RestillError, match=rf"{name}\.safetensors.*{words}"):
            load_spynet(tmp_path / f"{name}.safetensors")
