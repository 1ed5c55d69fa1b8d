"""Tests that run for every network. tests/training/test_export.py compares their exports with PyTorch."""

from contextlib import ExitStack
from itertools import combinations

import pytest
import torch
from cutting import decode
from small_networks import SMALL
from torch.nn.functional import interpolate

from restill.distillation.hooks import FeatureHook
from restill.distillation.scales import pad_to_multiple
from restill.errors import RestillError
from restill.networks import NETWORKS, NetworkSpec, create
from restill.training.checkpoint import load_network, save_network

torch.set_num_threads(1)


@pytest.fixture(params=sorted(NETWORKS))
def network(request):
    torch.manual_seed(0)
    network = create(request.param, **SMALL[request.param]).eval()
    network.name, network.options = request.param, SMALL[request.param]
    return network


def spec(network) -> NetworkSpec:
    return network.spec


def sides(network, *sides: int) -> tuple[int, ...]:
    """The sides, rounded up to the network's size multiple."""
    return tuple(-(-side // spec(network).size_multiple) * spec(network).size_multiple for side in sides)


@pytest.mark.parametrize("size", [(16, 24), (19, 33)])
def test_a_window_becomes_its_centre_frame(network, size):
    window = torch.rand(2, spec(network).frames, 3, *size)
    padded = pad_to_multiple(window, spec(network).size_multiple)
    clean = network(padded)
    assert clean.shape == (2, 3, *(spec(network).scale * side for side in padded.shape[-2:]))
    assert torch.allclose(network(padded[:1]), clean[:1], atol=1e-5)  # pictures of a batch are independent


def test_gradients_reach_every_weight_and_every_frame(network):
    with torch.no_grad():  # zeros at the start would stop gradients
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    window = torch.rand(1, spec(network).frames, 3, *sides(network, 16, 16), requires_grad=True)
    network(window).square().mean().backward()
    trained = [p for p in network.parameters() if p.requires_grad]  # SID's published form has unused weights
    unused = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not unused, f"'{network.name}' does not use its weights {unused}"
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
    assert window.grad is not None
    seen = (window.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).tolist()
    assert all(seen), f"'{network.name}' does not use all frames of its window: {seen}"


def test_the_head_makes_the_picture_of_the_feature(network):
    window = torch.rand(1, spec(network).frames, 3, *sides(network, 16, 16))
    with torch.no_grad(), FeatureHook(network, spec(network).feature) as tap:
        clean = network(window)
        if spec(network).head is None:
            assert tap.value.shape[0] == 1
            return
        picture = network.get_submodule(spec(network).head)(tap.value)
    picture = picture[:, :, 0] if picture.ndim == 5 else picture
    base = torch.zeros(())
    if spec(network).residual:
        base = window[:, spec(network).frames_before]
        if spec(network).scale > 1:
            base = interpolate(base, scale_factor=spec(network).scale, mode=spec(network).upsample)
    assert torch.allclose(picture + base, clean, atol=1e-6)


def test_every_place_that_the_spec_names_is_a_map(network):
    s = spec(network)
    paths = [s.feature, *s.levels, *s.encoder, *s.decoder, *filter(None, [s.lr_feature, s.embedding])]
    window = torch.rand(2, s.frames, 3, *sides(network, 16, 24))
    with torch.no_grad(), ExitStack() as stack:
        taps = [stack.enter_context(FeatureHook(network, path)) for path in paths]
        network(window)
    for tap in taps:
        assert tap.value.shape[0] == 2, tap.path
        assert tap.value.dim() in (4, 5), tap.path
    # three different levels, in every network with weights
    expected = 3 if list(network.parameters()) else 0
    assert len(s.levels) == expected, f"the spec of '{network.name}' must name {expected} features in levels"
    levels = [tap.value for tap in taps[1 : 1 + len(s.levels)]]
    for a, b in combinations(levels, 2):
        assert a.shape != b.shape or not torch.equal(a, b), f"two levels of '{network.name}' are the same feature"


def test_the_encoder_is_all_that_the_decoder_takes(network):
    if not spec(network).encoder:
        pytest.skip("it has no encoder")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    window, other = torch.rand(2, 1, spec(network).frames, 3, *sides(network, 16, 24))
    found, expected = decode(network, window, other)
    assert torch.allclose(found, expected, atol=1e-6)
    with torch.no_grad(), ExitStack() as stack:
        feature, *taps = (
            stack.enter_context(FeatureHook(network, path)) for path in (spec(network).feature, *spec(network).encoder)
        )
        network(window)
    assert not torch.allclose(feature.value, expected, atol=1e-5)  # the test can tell them apart
    heights = [tap.value.shape[-2] for tap in taps]
    assert heights == sorted(heights, reverse=True)  # finest first


def test_a_saved_network_is_the_same(network, tmp_path):
    info = {"network": network.name, "options": network.options, "align": "none", "name": "x"}
    save_network(tmp_path / "student.safetensors", network, info)
    loaded, read = load_network(tmp_path)
    assert read == info
    window = torch.rand(1, spec(network).frames, 3, *sides(network, 16, 16))
    with torch.no_grad():
        assert torch.equal(loaded(window), network(window))


def test_unknown_names_and_options_are_named():
    with pytest.raises(RestillError, match="'rill-xxl' is not known; the networks are: prednet-teacher"):
        create("rill-xxl")
    with pytest.raises(RestillError, match="chanels"):
        create("rill-s", chanels=3)
    with pytest.raises(RestillError, match=r"'prent' is not known.*the nearest is prenet$"):
        create("prent")


def test_rill_learns_what_is_small_as_if_it_were_large():
    """The first convolution equals a convolution of a balanced input and a plain one of the raw input."""
    from restill.networks.rill import DETAIL, DIFFERENCE, FOLD, GRAY, BalancedConv

    torch.manual_seed(1)
    planes = 3 * FOLD**2
    conv = BalancedConv(3, 3, 5)
    x = torch.rand(2, 2 * planes, 8, 8)
    taps = conv.weight[:, :planes].reshape(5, 3, -1)
    level = taps.mean(2, keepdim=True)
    frame = (level + DETAIL * (taps - level)).reshape(5, planes, 3, 3)
    balanced = torch.cat([x[:, :planes] - GRAY, x[:, planes:] * DIFFERENCE], 1)
    weight = torch.cat([frame, conv.weight[:, planes:]], 1)
    expected = torch.nn.functional.conv2d(balanced, weight, conv.bias, padding=1)
    inner = (..., slice(1, -1), slice(1, -1))  # the plain convolution pads with zeros
    torch.testing.assert_close(conv(x)[inner], expected[inner], rtol=1e-4, atol=1e-5)
    plain = conv.merged()
    assert type(plain) is torch.nn.Conv2d
    assert torch.equal(plain(x), conv(x))


def test_rill_starts_near_the_identity_and_sees_darker_medians():
    from restill.networks.rill import darker_median

    values = [torch.tensor([v]) for v in (0.2, 0.9, 0.4)]
    several = [torch.rand(99) for _ in range(3)]
    assert torch.equal(darker_median(*several), torch.stack(several).median(0).values.minimum(several[1]))
    assert darker_median(*values).item() == pytest.approx(0.4)  # the median of rain on the centre
    assert darker_median(values[1], values[0], values[2]).item() == pytest.approx(0.2)  # a darker centre stays
    window = torch.rand(1, 3, 3, 16, 16)
    assert (create("rill-s")(window) - window[:, 1]).abs().max() < 0.1
