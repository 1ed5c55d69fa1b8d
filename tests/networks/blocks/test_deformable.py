"""The deformable convolution against plain convolutions and against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, pad

from restill.networks import NetworkSpec
from restill.networks.blocks.deformable import DeformableConv2d, deform_conv2d
from restill.runtime import load_model
from restill.training.export import describe, to_onnx

torch.set_num_threads(1)


def still(x: torch.Tensor, groups: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Offsets of zero and masks of one."""
    batch, _, height, width = x.shape
    return torch.zeros(batch, 18 * groups, height, width), torch.ones(batch, 9 * groups, height, width)


def one_tap(tap: int) -> torch.Tensor:
    """A kernel (1, 1, 3, 3) that is 1 at one tap."""
    return torch.eye(9)[tap].view(1, 1, 3, 3)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("size", [(7, 10), (1, 1), (2, 300)])
def test_without_offsets_it_is_a_convolution(groups, size):
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(*shape).double() for shape in ((2, 4, *size), (3, 4, 3, 3), (3,)))
    expected = conv2d(x, weight, bias, padding=1)
    assert torch.allclose(deform_conv2d(x, *still(x, groups), weight, bias), expected, atol=1e-10)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, 1), (2, -3), (-9, 0)])
def test_whole_offsets_shift_the_convolution(down, right):
    torch.manual_seed(0)
    x, weight = torch.randn(1, 2, 8, 9), torch.randn(5, 2, 3, 3)
    offset, mask = still(x)
    offset[:, 0::2], offset[:, 1::2] = down, right
    far = conv2d(pad(x, (10, 10, 10, 10)), weight, padding=1)  # zeros wherever a tap may fall
    expected = far[:, :, 10 + down : 18 + down, 10 + right : 19 + right]
    assert torch.allclose(deform_conv2d(x, offset, mask, weight), expected, atol=1e-4)


def test_a_fraction_is_read_bilinearly_and_zero_outside():
    x = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]]).view(1, 1, 3, 3)
    offset, mask = still(x)
    offset[:, 8], offset[:, 9] = 0.25, 0.5  # tap 4, the center one
    y = deform_conv2d(x, offset, mask, one_tap(4))[0, 0]
    assert y[0, 0].item() == pytest.approx(0.75 * (1 + 2) / 2 + 0.25 * (8 + 16) / 2)
    assert y[1, 1].item() == pytest.approx(0.75 * (16 + 32) / 2 + 0.25 * (128 + 256) / 2)
    assert y[2, 2].item() == pytest.approx(0.75 * 0.5 * 256)  # the other three pixels are outside
    offset[:, 8], offset[:, 9] = -0.5, -0.5
    assert deform_conv2d(x, offset, mask, one_tap(4))[0, 0, 0, 0].item() == pytest.approx(0.25)


@pytest.mark.parametrize("tap", range(9))
def test_every_tap_has_its_own_offset_and_mask(tap):
    x = torch.arange(1.0, 26.0).view(1, 1, 5, 5)
    offset, mask = still(x)
    offset[:, 2 * tap], offset[:, 2 * tap + 1] = 1, -1
    mask[:, tap] = torch.arange(25.0).view(5, 5)
    y = deform_conv2d(x, offset, mask, one_tap(tap))
    row, column = 2 + tap // 3, tap % 3  # where it looks from the middle: one down and one to the left of where it was
    assert y[0, 0, 2, 2].item() == pytest.approx(12 * x[0, 0, row, column].item())
    others = deform_conv2d(x, offset, mask, torch.ones(1, 1, 3, 3) - one_tap(tap))
    plain = conv2d(x, torch.ones(1, 1, 3, 3) - one_tap(tap), padding=1)
    assert torch.allclose(others, plain, atol=1e-3)


def test_groups_are_runs_of_channels():
    x = torch.randn(1, 4, 6, 6)
    offset, mask = still(x, groups=2)
    offset[:, 18 + 9] = 1  # the second group: tap 4, to the right
    mask[:, 9 + 4] = 3
    weight = torch.zeros(4, 4, 3, 3)
    weight[range(4), range(4), 1, 1] = 1
    y = deform_conv2d(x, offset, mask, weight)
    assert torch.allclose(y[:, :2], x[:, :2], atol=1e-5)
    assert torch.allclose(y[:, 2:, :, :-1], 3 * x[:, 2:, :, 1:], atol=1e-5)


def test_gradients_are_those_of_the_formula():
    torch.manual_seed(0)
    shapes = (1, 2, 3, 4), (1, 36, 3, 4), (1, 18, 3, 4), (2, 2, 3, 3), (2,)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(deform_conv2d, inputs)


def test_gradients_stay_finite_far_outside():
    inputs = [torch.randn(1, 2, 4, 4), 1e6 * torch.randn(1, 18, 4, 4), torch.zeros(1, 9, 4, 4), torch.randn(2, 2, 3, 3)]
    leaves = [x.requires_grad_() for x in inputs]
    deform_conv2d(*leaves).sum().backward()
    assert all(x.grad is not None and torch.isfinite(x.grad).all() for x in leaves)


def test_half_precision_does_not_move_the_taps():
    torch.manual_seed(0)
    x, weight = torch.rand(1, 1, 2, 600), torch.rand(1, 1, 3, 3)
    half = [t.bfloat16() for t in (x, *still(x), weight)]
    y = deform_conv2d(*half)
    assert y.dtype == torch.bfloat16
    assert torch.allclose(y.float(), conv2d(half[0].float(), half[3].float(), padding=1), rtol=0.02)


def test_the_module_starts_as_half_a_convolution_and_learns_to_move():
    torch.manual_seed(0)
    layer, x, guide = DeformableConv2d(4, groups=2), torch.randn(2, 4, 6, 7), torch.randn(2, 4, 6, 7)
    y = layer(x, guide)
    assert torch.allclose(y, 0.5 * conv2d(x, layer.weight, padding=1), atol=1e-5)  # sigmoid(0), and no bias yet
    y.square().sum().backward()
    assert layer.offset.weight.grad is not None
    assert (layer.offset.weight.grad.abs().amax(dim=(1, 2, 3)) > 0).all()  # of every offset and of every mask


def test_the_module_makes_offsets_first_then_masks():
    layer, x = DeformableConv2d(2, groups=2), torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(2), range(2), 1, 1] = 1
        layer.offset.bias[8] = 1  # type: ignore[index] - group 0, tap 4: down
        layer.offset.bias[36 + 9 + 4] = 100  # type: ignore[index] - mask of group 1, tap 4
        y = layer(x, x)
    assert torch.allclose(y[:, 0, :-1], 0.5 * x[:, 0, 1:], atol=1e-5)
    assert torch.allclose(y[:, 1], x[:, 1], atol=1e-5)


class Moved(nn.Module):
    """A network that is one deformable convolution."""

    spec = NetworkSpec(task="restore", paper="none", frames_before=0, frames_after=0, feature="", size_multiple=1)

    def __init__(self) -> None:
        super().__init__()
        self.deform = DeformableConv2d(3, groups=3)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return self.deform(window[:, 0], window[:, 0])


def test_export_with_free_sizes(tmp_path):
    torch.manual_seed(0)
    network = Moved().eval()
    nn.init.normal_(network.deform.offset.weight)
    (tmp_path / "m.onnx").write_bytes(to_onnx(network, describe(network, "moved", "moved", "none")).SerializeToString())
    model = load_model(tmp_path / "m.onnx", threads=1)
    for height, width in ((5, 9), (40, 33)):
        window = np.random.default_rng(0).random((1, 1, 3, height, width), dtype=np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(window)).numpy()
        assert np.abs(model.run(window) - expected).max() < 1e-5
