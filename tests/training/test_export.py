"""What runs is what was trained: ONNX Runtime against PyTorch for every network, and what the file says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from small_networks import SLOW_EXPORT
from small_networks import SMALL as SMALL_NETWORKS
from torch import nn

from restill.errors import RestillError
from restill.networks import NETWORKS, create
from restill.runtime import load_model
from restill.training.export import describe, export, to_onnx
from restill.training.fold import fold_unshuffle

torch.set_num_threads(1)
SMALL = {"channels": 8}


def checkpoint(folder: Path, name: str, **options) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    network = create(name, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))  # heads start near zero: an error there would not show
    about = {"network": name, "options": options, "align": "none", "name": f"my-{name}"}
    save_file(network.state_dict(), folder / "student.safetensors", metadata={"restill": json.dumps(about)})
    return folder / "student.safetensors", network.eval()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW_EXPORT else name for name in NETWORKS]
)
def test_onnx_equals_torch_or_the_spec_says_why_not(name, tmp_path):
    path, network = checkpoint(tmp_path, name, **SMALL_NETWORKS[name])
    if reason := network.spec.no_export:  # type: ignore[union-attr]
        with pytest.raises(RestillError, match=re.escape(reason)):
            export(path, tmp_path / "model.onnx")
        return
    model = load_model(export(path, tmp_path / "model.onnx"), threads=1)
    for sides in ((32, 48), (52, 20)):  # neither is the size it was exported at
        multiple = model.info.size_multiple
        height, width = (-(-side // multiple) * multiple for side in sides)
        window = np.random.default_rng(0).random((1, model.info.frames, 3, height, width), dtype=np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(window)).numpy()
        assert np.abs(model.run(window) - expected).max() < 1 / 255
        assert np.abs(model.run(window) - expected).max() < 1e-5  # in truth far below a gray level


def test_the_file(tmp_path):
    _, network = checkpoint(tmp_path, "rill-s")
    output = export(tmp_path, tmp_path / "model.onnx", name="mine")  # a folder is a checkpoint too
    info = load_model(output).info
    assert (info.name, info.network, info.align, info.size_multiple) == ("mine", "rill-s", "none", 2)
    assert info.parameters == sum(p.numel() for p in network.parameters())
    assert (info.macs_per_pixel, info.reach) == (3384, 13)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "student.safetensors"]  # no second file
    model = onnx.load(output)
    kinds = [node.op_type for node in model.graph.node]
    assert "Transpose" not in kinds
    assert kinds.count("Conv") == 6  # unshuffling and balancing are folded into the first
    assert str(Path.home()).encode() not in output.read_bytes()
    assert b"site-packages" not in output.read_bytes()


def test_name_is_the_checkpoints_own(tmp_path):
    path, _ = checkpoint(tmp_path, "prednet-student3", **SMALL)
    assert load_model(export(path, tmp_path / "model.onnx")).info.name == "my-prednet-student3"


@pytest.mark.parametrize("align", ["none", "dis", "spynet"])
def test_a_single_frame_has_nothing_to_align(align):
    """Whatever was done to the frames that its teacher saw."""
    assert describe(create("rill-p", channels=4, pairs=1), "mine", "rill-p", align).align == "none"


class Odd(nn.Module):
    """Two readers of one unshuffle, one of them a strided convolution: neither may be merged."""

    spec = create("rill-s", channels=4).spec

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(144, 48, 3, padding=1)
        self.b = nn.Conv2d(144, 48, 3, padding=1, stride=2)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        folded = nn.functional.pixel_unshuffle(window.flatten(1, 2), 4)
        return nn.functional.pixel_shuffle(self.a(folded) + self.up(self.b(folded)), 4)


def test_what_cannot_be_folded_stays_right(tmp_path):
    torch.manual_seed(0)
    network = Odd().eval()
    model = to_onnx(network, describe(network, "odd", "odd", "none"))
    before = model.SerializeToString()
    fold_unshuffle(model)
    assert model.SerializeToString() == before
    onnx.save(model, tmp_path / "odd.onnx")
    window = torch.rand(1, 3, 3, 32, 64)
    with torch.no_grad():
        expected = network(window).numpy()
    assert np.abs(load_model(tmp_path / "odd.onnx", threads=1).run(window.numpy()) - expected).max() < 1e-5


@pytest.mark.slow
def test_a_multiple_larger_than_the_example(tmp_path):
    network = create("rill-s", channels=4).eval()
    network.spec = replace(network.spec, size_multiple=128)  # type: ignore[arg-type]
    model = to_onnx(network, describe(network, "coarse", "rill-s", "none"))
    onnx.save(model, tmp_path / "coarse.onnx")
    window = torch.rand(1, 3, 3, 128, 128)  # one multiple: less than it was exported at
    with torch.no_grad():
        expected = network(window).numpy()
    assert np.abs(load_model(tmp_path / "coarse.onnx", threads=1).run(window.numpy()) - expected).max() < 1e-5


def test_errors(tmp_path):
    path, _ = checkpoint(tmp_path, "prednet-student3", **SMALL)
    with pytest.raises(RestillError, match=r"must end in \.onnx"):
        export(path, tmp_path / "model.bin")
    with pytest.raises(RestillError, match="does not exist; create it first"):
        export(path, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(RestillError, match="nothing"):
        export(tmp_path / "nothing", tmp_path / "model.onnx")
    (tmp_path / "text.safetensors").write_text("a poem")
    with pytest.raises(RestillError, match=r"text\.safetensors"):
        export(tmp_path / "text.safetensors", tmp_path / "model.onnx")
    (tmp_path / "taken.onnx").mkdir()
    with pytest.raises(RestillError, match=r"taken\.onnx' cannot be written"):
        export(path, tmp_path / "taken.onnx")
    assert not list(tmp_path.glob(".*"))  # nothing half-written is left
