"""FastDVDnet for super-resolution: triplets of frames, cascade, grouped convolutions."""

import torch
from torch import nn
from torch.nn.functional import interpolate

from restill.distillation.hooks import FeatureHook
from restill.networks.fastdvdnet import Block, FastDVDnetVSR, clean, triplets

torch.set_num_threads(1)
SMALL = {"channels": 4, "width": 4, "hr_channels": 4}


def test_the_denoiser_of_the_paper_is_two_such_blocks_with_a_noise_map_per_frame():
    with torch.device("meta"):
        assert 2 * sum(p.numel() for p in Block(c_in=4).parameters()) == 2_479_096


def test_triplets_by_hand():
    frames = torch.arange(5.0).view(1, 5, 1, 1, 1)
    assert triplets(frames).flatten(1).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    pair = torch.stack([frames[0], frames[0] + 10])  # two clips: their triplets follow each other
    assert triplets(pair).flatten(1)[:, 1].tolist() == [1, 2, 3, 11, 12, 13]
    colors = torch.arange(9.0).view(1, 3, 3, 1, 1)  # frame by frame, RGB inside
    assert triplets(colors).flatten().tolist() == list(range(9))


def test_a_stage_takes_what_its_block_finds_off_the_center():
    class First(nn.Module):
        def forward(self, triplet):
            return triplet[:, :3]  # the frame before the center

    squares = torch.tensor([0.0, 1, 4, 9, 16, 25, 36]).view(1, 7, 1, 1, 1).expand(2, 7, 3, 4, 4)
    assert clean(First(), squares)[0, :, 0, 0, 0].tolist() == [1, 3, 5, 7, 9]
    network = FastDVDnetVSR(**SMALL).eval()
    network.stage1 = network.stage2 = First()  # type: ignore[assignment]
    with torch.no_grad(), FeatureHook(network, "stage3:input") as tap:
        network(squares)
    # differences of differences of squares; the second stage's frames have the first frame's difference as neighbor
    assert tap.value[0, :, 0, 0].tolist() == [2.0] * 9


def test_blocks_see_each_frame_by_itself_first():
    torch.manual_seed(0)
    block = Block(width=4).eval()
    triplet = torch.rand(1, 9, 8, 8)
    other = triplet.clone()
    other[:, 3:6] += 0.1
    with torch.no_grad():
        changed = (block.first[0](other) - block.first[0](triplet)).abs().amax(dim=(0, 2, 3)) > 0
    assert changed.tolist() == [False] * 30 + [True] * 30 + [False] * 30
    assert not [m for m in block.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]


def test_all_triplets_of_a_stage_share_weights_and_statistics():
    network = FastDVDnetVSR(**SMALL)
    network(torch.rand(1, 7, 3, 8, 8))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {int(m.num_batches_tracked) for m in norms} == {1}  # type: ignore[arg-type]
    frame = torch.rand(1, 1, 3, 8, 8)
    with torch.no_grad(), FeatureHook(network.eval(), "after1") as tap:
        network(frame.expand(1, 7, 3, 8, 8))
    five = tap.value.unflatten(1, (5, 3))
    assert torch.allclose(five, five[:, :1].expand_as(five), atol=1e-6)  # still pictures: five times the same


def test_the_center_is_the_base():
    network = FastDVDnetVSR(**SMALL).eval()
    with torch.no_grad():
        for parameter in network.upsampler.conv_last.parameters():
            parameter.zero_()
        window = torch.rand(1, 7, 3, 8, 12)
        assert torch.equal(network(window), interpolate(window[:, 3], scale_factor=4, mode="bicubic"))
