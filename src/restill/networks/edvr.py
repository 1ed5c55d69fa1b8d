"""EDVR (Wang et al., CVPR Workshops 2019): video super-resolution by 4 with deformable alignment; STD's teacher.

Deformable convolutions on a feature pyramid align every frame to the center one (PCD). Temporal and spatial attention
fuses the frames (TSA). Residual blocks and two pixel-shuffles give a residual that is added to the enlarged center
frame. As in the authors' BasicSR, without the deblurring front and without input at output resolution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, cat, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, max_pool2d, relu

from restill.errors import RestillError
from restill.networks.blocks.deformable import DeformableConv2d
from restill.networks.blocks.upsampling import SCALE, SLOPE, WITH_UPSAMPLER, Upsampler
from restill.networks.published import Published
from restill.networks.spec import NetworkSpec

GROUPS = 8
EXTRACT_BLOCKS = 5

PUBLISHED = Published(
    source="BasicSR's EDVR models (XPixelGroup/BasicSR), super-resolution by 4 without deblurring",
    rename=(
        (r"^conv_first\.", "first."),
        (r"^feature_extraction\.", "extract."),
        (r"^conv_l([23])_1\.", r"smaller\1.0."),
        (r"^conv_l([23])_2\.", r"smaller\1.2."),
        (r"^pcd_align\.offset_conv1\.l(\d)\.", r"align.level\1.compare."),
        (r"^pcd_align\.offset_conv2\.l(\d)\.", r"align.level\1.refine.0."),
        (r"^pcd_align\.offset_conv3\.l(\d)\.", r"align.level\1.refine.2."),
        (r"^pcd_align\.dcn_pack\.l(\d)\.", r"align.level\1.deform."),
        (r"^pcd_align\.feat_conv\.l(\d)\.", r"align.level\1.merge."),
        (r"^pcd_align\.cas_offset_conv1\.", "align.cascade_guide.0."),
        (r"^pcd_align\.cas_offset_conv2\.", "align.cascade_guide.2."),
        (r"^pcd_align\.cas_dcnpack\.", "align.cascade."),
        (r"\.conv_offset\.", ".offset."),
        (r"^fusion\.temporal_attn1\.", "fusion.embed_center."),
        (r"^fusion\.temporal_attn2\.", "fusion.embed."),
        (r"^fusion\.feat_fusion\.", "fusion.fuse."),
        (r"^fusion\.spatial_attn_l(\d)\.", r"fusion.deep\1."),
        (r"^fusion\.spatial_attn_add(\d)\.", r"fusion.add\1."),
        (r"^fusion\.spatial_attn(\d)\.", r"fusion.spatial\1."),
        (r"^reconstruction\.", "trunk."),
        (r"^(upconv1|upconv2|conv_hr|conv_last)\.", r"upsampler.\1."),
    ),
)


class EDVR(nn.Module):
    """EDVR; the subclasses are its two sizes.

    Args:
        frames: Frames in a window, odd; the fusion's weights depend on it.
        channels: Channels of features at input resolution, a multiple of 8; at output resolution there are 64.
        blocks: Residual blocks after the fusion.

    Raises:
        RestillError: An option has an invalid value.
    """

    spec: NetworkSpec = replace(
        WITH_UPSAMPLER,
        paper="EDVR, CVPR Workshops 2019",
        frames_before=3,
        frames_after=3,
        upsample="bilinear",
        lr_feature="fusion",
        encoder=("fusion",),
        decoder=("trunk",),
    )
    published: ClassVar[Published] = PUBLISHED
    channels: ClassVar[int]
    blocks: ClassVar[int]

    def __init__(self, frames: int = 7, channels: int | None = None, blocks: int | None = None) -> None:
        super().__init__()
        c = self.channels if channels is None else channels
        n = self.blocks if blocks is None else blocks
        if frames < 1 or frames % 2 == 0:
            raise RestillError(f"EDVR's frames is {frames}; it must be odd: the center and as many on either side")
        if c < 1 or c % GROUPS:
            raise RestillError(f"EDVR's channels is {c}; it must be a multiple of {GROUPS}, its deformable groups")
        if n < 1:
            raise RestillError(f"EDVR's blocks is {n}; it must be 1 or more")
        levels = ("fusion", f"trunk.{(n - 1) // 2}", "trunk")
        self.spec = replace(self.spec, frames_before=frames // 2, frames_after=frames // 2, levels=levels)
        self.first = conv(3, c)
        self.extract = nn.Sequential(*(ResidualBlock(c) for _ in range(EXTRACT_BLOCKS)))
        self.smaller2, self.smaller3 = smaller(c), smaller(c)
        self.align = PCDAlignment(c)
        self.fusion = TSAFusion(c, frames)
        self.trunk = nn.Sequential(*(ResidualBlock(c) for _ in range(n)))
        self.upsampler = Upsampler(c)

    def forward(self, window: Tensor) -> Tensor:
        """The center frame, four times as high and wide.

        Args:
            window: (B, K, 3, H, W), H and W multiples of 4.

        Returns:
            (B, 3, 4*H, 4*W), not clamped.
        """
        batch, frames = window.shape[:2]
        l1 = self.extract(leaky_relu(self.first(window.flatten(0, 1)), SLOPE))  # (B*K, C, H, W)
        l2 = self.smaller2(l1)  # (B*K, C, H/2, W/2)
        l3 = self.smaller3(l2)  # (B*K, C, H/4, W/4)
        pyramid = [level.unflatten(0, (batch, frames)) for level in (l1, l2, l3)]  # (B, K, C, h, w) each
        aligned = self.align(*pyramid)  # (B, K, C, H, W)
        feature = self.trunk(self.fusion(aligned))  # (B, C, H, W)
        center = window[:, frames // 2]  # (B, 3, H, W)
        base = interpolate(center, scale_factor=SCALE, mode="bilinear", align_corners=False)  # (B, 3, 4H, 4W)
        return base + self.upsampler(feature)


class EDVRM(EDVR):
    """64 channels, 10 blocks: 3,316,515 parameters with 7 frames, 3,300,131 with 5."""

    channels, blocks = 64, 10


class EDVRL(EDVR):
    """128 channels, 40 blocks, 7 frames: 20,699,363 parameters. The teacher of STD's Table 1."""

    channels, blocks = 128, 40


class PCDAlignment(nn.Module):
    """Pyramid, cascading and deformable alignment of all frames to the center one (Sec. 3.2)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.level3, self.level2, self.level1 = AlignLevel(c, coarsest=True), AlignLevel(c), AlignLevel(c)
        self.cascade_guide = nn.Sequential(conv(2 * c, c), nn.LeakyReLU(SLOPE), conv(c, c), nn.LeakyReLU(SLOPE))
        self.cascade = DeformableConv2d(c, GROUPS)

    def forward(self, l1: Tensor, l2: Tensor, l3: Tensor) -> Tensor:
        """Align the features of all frames, including the center's.

        Args:
            l1: (B, K, C, H, W).
            l2: (B, K, C, H/2, W/2).
            l3: (B, K, C, H/4, W/4).

        Returns:
            (B, K, C, H, W).
        """
        batch, frames = l1.shape[:2]
        centers = [level[:, frames // 2, None].expand_as(level).flatten(0, 1) for level in (l1, l2, l3)]
        l1, l2, l3 = l1.flatten(0, 1), l2.flatten(0, 1), l3.flatten(0, 1)  # (B*K, C, h, w), as the centers
        guide, feature = self.level3(l3, centers[2])  # (B*K, C, H/4, W/4) both
        guide, feature = self.level2(l2, centers[1], guide, leaky_relu(feature, SLOPE))  # (B*K, C, H/2, W/2)
        guide, feature = self.level1(l1, centers[0], guide, leaky_relu(feature, SLOPE))  # (B*K, C, H, W)
        guide = self.cascade_guide(cat([feature, centers[0]], 1))  # (B*K, C, H, W)
        aligned = leaky_relu(self.cascade(feature, guide), SLOPE)  # (B*K, C, H, W)
        return aligned.unflatten(0, (batch, frames))


class AlignLevel(nn.Module):
    """One level of the pyramid: eqs. 2 and 3, with the coarser level's result enlarged by 2."""

    def __init__(self, c: int, *, coarsest: bool = False) -> None:
        super().__init__()
        self.compare = conv(2 * c, c)
        self.refine = nn.Sequential(conv(c if coarsest else 2 * c, c), nn.LeakyReLU(SLOPE))
        if not coarsest:
            self.refine.extend([conv(c, c), nn.LeakyReLU(SLOPE)])
        self.deform = DeformableConv2d(c, GROUPS)
        self.merge = None if coarsest else conv(2 * c, c)

    def forward(
        self, frame: Tensor, center: Tensor, coarse_guide: Tensor | None = None, coarse: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The guide for the offsets, and the frame's feature moved by these offsets.

        Args:
            frame: (N, C, h, w).
            center: (N, C, h, w).
            coarse_guide: (N, C, h/2, w/2), the coarser level's first result.
            coarse: (N, C, h/2, w/2), its second result, activated.

        Returns:
            (N, C, h, w) both.
        """
        guide = leaky_relu(self.compare(cat([frame, center], 1)), SLOPE)  # (N, C, h, w)
        if coarse_guide is not None:
            guide = cat([guide, 2 * twice(coarse_guide)], 1)  # (N, 2C, h, w); pixels here are half as large
        guide = self.refine(guide)  # (N, C, h, w)
        moved = self.deform(frame, guide)  # (N, C, h, w)
        if self.merge is not None and coarse is not None:
            moved = self.merge(cat([moved, twice(coarse)], 1))  # (N, C, h, w)
        return guide, moved


class TSAFusion(nn.Module):
    """Fusion with temporal and spatial attention (Sec. 3.3)."""

    def __init__(self, c: int, frames: int) -> None:
        super().__init__()
        self.embed_center, self.embed = conv(c, c), conv(c, c)
        self.fuse, self.spatial1 = nn.Conv2d(frames * c, c, 1), nn.Conv2d(frames * c, c, 1)
        self.spatial2, self.spatial3 = nn.Conv2d(2 * c, c, 1), conv(c, c)
        self.spatial4, self.spatial5 = nn.Conv2d(c, c, 1), conv(c, c)
        self.deep1, self.deep2, self.deep3 = nn.Conv2d(c, c, 1), conv(2 * c, c), conv(c, c)
        self.add1, self.add2 = nn.Conv2d(c, c, 1), nn.Conv2d(c, c, 1)

    def forward(self, aligned: Tensor) -> Tensor:
        """(B, K, C, H, W) -> (B, C, H, W)."""
        batch, frames = aligned.shape[:2]
        center = self.embed_center(aligned[:, frames // 2])  # (B, C, H, W)
        embedded = self.embed(aligned.flatten(0, 1)).unflatten(0, (batch, frames))  # (B, K, C, H, W)
        alike = (embedded * center[:, None]).sum(2, keepdim=True).sigmoid()  # (B, K, 1, H, W), eq. 5
        weighed = (aligned * alike).flatten(1, 2)  # (B, K*C, H, W), eq. 6
        fused = leaky_relu(self.fuse(weighed), SLOPE)  # (B, C, H, W), eq. 7

        half = leaky_relu(self.spatial2(pooled(leaky_relu(self.spatial1(weighed), SLOPE))), SLOPE)  # (B, C, H/2, W/2)
        quarter = leaky_relu(self.deep2(pooled(leaky_relu(self.deep1(half), SLOPE))), SLOPE)  # (B, C, H/4, W/4)
        deep = twice(leaky_relu(self.deep3(quarter), SLOPE))  # (B, C, H/2, W/2)
        half = leaky_relu(self.spatial4(leaky_relu(self.spatial3(half), SLOPE) + deep), SLOPE)  # (B, C, H/2, W/2)
        attention = self.spatial5(twice(half))  # (B, C, H, W)
        added = self.add2(leaky_relu(self.add1(attention), SLOPE))  # (B, C, H, W)
        return fused * attention.sigmoid() * 2 + added


class ResidualBlock(nn.Module):
    """conv(relu(conv(x))) + x, starting near the identity."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(c, c), conv(c, c)
        for layer in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            with torch.no_grad():
                layer.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(relu(self.conv1(x))) + x


def conv(c_in: int, c_out: int) -> nn.Conv2d:
    """3x3, same size."""
    return nn.Conv2d(c_in, c_out, 3, padding=1)


def smaller(c: int) -> nn.Sequential:
    """(N, C, h, w) -> (N, C, h/2, w/2)."""
    return nn.Sequential(nn.Conv2d(c, c, 3, 2, 1), nn.LeakyReLU(SLOPE), conv(c, c), nn.LeakyReLU(SLOPE))


def twice(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 2h, 2w), bilinear."""
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pooled(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 2C, h/2, w/2): the largest and the mean of 3x3, zeros outside counting in the mean."""
    return cat([max_pool2d(x, 3, stride=2, padding=1), avg_pool2d(x, 3, stride=2, padding=1)], 1)
