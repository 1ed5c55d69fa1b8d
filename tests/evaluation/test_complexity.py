"""Counts of the CSTD networks, exact, in both conventions."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.evaluation.complexity import count, parse_size, table
from restill.networks import create

KNOWN = {
    "prednet-teacher": (2_002_371, 127_515_230_208, 127_603_359_744),
    "prednet-student1": (136_563, 5_747_245_056, 5_761_449_984),
    "prednet-student2": (81_139, 2_802_843_648, 2_810_232_832),
    "prednet-student3": (186_723, 3_048_210_432, 3_059_269_632),
}


@pytest.mark.parametrize("name", KNOWN)
def test_counts_of_the_paper(name):
    cost = count(create(name), (128, 128))
    assert (cost.parameters, cost.macs, cost.macs_with_bias) == KNOWN[name]


def test_macs_scale_with_area():
    network = create("prednet-student1")
    assert count(network, (480, 640)).macs == KNOWN["prednet-student1"][1] * 18.75


def test_size_is_rounded_up_to_the_networks_multiple():
    cost = count(create("rill-s"), (361, 641))
    assert cost.size == (364, 644)
    assert cost.macs_per_pixel == 6624


def test_the_network_itself_is_not_touched():
    network = create("rill-s")
    count(network, (16, 16))
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in network.modules())


class Foreign(nn.Module):
    def __init__(self):
        super().__init__()
        self.shrink = nn.Conv2d(3, 4, 3, stride=2, padding=1, groups=1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.grow = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.mix = nn.Linear(8, 5)

    def forward(self, window):
        return self.mix(self.grow(self.grouped(self.shrink(window[:, 0]))))


def test_a_network_without_a_spec_by_hand():
    cost = count(Foreign(), (1, 3, 8, 8))
    shrink = 4 * 4 * 4 * 27  # 4 channels of 4x4, 3x3x3 taps
    grouped = 4 * 4 * 4 * 18  # two input channels a group
    grow = 4 * 4 * 4 * (4 * 3)  # 4 channels of 4x4 spread over 2x2 taps of 3 channels
    mix = 3 * 8 * 5 * 8
    assert cost.macs == shrink + grouped + grow + mix
    assert cost.macs_with_bias == cost.macs + 4 * 4 * 4 + 3 * 8 * 8 + 3 * 8 * 5
    assert cost.parameters == 4 * 27 + (4 * 18 + 4) + (4 * 3 * 4 + 3) + (8 * 5 + 5)
    with pytest.raises(RestillError, match="spec"):
        count(Foreign(), (8, 8))


def test_command_prints_json_for_machines():
    result = CliRunner().invoke(app, ["networks", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row for row in json.loads(result.output)}
    for name, (parameters, macs_conv, macs) in KNOWN.items():
        row = rows[name]
        assert (row["parameters"], row["macs_conv"], row["macs"]) == (parameters, macs_conv, macs)
        assert row["size"] == [128, 128]


def test_command_prints_the_papers_numbers_for_people():
    result = CliRunner().invoke(app, ["networks"], env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    for text in ("128x128", "prednet-teacher", "2,002,371", "127.60", "5.76", "2.81", "3.06"):
        assert text in result.output


def test_size_has_a_form():
    assert parse_size("640x480") == (480, 640)
    for wrong in ("128", "0x5", "ax4", "1x2x3", "-4x4"):
        with pytest.raises(RestillError, match="WIDTHxHEIGHT"):
            parse_size(wrong)


def test_table_lists_every_network():
    assert {"name", "paper", "frames", "parameters", "macs", "macs_conv", "size"} <= table((64, 64))[0].keys()
    assert torch.get_default_device().type == "cpu"
