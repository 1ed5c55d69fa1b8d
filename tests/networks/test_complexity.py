"""Counts of the CSTD networks, exact, in both conventions."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d, relu
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.networks import NETWORKS, complexity, create
from restill.networks.blocks.deformable import DeformableConv2d
from restill.networks.complexity import CONVENTIONS, Complexity, count, parse_size


def test_macs_scale_with_area():
    network = create("prednet-student1")
    assert count(network, (480, 640)).macs == 5_747_245_056 * 18.75


def test_size_is_rounded_up_to_the_networks_multiple():
    cost = count(create("rill-s"), (361, 641))
    assert cost.size == (362, 642)
    assert cost.macs_per_pixel == 3384


def test_the_network_itself_is_not_touched():
    network = create("rill-s")
    count(network, (16, 16))
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in network.modules())


class Foreign(nn.Module):
    """A little of everything; each method's cost is written out in the test below."""

    def __init__(self):
        super().__init__()
        self.shrink = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.grow = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.slope = nn.LeakyReLU(0.2)
        self.mix = nn.Linear(8, 5)
        self.kernel = nn.Parameter(torch.zeros(2, 3, 1, 1))

    def forward(self, window):
        x = self.slope(self.grouped(self.shrink(window[:, 0])))  # (B, 4, 4, 4)
        x = self.norm(relu(self.grow(x)))  # (B, 3, 8, 8)
        x = nn.functional.layer_norm(x, [8])  # no module, as relu above: the tools do not see them
        attention = (x @ x.transpose(-1, -2)).softmax(-1)  # (B, 3, 8, 8)
        x = conv2d(attention @ x, self.kernel)  # (B, 2, 8, 8)
        return self.mix(max_pool2d(x, (2, 1)))  # (B, 2, 4, 5)


def test_a_network_without_a_spec_by_hand():
    cost = count(Foreign(), (1, 3, 8, 8))
    shrink = 4 * 4 * 4 * 27  # 4 channels of 4x4, 3x3x3 taps
    grouped = 4 * 4 * 4 * 18  # two input channels a group
    grow = 4 * 4 * 4 * (4 * 3)  # 4 channels of 4x4 spread over 2x2 taps of 3 channels
    kernel = 2 * 8 * 8 * 3
    attention = 2 * 3 * 8 * 8 * 8  # twice 3 channels of 8x8 times 8x8
    mix = 2 * 4 * 8 * 5
    assert cost.work == {
        "convolution": shrink + grouped + grow + kernel,
        "deformable": 0,
        "matmul": attention + mix,
        "bias": 4 * 4 * 4 + 3 * 8 * 8,
        "activation": 4 * 4 * 4,
        "pooling": 2 * 8 * 8,
        "layer norm": 3 * 8 * 8,
    }
    macs = shrink + grouped + grow + kernel + attention + mix
    assert cost.macs == cost.by("all") == cost.by("std") == macs
    assert cost.by("cstd") == macs + 256
    assert cost.by("slkd") == macs + 5 * 192
    assert cost.by("ssid") == macs + 256 + 64 + 128
    assert cost.macs_per_pixel == macs / 64
    assert cost.parameters == 4 * 27 + (4 * 18 + 4) + (4 * 3 * 4 + 3) + 2 * 8 + (8 * 5 + 5) + 6
    with pytest.raises(RestillError, match="spec"):
        count(Foreign(), (8, 8))
    with pytest.raises(RestillError, match="'gflops' is not known; the conventions are: all, cstd"):
        cost.by("gflops")


def test_layers_that_are_functions_of_functions():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTM(8, 4)
            self.slope = nn.PReLU()

        def forward(self, window):
            x = self.cell(window[:, 0, 0])[0]  # (1, 8, 4)
            x = nn.functional.scaled_dot_product_attention(x, x, x)  # (1, 8, 4)
            return self.slope(torch.einsum("bij,bkj->bik", x, x)).mean((1, 2))

    cost = count(Mixed(), (1, 3, 8, 8))
    assert cost.work["matmul"] == 8 * 16 * (8 + 4) + 2 * 8 * 8 * 4 + 8 * 8 * 4
    assert cost.work["activation"] == 8 * 8


class Deforming(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1, bias=False)
        self.deform = DeformableConv2d(4, groups=2)
        self.last = nn.Conv2d(4, 3, 1, bias=False)

    def forward(self, window):
        x = self.first(window[:, 0])
        return self.last(self.deform(x, x))


def test_a_deformable_convolution_counts_once_and_its_offsets_as_a_convolution():
    cost = count(Deforming(), (1, 3, 6, 8))
    offsets = 6 * 8 * 4 * 9 * (3 * 2 * 9)  # two coordinates and a mask, 2 groups, 9 taps
    assert cost.work["deformable"] == 6 * 8 * 4 * 9 * 4
    assert cost.work["convolution"] == offsets + 2 * 6 * 8 * 3 * 4
    assert cost.by("std") == cost.work["convolution"] == cost.macs - cost.work["deformable"]


def run(*arguments: str, columns: int = 80) -> str:
    result = CliRunner().invoke(app, ["networks", "--quiet", *arguments], env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output
    return result.output


def test_command_lists_every_network(monkeypatch):
    free = Complexity(1, dict.fromkeys(CONVENTIONS["ssid"].times | {"layer norm": 0}, 0), (8, 8))
    monkeypatch.setattr(complexity, "count", lambda network, size: free)  # counting all is for test_counts.py
    assert [row["name"] for row in json.loads(run("--json"))] == list(NETWORKS)


def test_command_prints_json_for_machines(monkeypatch):
    for name in [name for name in NETWORKS if not name.startswith("prednet")]:
        monkeypatch.delitem(NETWORKS, name)
    rows = {row["name"]: row for row in json.loads(run("--json", "--convention", "cstd"))}
    row = rows["prednet-student1"]
    assert (row["parameters"], row["macs"], row["size"]) == (136_563, 5_761_449_984, [128, 128])
    assert row["macs_per_pixel"] == 5_761_449_984 / 128**2
    assert (row["task"], row["frames"], row["convention"]) == ("derain", 3, "cstd")


def test_command_prints_the_papers_numbers_for_people(monkeypatch):
    for name in [name for name in NETWORKS if name not in ("prednet-teacher", "rill-s", "res-sl")]:
        monkeypatch.delitem(NETWORKS, name)
    output = run("--convention", "cstd", "--size", "130x128")
    assert max(map(len, output.splitlines())) <= 80
    for text in (
        "derain",
        "CSTD ",
        "2,002,371",
        "129.60",
        "restore",
        "res-sl",
        "Rounded up to 136x128: res-sl.",
        "thop",
    ):
        assert text in output
    assert "ICME 2023" in run(columns=120)
    assert "res-sl" not in run("--task", "derain")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "dehaze"], "task 'dehaze' is not known; the tasks are: derain"),
        (["--convention", "flops"], "'flops' is not known; the conventions are: all, cstd, std, slkd, ssid"),
    ],
)
def test_what_is_not_known_is_named(arguments, words):
    result = CliRunner().invoke(app, ["networks", *arguments])
    assert isinstance(result.exception, RestillError)
    assert words in str(result.exception)


def test_size_has_a_form():
    assert parse_size("640x480") == (480, 640)
    for wrong in ("128", "0x5", "ax4", "1x2x3", "-4x4"):
        with pytest.raises(RestillError, match="WIDTHxHEIGHT"):
            parse_size(wrong)
