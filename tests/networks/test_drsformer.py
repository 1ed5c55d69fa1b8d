"""DRSformer's parts against arithmetic done by hand."""

from __future__ import annotations

import pytest
import torch
from u_shapes import Shapes, attention, meta, mixed_feed_forward, set_center, u_shape

from restill.networks import create
from restill.networks.drsformer import ExpertMixture, MixedFeedForward, MixedOperations, TopKAttention, dilated
from restill.training.convert import match_keys

torch.set_num_threads(1)


def test_each_softmax_keeps_its_share_of_a_row():
    attn = TopKAttention(10, heads=1)
    assert attn.keep == (5, 6, 7, 8)
    assert TopKAttention(96, heads=2).keep == (24, 32, 36, 38)  # of a head's 48
    with torch.no_grad():
        for weight, value in zip(attn.mix, (1, 10, 100, 1000), strict=True):
            weight.fill_(value)
    order = torch.tensor([3, 9, 1, 7, 2, 10, 5, 8, 4, 6])
    row = order.float().log()  # a softmax over some of them is their share of the sum
    logits = torch.stack([row.roll(shift) for shift in range(10)])[None, None]
    with torch.no_grad():
        maps = attn.attend(logits, torch.eye(10)[None, None])[0, 0]  # v one-hot: what comes out is the map
    for column, n in enumerate(order.tolist()):
        sums = ((1, 40, 6), (10, 45, 5), (100, 49, 4), (1000, 52, 3))  # 6+...+10, 5+...+10, 4+...+10, 3+...+10
        expected = sum(weight * n / total for weight, total, smallest in sums if n >= smallest)
        assert maps[0, column].item() == pytest.approx(expected, rel=1e-5)
        assert maps[4, (column + 4) % 10].item() == pytest.approx(expected, rel=1e-5)


def test_equals_are_kept_together_and_a_fresh_mixture_is_a_fifth_each():
    maps = TopKAttention(4, heads=1).attend(torch.zeros(1, 1, 4, 4), torch.eye(4)[None, None])
    assert torch.allclose(maps, torch.full_like(maps, 4 * 0.2 / 4))


def test_what_is_masked_gets_no_gradient():
    logits = torch.arange(10.0).repeat(10, 1)[None, None].requires_grad_()
    TopKAttention(10, heads=1).attend(logits, torch.rand(1, 1, 10, 7)).square().sum().backward()
    assert logits.grad is not None
    assert (logits.grad[..., :2] == 0).all()
    assert (logits.grad[..., 2:] != 0).all()


def test_the_second_convolutions_read_neighbors_of_the_joined_halves():
    ffn = MixedFeedForward(1)  # int(2.66) = 2 hidden
    set_center(ffn.project_in, [[1], [2], [3], [4]])
    set_center(ffn.dwconv3x3, torch.full((4, 1), 1))  # (1, 2 | 3, 4)
    set_center(ffn.dwconv5x5, torch.full((4, 1), 10))  # (10, 20 | 30, 40)
    set_center(ffn.pair3x3, [[1, 100], [1, 100]])  # of (1, 2), (10, 20): 201 and 2010
    set_center(ffn.pair5x5, [[-1, 1], [1, -1]])  # of (3, 4), (30, 40): 1, and -10, which ReLU makes 0
    set_center(ffn.project_out, [[1, 1, 1, 1]])
    assert ffn(torch.ones(1, 1, 1, 1)).item() == pytest.approx(201 + 2010 + 1)
    assert ffn(-torch.ones(1, 1, 1, 1)).item() == 0


def numbered(mixture: MixedOperations) -> None:
    """Operation number o multiplies a positive picture by o + 1, the pooling by 1; they are added up."""
    for number, operation in enumerate(list(mixture.operations)[:7]):
        convs = [layer for layer in operation.children() if isinstance(layer, torch.nn.Conv2d)]
        for conv in convs:
            set_center(conv, [[1]])
        set_center(convs[-1], [[number + 1]])
    set_center(mixture.join, torch.ones(1, 8))


def test_operations_are_weighted_and_pooling_leaves_the_padding_out():
    mixture = MixedOperations(1)
    numbered(mixture)
    weights = torch.tensor([[0.1, 0.2, 0.0, 0.3, 0.0, 0.0, 0.1, 0.3], [0.0] * 7 + [1.0]])
    with torch.no_grad():
        out = mixture(torch.ones(2, 1, 5, 4), weights)
    assert torch.allclose(out[0], torch.full((1, 5, 4), 0.1 * 1 + 0.2 * 2 + 0.3 * 4 + 0.1 * 7 + 0.3))
    assert torch.allclose(out[1], torch.ones(1, 5, 4))  # corners too


def test_dilated_taps_are_two_apart():
    layers = dilated(1, 7)
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(1)
        spot = torch.zeros(1, 1, 15, 15)
        spot[..., 7, 7] = 1
        seen = layers(spot)[0, 0].nonzero()
    assert sorted({row for row, _ in seen.tolist()}) == [1, 3, 5, 7, 9, 11, 13]
    assert len(seen) == 49


def test_the_mean_of_the_picture_decides_the_weights_of_every_step():
    mefc = ExpertMixture(1, steps=2)
    with torch.no_grad():
        for parameter in mefc.weigh.parameters():
            parameter.zero_()
        mefc.weigh[0].weight[0] = 1
        mefc.weigh[2].weight[0, 0] = 1  # operation 0 of step 0 gets the mean
        picture = torch.tensor([[[0.0, 2.0]]]) * torch.tensor([3.0]).log()  # mean log 3
        weights = mefc.weights(torch.stack([picture, -picture]))
    assert weights.shape == (2, 2, 8)
    assert torch.allclose(weights[0, 0], torch.tensor([0.3] + 7 * [0.1]))
    assert torch.allclose(weights[0, 1], torch.full((8,), 1 / 8))
    assert torch.allclose(weights[1], torch.full((2, 8), 1 / 8))  # ReLU: less than nothing is nothing


def test_a_step_adds_to_what_it_saw():
    mefc = ExpertMixture(1, steps=2)
    with torch.no_grad():
        for parameter in mefc.weigh.parameters():
            parameter.zero_()
        set_center(mefc.first, [[2]])
        for step in mefc.steps:
            numbered(step)  # type: ignore[arg-type]
        out = mefc(torch.stack([torch.ones(1, 3, 3), -torch.ones(1, 3, 3)]))
    gain = 1 + (1 + 2 + 3 + 4 + 5 + 6 + 7 + 1) / 8  # of a step
    assert torch.allclose(out[0], torch.full((1, 3, 3), 2 * gain**2))
    assert not out[1].any()


def published_mefc(name: str, c: int, steps: int) -> Shapes:
    n = 8 * steps
    shapes: Shapes = {
        f"{name}.layers.0.ca_fc.0.weight": (2 * n, c),
        f"{name}.layers.0.ca_fc.0.bias": (2 * n,),
        f"{name}.layers.0.ca_fc.2.weight": (n, 2 * n),
        f"{name}.layers.0.ca_fc.2.bias": (n,),
        f"{name}.layers.1.preprocess.op.0.weight": (c, c, 1, 1),
    }
    for step in range(steps):
        at = f"{name}.layers.1._ops.{step}"
        shapes[f"{at}._out.0.weight"] = (c, 8 * c, 1, 1)
        for op, k in enumerate((1, 3, 5, 7)):
            depth, point = (c, 1, k, k), (c, c, 1, 1)
            shapes |= {f"{at}._ops.{op}.op.{i}.weight": s for i, s in ((0, depth), (1, point), (3, depth), (4, point))}
        for op, k in enumerate((3, 5, 7), start=4):
            shapes |= {f"{at}._ops.{op}.op.0.weight": (c, 1, k, k), f"{at}._ops.{op}.op.1.weight": (c, c, 1, 1)}
    return shapes


@pytest.mark.parametrize("steps", [4, 0])
def test_published_weights_fit(steps):
    with torch.device("meta"):
        network = create("drsformer", mefc_steps=steps)
    scalars = {f"attn.attn{number}": ["1"] for number in (1, 2, 3, 4)}
    published = u_shape(48, (4, 6, 6, 8), attention() | scalars | mixed_feed_forward())
    if steps:
        published |= published_mefc("encoder_level0", 48, steps) | published_mefc("refinement", 96, steps)
    match = match_keys(meta(published), network)
    assert match.fits, match
    assert match.renamed["latent.0.attn.attn3"] == "latent.0.attn.mix.2"
