"""Taps, windows and cells: the small parts that methods share."""

from __future__ import annotations

import doctest

import pytest
import torch
from foreign_networks import ForeignStudent
from torch import nn

from restill.distillation import cells
from restill.distillation import hooks as taps
from restill.distillation.cells import ConvLSTMCell, down, up
from restill.distillation.hooks import FeatureHook
from restill.distillation.scales import ObservedNetwork
from restill.distillation.windows import centre_targets, centre_windows
from restill.errors import RestillError
from restill.networks import create

torch.set_num_threads(1)


def test_a_tap_reads_outputs_and_inputs_and_leaves_nothing_behind():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    before = list(net.state_dict())
    with FeatureHook(net, "1") as out, FeatureHook(net, "2:input") as into, FeatureHook(net, "") as whole:
        y = net(torch.rand(1, 3, 9, 9))
    assert torch.equal(out.value, into.value)
    assert torch.equal(whole.value, y)
    assert list(net.state_dict()) == before
    assert not any(module._forward_hooks for module in net.modules())


class Layers(nn.Module):
    """A convolution, then an activation, then a convolution that is called by keyword, all of it several times."""

    def __init__(self, activation: nn.Module, runs: int = 1) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Conv2d(3, 3, 3, padding=1), activation, nn.Conv2d(3, 3, 1)
        self.runs = runs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.runs):
            x = self.last(input=self.act(self.first(x)))
        return x


IN_PLACE = {
    "relu": lambda inplace: nn.ReLU(inplace),
    "leaky": lambda inplace: nn.LeakyReLU(0.1, inplace),
    "elu": lambda inplace: nn.ELU(inplace=inplace),
    "hardtanh": lambda inplace: nn.Hardtanh(0.1, 0.2, inplace),
    "a view is changed": lambda inplace: Scaled(inplace),
}


class Scaled(nn.Module):
    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x if self.inplace else x.clone()
        x[:, :1].mul_(3)
        return x


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kind", IN_PLACE)
@pytest.mark.parametrize("path", ["first", "act", "act:input", "last:input", "last", ""])
def test_an_operation_in_place_changes_no_feature(kind: str, path: str, grad: bool):
    made = []
    for inplace in (False, True):
        torch.manual_seed(0)
        net = Layers(IN_PLACE[kind](inplace))
        with torch.set_grad_enabled(grad), FeatureHook(net, path) as tap:
            torch.manual_seed(1)
            net(torch.rand(1, 3, 8, 8))
        made.append(tap.value)
        if grad:
            tap.value.square().sum().backward()
            made.append(net.first.weight.grad)
    half = len(made) // 2
    for plain, in_place in zip(made[:half], made[half:], strict=True):
        assert torch.allclose(plain, in_place, rtol=1e-5)


def test_a_module_that_runs_several_times_needs_a_run():
    net = Layers(nn.ReLU(), runs=3).eval()
    x = torch.rand(1, 3, 8, 8)
    every = []
    handle = net.first.register_forward_hook(lambda module, args, output: every.append((args[0], output)))
    net(x)
    handle.remove()
    for run, index in (("0", 0), ("1", 1), ("2", 2), ("last", 2)):
        with FeatureHook(net, f"first@{run}") as out, FeatureHook(net, f"first@{run}:input") as into:
            net(x)
            net(x)  # each pass counts anew
        assert torch.equal(into.value, every[index][0])
        assert torch.equal(out.value, every[index][1])
    for path, words in (
        (
            "first:input",
            r"3 times in one pass; .*'first@0:input' \(the first\) to 'first@2:input', or 'first@last:input'",
        ),
        ("first@3", "ran it only 3 times"),
    ):
        with FeatureHook(net, path) as tap:
            net(x)
        with pytest.raises(RestillError, match=words):
            _ = tap.value
    for path in ("first@", "first@-1", "first@one", 3, None):
        with pytest.raises(RestillError, match="must be a module path"):
            FeatureHook(net, path)


def test_a_wrong_path_names_what_is_there():
    net = create("rill-s")
    with pytest.raises(RestillError, match=r"RillS has no module 'body\.7': there is no '7' in 'body', only: 0, 1"):
        FeatureHook(net, "body.7")
    with pytest.raises(RestillError, match=r"there is no 'haed' in it, only: first, body, head; did you mean head"):
        FeatureHook(net, "haed:input")
    with pytest.raises(RestillError, match="must be a module path"):
        FeatureHook(net, "head:output")


def test_a_tap_that_never_ran_says_so():
    net = nn.ModuleDict({"used": nn.ReLU(), "idle": nn.ReLU()})
    with FeatureHook(net, "idle") as tap:
        net["used"](torch.zeros(1))
    with pytest.raises(RestillError, match="did not run it"):
        _ = tap.value


def test_windows_are_cut_around_the_centers():
    clip = torch.arange(7.0).view(1, 7, 1, 1, 1)
    batch = {"degraded": clip, "clean": clip}
    assert centre_windows(batch, 2, 1, 1)[0, :, :, 0, 0, 0].tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert centre_windows(batch, 2, 0, 0).shape == (1, 3, 1, 1, 1, 1)
    assert centre_targets(batch, 2).flatten().tolist() == [2, 3, 4]
    with pytest.raises(RestillError, match="sees 3 frames before and 3 after, but the batch has 2"):
        centre_windows(batch, 2, 3, 3)
    with pytest.raises(RestillError, match="must have at least 9"):
        centre_targets(batch, 4)


def test_windows_that_the_data_aligned_are_taken_as_they_are():
    aligned = torch.rand(2, 4, 5, 3, 6, 6)
    batch = {"degraded": torch.zeros(2, 8, 3, 6, 6), "windows": aligned}
    assert torch.equal(centre_windows(batch, 2, 1, 1), aligned[:, :, 1:4])
    assert torch.equal(centre_windows(batch, 2, 2, 2), aligned)


@pytest.mark.parametrize(("cell", "count"), [((1,), 9856), ((17,), 19072), ((2,), 10432), ((1, 16, 16), 19072)])
def test_the_cell_has_the_parameters_it_should(cell: tuple[int, ...], count: int):
    made = ConvLSTMCell(*cell)
    assert sum(p.numel() for p in made.parameters()) == count
    assert made.gates.out_channels == 64
    if len(cell) == 3:
        assert made.gates.in_channels == 33  # [F ; hid ; hint]


def test_an_absent_state_or_hint_is_zeros():
    cell, x, zeros = ConvLSTMCell(1, 4, 4), torch.rand(2, 1, 5, 5), torch.zeros(2, 4, 5, 5)
    for a, b in zip(cell(x), cell(x, (zeros, zeros), zeros), strict=True):
        assert torch.equal(a, b)


def test_down_and_up_keep_both_parts_and_odd_sizes():
    state = (torch.rand(1, 2, 7, 5), torch.rand(1, 2, 7, 5))
    small = down(state)
    assert small[0].shape == small[1].shape == (1, 2, 4, 3)
    large = up(small, (7, 5))
    assert torch.equal(large[1][..., :2, :2], small[1][..., :1, :1].expand(1, 2, 2, 2))
    assert torch.equal(large[0][..., 6, 4], small[0][..., 3, 2])


@pytest.mark.parametrize("name", ["prednet-student1", "prednet-student2", "prednet-student3", "rill-s"])
@pytest.mark.parametrize("source", ["features", "frames"])
def test_every_network_shows_its_scales(name: str, source: str):
    net = create(name)
    tapped = ObservedNetwork.of(net, "student", 1)
    windows = torch.rand(2, tapped.before + 1 + tapped.after, 3, 32, 48)
    pictures, features = tapped.scales(windows, 3, source)  # type: ignore[arg-type]
    assert torch.equal(pictures[0], net(windows))
    for p, (picture, feature) in enumerate(zip(pictures, features, strict=True)):
        h, w = 32 >> p, 48 >> p
        assert tuple(picture.shape) == (2, 3, h, w)
        assert tuple(feature.shape[-2:]) == ((h // 2, w // 2) if name == "rill-s" else (h, w))


def test_without_a_head_the_picture_is_pooled():
    tapped = ObservedNetwork.of(ForeignStudent(), "student", 1, "layers.0")
    pictures, features = tapped.scales(torch.rand(1, 3, 3, 8, 8), 3, "features")
    assert torch.allclose(pictures[1], torch.nn.functional.avg_pool2d(pictures[0], 2))
    assert features[0].shape == (1, 4, 8, 8)
    with_head = ObservedNetwork.of(ForeignStudent(), "student", 1, "layers.1:input", "layers.1")
    assert with_head.scales(torch.rand(1, 3, 3, 8, 8), 3, "features")[0][2].shape == (1, 3, 2, 2)


def test_a_feature_that_is_no_map_is_refused():
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat = nn.Flatten()

        def forward(self, window: torch.Tensor) -> torch.Tensor:
            self.flat(window)
            return window[:, 1]

    with pytest.raises(RestillError, match=r"teacher's feature at 'flat' is \(1, 576\); it must be"):
        ObservedNetwork.of(Flat(), "teacher", 1, "flat").scales(torch.rand(1, 3, 3, 8, 8), 1, "features")


@pytest.mark.parametrize("module", [taps, cells])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0
