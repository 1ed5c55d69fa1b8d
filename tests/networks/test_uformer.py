"""Windows, masks and biases by hand; a whole attention against one that knows no windows; the published keys."""

from math import erf, exp, log, sqrt

import pytest
import torch
from torch import nn

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.uformer import (
    LeFF,
    LeWinBlock,
    UformerB,
    UforSL,
    WindowAttention,
    merge,
    partition,
    relative_position_index,
    shift_mask,
)
from restill.runtime import load_model
from restill.training.convert import match_keys
from restill.training.export import describe, to_onnx

torch.set_num_threads(1)


def tiny(**options) -> UformerB:
    torch.manual_seed(0)
    return UformerB(**{"channels": 4, "depths": [2, 1, 2], "window": 2} | options).eval()


def attention_alone(**options) -> LeWinBlock:
    """A block whose feed-forward network adds nothing."""
    torch.manual_seed(0)
    settings = {"channels": 8, "heads": 2, "window": 4, "shift": 2, "modulated": False, "drop": 0.0}
    block = LeWinBlock(**settings | options).eval()  # type: ignore[arg-type]
    nn.init.normal_(block.attn.bias)
    nn.init.zeros_(block.ffn.narrow.weight)
    nn.init.zeros_(block.ffn.narrow.bias)
    return block


def test_windows_of_a_rectangle_go_row_by_row():
    picture = torch.arange(24.0).view(1, 4, 6, 1)  # 0..5, 6..11, 12..17, 18..23
    windows = partition(picture, 2)
    expected = [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11], [12, 13, 18, 19], [14, 15, 20, 21], [16, 17, 22, 23]]
    assert windows[0, :, :, 0].tolist() == expected
    batch = torch.rand(2, 8, 12, 3)
    assert torch.equal(merge(partition(batch, 4), 4, 8, 12), batch)


def test_relative_positions_count_from_the_pixel_looked_at():
    expected = [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    assert relative_position_index(2).tolist() == expected
    index = relative_position_index(8)
    assert (index.min(), index.max()) == (0, 224)
    assert index[0, 63] == 0  # from the first to the last pixel: (-7, -7)
    assert index[63, 0] == 224


def test_a_bias_draws_attention_to_the_pixel_at_its_distance():
    attention = WindowAttention(1, 1, 2)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.kv.weight[1] = 1  # v is the pixel, q and k are nothing
        attention.proj.weight.fill_(1)
        attention.bias[3] = log(3)  # (dy, dx) = (0, -1): looking at the right neighbor
    out = attention(torch.tensor([1.0, 2.0, 4.0, 8.0]).view(1, 1, 4, 1), None).flatten()
    right, left = (1 + 3 * 2 + 4 + 8) / 6, (1 + 2 + 4 + 8) / 4
    bottom = (1 + 2 + 4 + 3 * 8) / 6
    assert out.tolist() == pytest.approx([right, left, bottom, left])


def test_logits_are_over_the_root_of_the_channels_of_a_head():
    attention = WindowAttention(4, 1, 1 + 1)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.q.bias[:] = 1  # q = (1, 1, 1, 1)
        attention.kv.weight[0, 0] = 1  # k = (x, 0, 0, 0): logit x / 2
        attention.kv.weight[4, 0] = 1  # v = (x, 0, 0, 0)
        attention.proj.weight[0, 0] = 1
    x = torch.zeros(1, 1, 4, 4)
    x[..., 0] = torch.tensor([2.0, 0.0, 0.0, 0.0])
    assert attention(x, None)[0, 0, 0, 0].item() == pytest.approx(2 * exp(1) / (exp(1) + 3))


def test_the_mask_parts_what_the_shift_brought_together():
    mask = shift_mask(4, 6, window=2, shift=1, like=torch.zeros(()))
    assert mask.shape == (6, 4, 4)
    assert not mask[:2].any()  # inside the picture nothing was torn
    o, x = 0.0, -100.0
    assert mask[2].tolist() == [[o, x, o, x], [x, o, x, o], [o, x, o, x], [x, o, x, o]]  # right column meets left
    assert mask[3].tolist() == [[o, o, x, x], [o, o, x, x], [x, x, o, o], [x, x, o, o]]  # bottom row meets top
    assert mask[5].tolist() == [[o, x, x, x], [x, o, x, x], [x, x, o, x], [x, x, x, o]]  # four corners


@pytest.mark.parametrize("shift", [0, 2])
def test_attention_is_that_of_all_pixels_with_those_of_the_same_tile(shift):
    """Rolling, windows and mask against tiles drawn on the picture and distances measured on it."""
    height, width, window, heads = 8, 12, 4, 2
    block = attention_alone(shift=shift)
    x = torch.rand(1, height, width, 8)
    attn, normal = block.attn, block.norm1(x).flatten(1, 2)  # (1, H*W, 8)
    place = [(y, x) for y in range(height) for x in range(width)]
    tile = [((y + window - shift) // window, (x + window - shift) // window) for y, x in place]
    q, (k, v) = attn.q(normal), attn.kv(normal).chunk(2, -1)
    expected = torch.zeros(1, height * width, 8)
    for i, (yi, xi) in enumerate(place):
        near = [j for j in range(len(place)) if tile[j] == tile[i]]
        distances = [((yi - place[j][0] + window - 1) * (2 * window - 1) + xi - place[j][1] + window - 1) for j in near]
        for head in range(heads):
            part = slice(4 * head, 4 * head + 4)
            logits = k[0, near, part] @ q[0, i, part] / 2 + attn.bias[distances, head]
            expected[0, i, part] = logits.softmax(0) @ v[0, near, part]
    expected = x + attn.proj(expected).view_as(x)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_leff_widens_mixes_neighbors_and_narrows_on_a_rectangle():
    leff = LeFF(1)
    with torch.no_grad():
        for parameter in leff.parameters():
            parameter.zero_()
        leff.expand.weight[0] = 1
        leff.depthwise.weight[0, 0, 1, 0] = 1  # the left neighbor
        leff.depthwise.bias[3] = 1
        leff.narrow.weight[0, 0] = 1
        leff.narrow.weight[0, 3] = 10
        leff.narrow.bias[0] = 0.5

    def gelu(value: float) -> float:
        return value * 0.5 * (1 + erf(value / sqrt(2)))

    out = leff(torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])[None, :, :, None])[0, :, :, 0]
    rest = 10 * gelu(1) + 0.5
    expected = [[gelu(gelu(left)) + rest for left in row] for row in ([0.0, 1.0, -2.0], [0.0, 0.5, 4.0])]
    assert out.flatten().tolist() == pytest.approx([value for row in expected for value in row], abs=1e-6)


def test_the_modulator_is_added_to_every_window_and_only_in_the_decoder():
    block, seen = attention_alone(modulated=True), []
    block.attn.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(1, 8, 12, 8)
    block(x)
    added = seen[0] - partition(block.norm1(x).roll((-2, -2), (1, 2)), 4)
    assert torch.allclose(added, block.modulator.expand(1, 6, 16, 8), atol=1e-6)
    with torch.device("meta"):
        network = UformerB()
    modulators = {name: p.shape for name, p in network.named_parameters() if name.endswith("modulator")}
    assert len(modulators) == 8 + 8 + 2 + 1
    assert all(name.startswith("decoder.") for name in modulators)
    assert modulators["decoder.0.blocks.7.modulator"] == (64, 512)


def shifts(network) -> list[list[int]]:
    return [[block.shift for block in stage.blocks] for stage in (*network.encoder, network.bottleneck)]


def test_odd_blocks_shift_where_the_map_is_larger_than_a_window():
    with torch.device("meta"):
        network, larger = UformerB(), UformerB(patch=256)
    assert shifts(network) == [[0], [0, 4], [0, 4] * 4, [0, 4] * 4, [0, 0]]  # 128 / 16 = 8: one window
    assert shifts(larger)[-1] == [0, 4]
    assert shifts(tiny(window=4, patch=4, depths=[2, 2, 2])) == [[0, 0], [0, 0]]
    assert shifts(tiny(window=4, patch=8, depths=[2, 2, 2])) == [[0, 2], [0, 0]]
    assert shifts(tiny(window=4, patch=16, depths=[2, 2, 2])) == [[0, 2], [0, 2]]


def test_stochastic_depth_rises_to_the_bottleneck_and_falls_again():
    with torch.device("meta"):
        network = UforSL()
    stages = (*network.encoder, network.bottleneck, *network.decoder)
    drops = [block.drop for stage in stages for block in stage.blocks]
    rising = [0.01 * block for block in range(11)]
    assert drops == pytest.approx([*rising, 0.1, 0.1, *reversed(rising)])


def test_stochastic_depth_keeps_the_mean_follows_the_seed_and_is_off_outside_training():
    block = attention_alone(drop=0.5)
    x = torch.rand(1, 4, 4, 8).expand(32, 4, 4, 8)
    whole = block(x)[0] - x[0]
    block.train()
    torch.manual_seed(1)
    branches = block(x) - x
    kept = branches.abs().sum((1, 2, 3)) > 0
    assert 4 < kept.sum() < 28
    assert torch.allclose(branches[kept], (2 * whole).expand_as(branches[kept]), atol=1e-5)
    torch.manual_seed(1)
    assert torch.equal(block(x) - x, branches)


def test_the_decoder_takes_the_upsampled_map_first_and_nothing_but_what_the_spec_names():
    network = tiny(depths=[1, 1, 1, 1, 1])
    window = torch.rand(1, 1, 3, 8, 16)
    with (
        FeatureHook(network, "up.0") as up,
        FeatureHook(network, "encoder.1") as skip,
        FeatureHook(network, "decoder.0:input") as decoder,
    ):
        network(window)
    assert torch.equal(decoder.value, torch.cat([up.value, skip.value], 1))
    for path in network.spec.encoder:
        network.get_submodule(path).register_forward_hook(lambda module, inputs, output: torch.ones_like(output))
    other = torch.rand(1, 1, 3, 8, 16)
    assert torch.allclose(network(window) - window[:, 0], network(other) - other[:, 0], atol=1e-6)


def test_the_spec_follows_depth_and_window():
    spec = UformerB.spec
    assert spec.size_multiple == 128
    assert spec.levels == ("encoder.2", "decoder.0", "decoder.3")
    assert spec.encoder == ("encoder.0", "encoder.1", "encoder.2", "encoder.3", "bottleneck")
    small = tiny(depths=[1, 1, 1, 1, 1], window=4).spec
    assert (small.size_multiple, small.encoder) == (16, ("encoder.0", "encoder.1", "bottleneck"))
    assert (small.decoder, small.levels) == (("decoder.0", "decoder.1"), ("encoder.0", "bottleneck", "decoder.1"))
    assert UformerB.spec is spec


def test_options_that_make_no_network_are_named():
    with pytest.raises(RestillError, match=r"depths \[1, 2\]"):
        tiny(depths=[1, 2])
    with pytest.raises(RestillError, match="window 3 must be a positive even"):
        tiny(window=3)


def published_keys() -> dict[str, tuple[int, ...]]:
    """Every key of Uformer_B as its authors' code makes them, with its shape."""
    e, shapes = 32, {}

    def layer(name: str, *shape: int) -> None:
        shapes.update({f"{name}.weight": shape, f"{name}.bias": shape[:1]})

    def stage(name: str, c: int, depth: int, heads: int, modulated: bool) -> None:
        for b in (f"{name}.blocks.{number}" for number in range(depth)):
            shapes.update({f"{b}.modulator.weight": (64, c)} if modulated else {})
            shapes[f"{b}.attn.relative_position_bias_table"] = (225, heads)
            shapes[f"{b}.attn.relative_position_index"] = (64, 64)
            layer(f"{b}.norm1", c)
            layer(f"{b}.norm2", c)
            layer(f"{b}.attn.qkv.to_q", c, c)
            layer(f"{b}.attn.qkv.to_kv", 2 * c, c)
            layer(f"{b}.attn.proj", c, c)
            layer(f"{b}.mlp.linear1.0", 4 * c, c)
            layer(f"{b}.mlp.dwconv.0", 4 * c, 1, 3, 3)
            layer(f"{b}.mlp.linear2.0", c, 4 * c)

    layer("input_proj.proj.0", e, 3, 3, 3)
    layer("output_proj.proj.0", 3, 2 * e, 3, 3)
    for i, depth in enumerate((1, 2, 8, 8)):
        stage(f"encoderlayer_{i}", e << i, depth, 1 << i, modulated=False)
        layer(f"dowsample_{i}.conv.0", e << (i + 1), e << i, 4, 4)
    stage("conv", 16 * e, 2, 16, modulated=False)
    for i, (depth, wide, narrow, c, heads) in enumerate(
        [(8, 16, 8, 16, 16), (8, 16, 4, 8, 8), (2, 8, 2, 4, 4), (1, 4, 1, 2, 2)]
    ):
        shapes[f"upsample_{i}.deconv.0.weight"] = (wide * e, narrow * e, 2, 2)
        shapes[f"upsample_{i}.deconv.0.bias"] = (narrow * e,)
        stage(f"decoderlayer_{i}", c * e, depth, heads, modulated=True)
    return shapes


def test_published_keys_are_ours_one_to_one():
    with torch.device("meta"):
        network = UformerB()
        weights = {key: torch.empty(shape) for key, shape in published_keys().items()}
    match = match_keys(weights, network)
    assert match.fits, match
    assert len(match.ignored) == 40  # an index table in each block
    assert match.renamed["encoderlayer_2.blocks.5.attn.qkv.to_kv.bias"] == "encoder.2.blocks.5.attn.kv.bias"
    assert match.renamed["conv.blocks.1.norm2.weight"] == "bottleneck.blocks.1.norm2.weight"
    assert match.renamed["decoderlayer_3.blocks.0.modulator.weight"] == "decoder.3.blocks.0.modulator"
    assert sum(weights[key].numel() for key in match.renamed) == 50_880_946


@pytest.mark.slow
def test_the_whole_student_is_the_same_in_onnx_for_one_window_at_the_bottleneck_and_for_many(tmp_path):
    torch.manual_seed(0)
    network = UforSL().eval()
    file = tmp_path / "model.onnx"
    file.write_bytes(to_onnx(network, describe(network, "ufor-sl", "ufor-sl", "none")).SerializeToString())
    model = load_model(file, threads=1)
    for height, width in ((128, 128), (256, 384)):
        window = torch.rand(1, 1, 3, height, width)
        with torch.no_grad():
            expected = network(window)
        assert (torch.from_numpy(model.run(window.numpy())) - expected).abs().max() < 1e-5
