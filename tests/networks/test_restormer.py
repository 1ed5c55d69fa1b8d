"""Restormer's parts against arithmetic done by hand; its shape, which DRSformer shares."""

from __future__ import annotations

import math

import pytest
import torch
from u_shapes import attention, gated_feed_forward, meta, set_center, u_shape

from restill.errors import RestillError
from restill.networks import create
from restill.networks.restormer import ChannelNorm, GatedFeedForward, TransposedAttention, down, up
from restill.training.convert import match_keys

torch.set_num_threads(1)


def plain_attention(channels: int, heads: int) -> TransposedAttention:
    """q = k = v = x, and what attention gives comes out as it is."""
    attn = TransposedAttention(channels, heads)
    set_center(attn.qkv, torch.eye(channels).repeat(3, 1))
    set_center(attn.qkv_dwconv, torch.ones(3 * channels, 1))
    set_center(attn.project_out, torch.eye(channels))
    return attn


def test_channel_norm_with_and_without_a_bias():
    x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)  # mean 2, biased variance 1
    norm, bare = ChannelNorm(2), ChannelNorm(2, bias=False)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 10.0]))
        bare.weight.copy_(torch.tensor([1.0, 10.0]))
        norm.bias.copy_(torch.tensor([0.5, 0.25]))
    deviation = math.sqrt(1 + 1e-5)
    assert norm(x).flatten().tolist() == pytest.approx([-1 / deviation + 0.5, 10 / deviation + 0.25])
    assert bare(x).flatten().tolist() == pytest.approx([1 / deviation, 30 / deviation])  # the mean stays in
    assert set(bare.state_dict()) == {"weight"}


def test_attention_is_between_channels_of_length_one_over_the_picture():
    attn = plain_attention(2, heads=1)
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 5.0])  # length 1: (.6, .8) and (0, 1); their product is .8
    with torch.no_grad():
        attn.temperature.fill_(2)
        out = attn(torch.stack([a, b]).view(1, 2, 1, 2))
    own = 1 / (1 + math.exp(-2 * (1 - 0.8)))  # softmax of (2, 1.6)
    assert torch.allclose(out[0, 0, 0], own * a + (1 - own) * b)
    assert torch.allclose(out[0, 1, 0], own * b + (1 - own) * a)


def test_heads_are_runs_of_channels_each_with_its_temperature():
    attn = plain_attention(4, heads=2)
    x = torch.rand(1, 4, 2, 3)
    with torch.no_grad():
        attn.temperature.copy_(torch.tensor([0.0, 1000.0]).view(2, 1, 1))
        out = attn(x)
    assert torch.allclose(out[:, :2], x[:, :2].mean(1, keepdim=True).expand(-1, 2, -1, -1))  # no preference
    assert torch.allclose(out[:, 2:], x[:, 2:], atol=1e-3)  # each channel is most like itself


def test_the_first_half_gates_the_second():
    ffn = GatedFeedForward(1)  # int(2.66) = 2 hidden
    set_center(ffn.project_in, [[1], [2], [3], [4]])
    set_center(ffn.dwconv, torch.ones(4, 1))
    set_center(ffn.project_out, [[1, 10]])
    gelu = {x: x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in (1, 2)}
    assert ffn(torch.ones(1, 1, 1, 1)).item() == pytest.approx(gelu[1] * 3 + 10 * gelu[2] * 4)


def test_unshuffle_and_shuffle_count_pixels_row_by_row():
    smaller, larger = down(2), up(2)
    set_center(smaller[0], [[1, 0]])
    x = torch.stack([torch.arange(16.0).view(4, 4), torch.zeros(4, 4)])[None]
    folded = smaller(x)
    assert folded.shape == (1, 4, 2, 2)
    assert folded[0, :, 0, 1].tolist() == [2, 3, 6, 7]  # the block at rows 0-1, columns 2-3
    set_center(larger[0], [[1, 0], [2, 0], [3, 0], [4, 0]])
    assert larger(torch.ones(1, 2, 1, 1)).tolist() == [[[[1, 2], [3, 4]]]]


@pytest.mark.parametrize("layer_norm", ["with_bias", "bias_free"])
def test_published_weights_fit(layer_norm):
    with torch.device("meta"):
        network = create("restormer", layer_norm=layer_norm)
    block = attention() | gated_feed_forward()
    if layer_norm == "bias_free":
        block = {key: shape for key, shape in block.items() if not key.endswith("body.bias")}
    published = u_shape(48, (4, 6, 6, 8), block, refinement=4)
    match = match_keys(meta(published), network)
    assert match.fits, match


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 7}, "channels 7 must be a positive even number"),
        ({"blocks": [1, 2, 3]}, r"blocks \[1, 2, 3\] must be four numbers"),
        ({"layer_norm": "none"}, "layer_norm 'none' must be 'with_bias' or 'bias_free'"),
    ],
)
def test_errors(options, words):
    with pytest.raises(RestillError, match=words):
        create("restormer", **options)
