"""S2VD's paddings and channel orders by hand, and the published keys."""

import pytest
import torch
from torch import nn

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks.s2vd import S2VD, ClipConv
from restill.training.convert import match_keys

torch.set_num_threads(1)


def picking(t: int, y: int, x: int) -> ClipConv:
    """Gives each pixel the one at this distance from it."""
    conv = ClipConv(1, 1)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, t + 1, y + 1, x + 1] = 1
    return conv


def test_the_first_and_last_frame_are_repeated_and_beyond_the_picture_is_zero():
    clip = torch.arange(1.0, 13.0).view(1, 1, 3, 2, 2)  # frames 1..4, 5..8, 9..12
    before, after, left = (picking(*at)(clip)[0, 0] for at in ((-1, 0, 0), (1, 0, 0), (0, 0, -1)))
    assert before.tolist() == [[[1, 2], [3, 4]], [[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert after.tolist() == [[[5, 6], [7, 8]], [[9, 10], [11, 12]], [[9, 10], [11, 12]]]
    assert left.tolist() == [[[0, 1], [0, 3]], [[0, 5], [0, 7]], [[0, 9], [0, 11]]]
    assert picking(-1, -1, 0)(clip)[0, 0, 0].tolist() == [[0, 0], [1, 2]]  # both at once, in the corner


def test_a_frame_is_folded_color_by_color_then_row_by_row():
    network = S2VD(channels=4, frames=1).eval()
    window = torch.zeros(1, 1, 3, 2, 2)
    window[0, 0, 1] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # green
    with FeatureHook(network, "first.0:input") as tap:
        network(window)
    assert tap.value.flatten().tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]


def test_the_rain_is_unfolded_in_the_same_order_and_taken_off():
    network = S2VD(channels=4, frames=3).eval()
    bias = torch.arange(12.0) / 100
    with torch.no_grad():
        network.rain[2].weight.zero_()
        network.rain[2].bias.copy_(bias)  # the same rain wherever one looks
        for place in (0, 2, 4):  # the tail passes on what it gets
            network.tail[place].weight.zero_()
            for color in range(3):
                network.tail[place].weight[color, color, 1, 1, 1] = 1
    window = 0.5 + 0.5 * torch.rand(1, 3, 3, 4, 6)
    rain = bias.view(3, 2, 2).repeat(1, 2, 3)  # (3, 4, 6): every block of 2x2 is b[c, dy, dx]
    assert torch.allclose(network(window)[0], window[0, 1] - rain, atol=1e-6)


def test_a_window_is_a_clip_of_which_the_center_is_given():
    torch.manual_seed(0)
    network = S2VD(channels=4).eval()
    clip = torch.rand(2, 9, 3, 8, 6)
    restored = network.clip(clip)
    assert restored.shape == clip.shape
    window = clip[:, 2:7]
    assert torch.equal(network(window), network.clip(window)[:, 2])
    assert not torch.allclose(network(window), restored[:, 4], atol=1e-6)  # a longer clip is more context
    still = clip[:, :1]  # repeated frames are what padding in time means
    assert torch.allclose(network.clip(still), network.clip(still.expand(2, 5, 3, 8, 6))[:, :1], atol=1e-5)


def test_frames_are_an_option_and_odd():
    assert (S2VD(channels=4, frames=7).spec.frames, S2VD.spec.frames) == (7, 5)
    with pytest.raises(RestillError, match="frames 4 must be a positive odd number"):
        S2VD(frames=4)


def test_weights_start_orthogonal_and_the_tail_has_no_biases():
    network = S2VD()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv3d):
            rows = module.weight.flatten(1)
            assert torch.allclose(rows @ rows.T, torch.eye(len(rows)), atol=1e-4), name
            assert (module.bias is None) == name.startswith("tail.")
            assert module.bias is None or not module.bias.any()


def test_published_keys_are_ours_one_to_one():
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, c_in: int, c_out: int, bias: bool = True) -> None:
        shapes[f"{name}.conv.weight"] = (c_out, c_in, 3, 3, 3)
        shapes.update({f"{name}.conv.bias": (c_out,)} if bias else {})

    def norm(name: str) -> None:
        shapes.update({f"{name}.{key}": (32,) for key in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    conv("head.0", 12, 32)
    conv("head.2", 32, 32)
    for block in (f"body.{number}.res" for number in range(8)):
        norm(f"{block}.0")
        conv(f"{block}.2", 32, 32)
        norm(f"{block}.3")
        conv(f"{block}.5", 32, 32)
    norm("body.8")
    conv("body.10", 32, 12)
    for place, (c_in, c_out) in {0: (3, 32), 2: (32, 32), 4: (32, 3)}.items():
        conv(f"tail.{place}", c_in, c_out, bias=False)
    with torch.device("meta"):
        network = S2VD()
        weights = {key: torch.empty(shape) for key, shape in shapes.items()}
    match = match_keys(weights, network)
    assert match.fits, match
    assert not match.ignored
    assert match.renamed["body.3.res.5.conv.weight"] == "body.3.5.weight"
    assert match.renamed["body.3.res.3.running_var"] == "body.3.3.running_var"
    assert match.renamed["body.8.weight"] == "rain.0.weight"
