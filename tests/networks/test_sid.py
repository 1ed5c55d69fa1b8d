"""SID's blocks against arithmetic done by hand, its connections, and the ablations of SSID-KD's Tables VII to IX."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cutting import decode
from torch import nn
from torch.nn.functional import max_pool2d
from u_shapes import set_center

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks import create
from restill.networks.blocks.sid_blocks import MFFB, PFFB, Between, Build, Dense, shrink
from restill.runtime import load_model
from restill.training.export import describe, to_onnx

torch.set_num_threads(1)
SMALL = {"channels": [4, 6, 8], "units": [2, 2, 2]}
BUILD = Build("both", shared=True, add=False, skips=True)
HEAD = {1: 672, 2: 1568, 3: 2912}  # the first convolutions
ED1, ED2, ED4 = 2_105_384, 1_554_048, 768_624
TAIL = {1: 651, 2: 1515, 3: 2811}


def parameters(**options) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in create("sid", **options).parameters())


def centers(block: nn.Module) -> None:
    """Every convolution passes each map on; of several inputs it takes the sum."""
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            c_out, c_in = layer.weight.shape[:2]
            set_center(layer, torch.eye(c_out).repeat(1, c_in // c_out))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def only(module: nn.Module) -> nn.Conv2d:
    """The one convolution in it."""
    (layer,) = (layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    return layer


def test_parameters_part_by_part():
    assert parameters() == HEAD[3] + ED1 + ED2 + ED4 + TAIL[3] == 4_433_779
    assert parameters(shared=False) == 14_158_003
    assert parameters(pyramids=2) == HEAD[2] + ED1 + ED2 + TAIL[2]
    assert parameters(pyramids=1) == HEAD[1] + ED1 + TAIL[1]
    for connections in ("skip", "none"):
        assert parameters(connections=connections) == 4_433_779
    assert parameters(connections="add") == 4_115_187
    assert parameters(blocks="mffb") + parameters(blocks="pffb") == 4_433_779 + parameters() - blocks()


def blocks() -> int:
    """Parameters of the nine unit blocks."""
    with torch.device("meta"):
        network = create("sid")
    return sum(p.numel() for name, p in network.named_parameters() if ".units." in name)


def test_blocks_in_a_row_are_one_block():
    for shared in (True, False):
        network = create("sid", **SMALL, shared=shared)
        rows = [module for module in network.modules() if isinstance(module, Dense)]
        assert len(rows) == 9
        assert all(len(row.units) == (1 if shared else 2) for row in rows)
    runs = []
    network = create("sid", **SMALL)
    network.encoder1.units[0].register_forward_hook(lambda *_: runs.append(1))  # type: ignore[union-attr,index,operator]
    network(torch.rand(1, 1, 3, 16, 16))
    assert len(runs) == 2


def test_pffb_goes_from_coarse_to_fine():
    block = PFFB(1)
    centers(block)
    set_center(only(block.fuse), [[1.0, 10.0, 100.0, 1000.0]])
    with torch.no_grad():  # y8 = 1, y4 = 1 + y8, y2 = 1 + y4, y1 = 1 + y2
        assert torch.allclose(block(torch.ones(1, 1, 16, 16)), torch.tensor(4.0 + 30 + 200 + 1000 + 1))


def test_pffb_pools_the_largest_and_enlarges_the_nearest():
    block = PFFB(1)
    centers(block)
    set_center(only(block.fuse), [[0.0, 0.0, 0.0, 1.0]])
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 3, 13] = 5
    expected = x.clone()
    expected[0, 0, :8, 8:] += 5  # its window of 8
    with torch.no_grad():
        assert torch.allclose(block(x), expected)


def test_mffb_mixes_both_kernels_twice():
    block = MFFB(1)
    centers(block)
    set_center(only(block.first5), [[10.0]])
    set_center(only(block.second5), [[0.0, 1.0], [1.0, 0.0]])
    set_center(block.fuse, [[1.0, 2.0, 4.0, 8.0]])
    with torch.no_grad():  # u = (1, 10), c = u, d = (10, 1)
        assert block(torch.ones(1, 1, 6, 6)).mean().item() == pytest.approx(1 + 20 + 40 + 8 + 1)


class Double(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


@pytest.mark.parametrize(("add", "found", "result"), [(False, [1, 3, 62.5], 6281), (True, [1, 3, 8.5], 12.5)])
def test_dense(add, found, result):
    dense = Dense(1, 2, Build("both", shared=True, add=add, skips=True))
    dense.units[0] = Double()
    if not add:
        set_center(only(dense.merge[0]), [[1.0, 10.0]])
        set_center(only(dense.merge[1]), [[1.0, 10.0, 100.0]])
    else:
        centers(dense)
    for merge in dense.merge:
        nn.init.zeros_(only(merge).bias)  # type: ignore[arg-type]
    offsets = torch.tensor([99.0, 0.5, 0.25]).view(1, 3, 1, 1)  # map 0, the other's input, is not added
    with torch.no_grad():
        maps, out = dense(torch.ones(1, 1, 1, 1), offsets)
    # blocks: 2 (1 + 0.5) = 3, then 2 (1 + 30 + 0.25), or 2 (1 + 3 + 0.25); results of 1, 10 and 100 times, or of sums
    assert maps.flatten().tolist() == pytest.approx(found)
    assert out.item() == pytest.approx(result)


def test_between_sizes_maps_are_concatenated_or_added():
    maps = torch.stack([torch.full((2, 2), v) for v in (1.0, 2.0, 4.0)])[None]
    for add, matrix in ((False, [[1.0, 10.0, 100.0]]), (True, [[1.0]])):
        between = Between(1, 3, 1, Build("both", shared=True, add=add, skips=True))
        set_center(only(between), matrix)
        nn.init.zeros_(only(between).bias)  # type: ignore[arg-type]
        with torch.no_grad():
            out = between(maps, (3, 5))
        assert out.shape == (1, 1, 3, 5)
        assert out.mean().item() == pytest.approx(7 if add else 421)


def test_pooling_leaves_out_what_fills_no_window():
    x = torch.rand(1, 2, 27, 33)
    for factor in (2, 4, 8):
        assert torch.equal(shrink(x, factor), max_pool2d(x, factor))
    assert shrink(x[..., :5, :9], 8).shape == (1, 2, 1, 1)  # smaller than a window
    assert torch.equal(shrink(x[..., :5, :9], 8)[..., 0, 0], x[..., :5, :8].amax((-2, -1)))


FROM = {  # whose maps each row of blocks adds to its inputs
    "at_half.encoder4": "at_quarter.encoder4",
    "encoder2": "at_half.encoder2",
    "encoder4": "at_half.encoder4",
    "decoder2": "at_half.decoder2",
}
WITHIN = {"at_half.decoder2": "at_half.encoder2", "decoder1": "encoder1"}


@pytest.mark.parametrize(
    ("connections", "expected"), [("concat", FROM | WITHIN), ("add", FROM | WITHIN), ("skip", WITHIN), ("none", {})]
)
def test_who_gets_whose_maps(connections, expected):
    network = create("sid", **SMALL, connections=connections)
    got: dict[str, torch.Tensor] = {}
    maps: dict[str, torch.Tensor] = {}

    names = {row: name for name, row in network.named_modules() if isinstance(row, Dense)}

    def note(row: Dense, inputs: tuple, output: tuple) -> None:
        maps[names[row]] = output[0]
        if inputs[1:] not in ((), (None,)):
            got[names[row]] = inputs[1]

    for row in names:
        row.register_forward_hook(note)
    with torch.no_grad():
        network(torch.rand(1, 1, 3, 32, 40))
    assert got.keys() == expected.keys()
    assert all(torch.equal(offsets, maps[expected[name]]) for name, offsets in got.items())


@pytest.mark.parametrize(
    "options",
    [{}, {"connections": "add"}, {"connections": "none", "pyramids": 2}, {"blocks": "pffb", "shared": False}],
)
def test_every_form_learns_and_is_cut_at_its_encoder(options):
    torch.manual_seed(0)
    network = create("sid", **SMALL, **options)
    picture, other = torch.rand(2, 2, 1, 3, 33, 47)
    network(picture).square().mean().backward()
    trained = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.any() for p in trained)
    found, expected = decode(network, picture, other)
    assert torch.allclose(found, expected, atol=1e-6)


def test_untrained_weights_have_no_part_in_the_picture():
    torch.manual_seed(0)
    network, picture = create("sid", **SMALL), torch.rand(1, 1, 3, 32, 32)
    names = {name.split(".merge")[0] for name, p in network.named_parameters() if not p.requires_grad}
    assert names == {"encoder1", "encoder2", "encoder4", "at_half.encoder2", "at_half.encoder4"}
    with torch.no_grad():
        before = network(picture)
        for p in network.parameters():
            if not p.requires_grad:
                p.fill_(7)
        assert torch.equal(network(picture), before)
    with torch.device("meta"):
        assert sum(p.numel() for p in create("sid").parameters() if not p.requires_grad) == 30_584


def test_places():
    network = create("sid", **SMALL)
    picture = torch.rand(1, 1, 3, 33, 47)
    last = network.encoder4.units[0]  # type: ignore[union-attr,index]
    with torch.no_grad(), FeatureHook(network, "embedding") as code, FeatureHook(network, "tail:input") as feature:
        outputs = []
        last.register_forward_hook(lambda *a: outputs.append(a[-1]))  # type: ignore[union-attr,operator]
        network(picture)
    assert code.value.shape == (1, 8, 8, 11)
    assert torch.equal(code.value, outputs[-1])  # V is what the last block at quarter size found
    assert feature.value.shape == (1, 18, 33, 47)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 70)])
def test_any_size(size):
    y = create("sid", **SMALL)(torch.rand(1, 1, 3, *size))
    assert y.shape == (1, 3, *size)
    assert torch.isfinite(y).all()


@pytest.mark.slow
def test_export_of_all_parts_with_free_sizes(tmp_path):
    torch.manual_seed(0)
    network = create("sid", **SMALL).eval()
    (tmp_path / "m.onnx").write_bytes(to_onnx(network, describe(network, "sid", "sid", "none")).SerializeToString())
    model = load_model(tmp_path / "m.onnx", threads=1)
    for size in ((32, 48), (20, 9), (121, 87)):
        window = np.random.default_rng(0).random((1, 1, 3, *size), dtype=np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(window)).numpy()
        assert np.abs(model.run(window) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"connections": "dense"}, "connections 'dense' must be one of concat, add, skip, none"),
        ({"pyramids": 4}, "pyramids 4 must be one of 1, 2, 3"),
        ({"blocks": "msfb"}, "blocks 'msfb' must be one of both, mffb, pffb"),
        ({"channels": [24, 32]}, r"channels \[24, 32\] must be three numbers above 0"),
        ({"units": [1, 0, 1]}, r"units \[1, 0, 1\] must be three numbers above 0"),
    ],
)
def test_errors(options, words):
    with pytest.raises(RestillError, match=words):
        create("sid", **options)
