"""EDVR's parts against arithmetic done by hand, and the names of its published weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, leaky_relu
from u_shapes import meta, set_center

from restill.distillation.hooks import FeatureHook
from restill.errors import RestillError
from restill.networks import create
from restill.networks.edvr import EDVRM, AlignLevel, PCDAlignment, ResidualBlock, TSAFusion, pooled
from restill.training.convert import match_keys

torch.set_num_threads(1)
SMALL = {"channels": 8, "blocks": 1, "frames": 3}


def zero(*layers: nn.Module) -> None:
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


def shake(module: nn.Module) -> None:
    """Away from the start, where all offsets are zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def test_the_temporal_attention_is_the_likeness_to_the_center():
    fusion = TSAFusion(2, frames=3)
    zero(fusion)  # the spatial attention then is 1, and nothing is added
    eye = torch.eye(2)
    set_center(fusion.embed, eye)
    set_center(fusion.embed_center, eye)
    set_center(fusion.fuse, torch.cat([eye, 10 * eye, 100 * eye], dim=1))
    frames = torch.tensor([[1.0, 2.0], [0.5, 0.25], [4.0, -8.0]])  # (K, C); the center is the second
    aligned = frames.view(1, 3, 2, 1, 1).expand(1, 3, 2, 4, 4)
    alike = torch.tensor([1.0, 0.3125, 0.0]).sigmoid()  # products with the center
    expected = leaky_relu((torch.tensor([1, 10, 100]) * alike) @ frames, 0.1)
    assert torch.allclose(fusion(aligned), expected.view(1, 2, 1, 1).expand(1, 2, 4, 4))


def test_the_spatial_attention_is_twice_a_sigmoid_and_has_an_addend():
    fusion = TSAFusion(1, frames=1)
    zero(fusion)
    set_center(fusion.fuse, [[1.0]])
    set_center(fusion.add1, [[1.0]])
    set_center(fusion.add2, [[10.0]])
    with torch.no_grad():
        fusion.spatial5.bias.fill_(3.0)  # type: ignore[union-attr]
    aligned = torch.full((1, 1, 1, 4, 4), 8.0)
    expected = 8 * 0.5 * 2 * torch.tensor(3.0).sigmoid() + 30  # 0.5: the temporal one, of embeddings of zero
    assert torch.allclose(fusion(aligned), expected.expand(1, 1, 4, 4))


def test_the_spatial_attention_has_a_second_smaller_level():
    fusion = TSAFusion(1, frames=1)
    zero(fusion)
    for layer in (fusion.spatial1, fusion.spatial3, fusion.spatial4, fusion.spatial5, fusion.add1, fusion.add2):
        set_center(layer, [[1.0]])
    for layer in (fusion.deep1, fusion.deep3):
        set_center(layer, [[1.0]])
    set_center(fusion.spatial2, [[1.0, 0.0]])  # the largest alone
    set_center(fusion.deep2, [[10.0, 0.0]])
    y = fusion(torch.full((1, 1, 1, 8, 8), 2.0))  # weighed by 0.5: 1 at every level, and 10 from the second
    assert torch.allclose(y, torch.full((1, 1, 8, 8), 11.0))


def test_pooling_counts_the_zeros_outside():
    largest, mean = pooled(torch.ones(1, 1, 4, 4))[0]
    assert largest.tolist() == [[1, 1], [1, 1]]
    assert torch.allclose(mean, torch.tensor([[4.0, 6.0], [6.0, 9.0]]) / 9)


def test_offsets_from_a_coarser_level_are_twice_as_long():
    level = AlignLevel(8)
    coarse_guide, coarse = torch.randn(2, 8, 3, 4), torch.randn(2, 8, 3, 4)
    frame, center = torch.randn(2, 8, 6, 8), torch.randn(2, 8, 6, 8)
    with torch.no_grad(), FeatureHook(level, "refine:input") as refined, FeatureHook(level, "merge:input") as merged:
        level(frame, center, coarse_guide, coarse)
    larger = [interpolate(x, scale_factor=2, mode="bilinear") for x in (coarse_guide, coarse)]
    assert torch.allclose(refined.value[:, 8:], 2 * larger[0])
    assert torch.allclose(merged.value[:, 8:], larger[1])


def test_every_frame_is_aligned_to_the_center_alone():
    torch.manual_seed(0)
    align = PCDAlignment(8)
    shake(align)
    window = [torch.randn(2, 3, 8, 8 // f, 12 // f) for f in (1, 2, 4)]
    changed = [level.clone() for level in window]
    for level in changed:
        level[:, 0] = 0
    with torch.no_grad():
        before, after = align(*window), align(*changed)
        for level in changed:
            level[:, 1] = 0
        without_center = align(*changed)
    assert torch.allclose(before[:, 1:], after[:, 1:], atol=1e-6)
    assert not torch.allclose(before[:, 0], after[:, 0], atol=1e-2)
    assert not torch.allclose(after[:, 2], without_center[:, 2], atol=1e-2)


def test_offsets_learn_from_the_start():
    torch.manual_seed(0)
    network = create("edvr-m", **SMALL)
    network(torch.rand(1, 3, 3, 8, 12)).square().mean().backward()
    for name in ("level1.deform", "level2.deform", "level3.deform", "cascade"):
        weight = network.get_parameter(f"align.{name}.offset.weight")
        assert not weight.any()
        assert weight.grad is not None
        assert weight.grad.any()


def test_a_block_starts_near_the_identity():
    torch.manual_seed(0)
    x = torch.randn(1, 16, 8, 8)
    assert 0 < (ResidualBlock(16)(x) - x).std() < 0.1


def test_frames_and_depths_are_in_the_instances_spec():
    five = create("edvr-m", channels=8, frames=5)
    assert (five.spec.frames, EDVRM.spec.frames) == (5, 7)  # type: ignore[union-attr]
    assert five.spec.levels == ("fusion", "trunk.4", "trunk")  # type: ignore[union-attr]
    assert (five.spec.scale, five.spec.size_multiple, five.spec.upsample) == (4, 4, "bilinear")  # type: ignore[union-attr]


def test_the_feature_is_at_output_resolution_and_the_other_is_not():
    network = create("edvr-m", **SMALL)
    with (
        torch.no_grad(),
        FeatureHook(network, network.spec.feature) as hr,
        FeatureHook(network, network.spec.lr_feature) as lr,
    ):  # type: ignore[union-attr,arg-type]
        network(torch.rand(2, 3, 3, 8, 12))
    assert hr.value.shape == (2, 64, 32, 48)
    assert lr.value.shape == (2, 8, 8, 12)


def published(c: int, blocks: int, frames: int) -> dict[str, tuple[int, ...]]:
    """The keys of BasicSR's EDVR and their shapes."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, c_in: int, c_out: int, kernel: int = 3) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (c_out, c_in, kernel, kernel), (c_out,)

    conv("conv_first", 3, c)
    for name, count in (("feature_extraction", 5), ("reconstruction", blocks)):
        for i in range(count):
            conv(f"{name}.{i}.conv1", c, c)
            conv(f"{name}.{i}.conv2", c, c)
    for name in ("conv_l2_1", "conv_l2_2", "conv_l3_1", "conv_l3_2", "pcd_align.cas_offset_conv2"):
        conv(name, c, c)
    conv("pcd_align.cas_offset_conv1", 2 * c, c)
    for level in (1, 2, 3):
        conv(f"pcd_align.offset_conv1.l{level}", 2 * c, c)
        conv(f"pcd_align.offset_conv2.l{level}", c if level == 3 else 2 * c, c)
        if level < 3:
            conv(f"pcd_align.offset_conv3.l{level}", c, c)
            conv(f"pcd_align.feat_conv.l{level}", 2 * c, c)
    for name in ("pcd_align.cas_dcnpack", *(f"pcd_align.dcn_pack.l{level}" for level in (1, 2, 3))):
        conv(name, c, c)
        conv(f"{name}.conv_offset", c, 8 * 27)
    for name, c_in, kernel in (
        *(("temporal_attn1", c, 3), ("temporal_attn2", c, 3), ("feat_fusion", frames * c, 1)),
        *(("spatial_attn1", frames * c, 1), ("spatial_attn2", 2 * c, 1), ("spatial_attn3", c, 3)),
        *(("spatial_attn4", c, 1), ("spatial_attn5", c, 3), ("spatial_attn_l1", c, 1), ("spatial_attn_l2", 2 * c, 3)),
        *(("spatial_attn_l3", c, 3), ("spatial_attn_add1", c, 1), ("spatial_attn_add2", c, 1)),
    ):
        conv(f"fusion.{name}", c_in, c, kernel)
    conv("upconv1", c, 4 * c)
    conv("upconv2", c, 256)
    conv("conv_hr", 64, 64)
    conv("conv_last", 64, 3)
    return shapes


@pytest.mark.parametrize(("name", "channels", "blocks"), [("edvr-m", 64, 10), ("edvr-l", 128, 40)])
@pytest.mark.parametrize("frames", [5, 7])
def test_published_weights_fit(name, channels, blocks, frames):
    with torch.device("meta"):
        network = create(name, frames=frames)
    match = match_keys(meta(published(channels, blocks, frames)), network)
    assert match.fits, match
    if channels == 64:  # where shapes alone could hide a mix-up
        assert match.renamed["pcd_align.offset_conv2.l1.weight"] == "align.level1.refine.0.weight"
        assert match.renamed["pcd_align.cas_dcnpack.conv_offset.bias"] == "align.cascade.offset.bias"
        assert match.renamed["fusion.temporal_attn1.weight"] == "fusion.embed_center.weight"
        assert match.renamed["fusion.spatial_attn_l2.weight"] == "fusion.deep2.weight"
        assert match.renamed["conv_l3_2.weight"] == "smaller3.2.weight"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frames": 4}, "frames is 4; it must be odd"),
        ({"channels": 12}, "channels is 12; it must be a multiple of 8"),
        ({"blocks": 0}, "blocks is 0; it must be 1 or more"),
    ],
)
def test_errors(options, words):
    with pytest.raises(RestillError, match=words):
        create("edvr-m", **options)
