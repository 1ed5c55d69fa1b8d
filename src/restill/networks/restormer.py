"""Restormer (Zamir et al., CVPR 2022) and Res-SL, its student in SLKD: attention between channels, not pixels.

A U-shape of four levels. A head with c channels has a (c, c) attention map at every picture size, so cost grows with
the area, not with its square. No convolution has a bias. DRSformer uses the same shape with other blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from restill.errors import RestillError
from restill.networks.published import Published
from restill.networks.spec import NetworkSpec

HEADS = (1, 2, 4, 8)  # per level, finest first
EXPANSION = 2.66  # of the feed-forward networks
SHARED_KEYS = (  # for Restormer and for DRSformer, whose code builds on it
    (r"^patch_embed\.proj\.", "patch_embed."),
    (r"^(down|up)(\d_\d)\.body\.0\.", r"\1\2.0."),
    (r"\.norm([12])\.body\.", r".norm\1."),
)


def conv(c_in: int, c_out: int, kernel: int = 1, groups: int = 1) -> nn.Conv2d:
    """Same size, no bias."""
    return nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=False)


def depthwise(channels: int, kernel: int) -> nn.Conv2d:
    return conv(channels, channels, kernel, groups=channels)


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of each pixel: biased variance, eps 1e-5.

    Without a bias it does not subtract the mean. It still divides by the standard deviation.
    """

    def __init__(self, channels: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        centered = x - x.mean(1, keepdim=True)  # (B, C, H, W)
        deviation = torch.sqrt(centered.square().mean(1, keepdim=True) + 1e-5)  # (B, 1, H, W)
        weight = self.weight[:, None, None]  # (C, 1, 1)
        if self.bias is None:
            return x / deviation * weight
        return centered / deviation * weight + self.bias[:, None, None]


class TransposedAttention(nn.Module):
    """MDTA, eq. 1 of Restormer: each channel of a head attends to the c channels of that head."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = conv(channels, 3 * channels)
        self.qkv_dwconv = depthwise(3 * channels, 3)
        self.project_out = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(1, (self.heads, -1)).flatten(3)  # (B, C, H, W) -> (B, heads, c, HW)
            for part in self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        )
        q, k = normalize(q, dim=-1), normalize(k, dim=-1)  # each channel has length 1 over the picture
        logits = q @ k.transpose(-2, -1) * self.temperature  # (B, heads, c, c)
        out = self.attend(logits, v)  # (B, heads, c, HW)
        return self.project_out(out.reshape(x.shape))  # (B, C, H, W)

    def attend(self, logits: Tensor, v: Tensor) -> Tensor:
        """(B, heads, c, c), (B, heads, c, HW) -> (B, heads, c, HW)."""
        return logits.softmax(-1) @ v


class GatedFeedForward(nn.Module):
    """GDFN, eq. 2 of Restormer: one half passes GELU and gates the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(EXPANSION * channels)
        self.project_in = conv(channels, 2 * hidden)
        self.dwconv = depthwise(2 * hidden, 3)
        self.project_out = conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)  # (B, hidden, H, W) each
        return self.project_out(gelu(gate) * value)  # (B, C, H, W)


class TransformerBlock(nn.Module):
    """x += attention(norm(x)); x += feed_forward(norm(x))."""

    def __init__(self, channels: int, attn: nn.Module, ffn: nn.Module, norm_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels, norm_bias)
        self.attn = attn
        self.norm2 = ChannelNorm(channels, norm_bias)
        self.ffn = ffn

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))  # (B, C, H, W)
        return x + self.ffn(self.norm2(x))  # (B, C, H, W)


def down(channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, 2C, H/2, W/2)."""
    return nn.Sequential(conv(channels, channels // 2, 3), nn.PixelUnshuffle(2))


def up(channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C/2, 2H, 2W)."""
    return nn.Sequential(conv(channels, 2 * channels, 3), nn.PixelShuffle(2))


class UShape(nn.Module):
    """The shape that Restormer and DRSformer share: d channels at level 1, twice as many at each further level.

    Args:
        channels: d, even.
        blocks: Number at levels 1, 2, 3 and in the latent. The decoder's levels use the same numbers.
        block: Makes one block from (channels, heads).
        refinement: Module after decoder level 1, at 2d channels.
        level0: Module before encoder level 1, at d channels.

    Raises:
        RestillError: ``channels`` is odd or ``blocks`` has not four numbers.
    """

    def __init__(
        self,
        channels: int,
        blocks: Sequence[int],
        block: Callable[[int, int], nn.Module],
        refinement: nn.Module,
        level0: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if channels < 2 or channels % 2:
            raise RestillError(f"channels {channels} must be a positive even number")
        if len(blocks) != 4:
            raise RestillError(f"blocks {list(blocks)} must be four numbers: levels 1, 2, 3 and the latent")
        d1, d2, d3, d4 = (channels * 2**level for level in range(4))

        def level(width: int, number: int) -> nn.Sequential:
            return nn.Sequential(*(block(width, HEADS[number]) for _ in range(blocks[number])))

        self.patch_embed = conv(3, d1, 3)
        self.encoder_level0 = level0 or nn.Identity()
        self.encoder_level1, self.down1_2 = level(d1, 0), down(d1)
        self.encoder_level2, self.down2_3 = level(d2, 1), down(d2)
        self.encoder_level3, self.down3_4 = level(d3, 2), down(d3)
        self.latent = level(d4, 3)
        self.up4_3, self.reduce_chan_level3, self.decoder_level3 = up(d4), conv(2 * d3, d3), level(d3, 2)
        self.up3_2, self.reduce_chan_level2, self.decoder_level2 = up(d3), conv(2 * d2, d2), level(d2, 1)
        self.up2_1, self.decoder_level1 = up(d2), level(d2, 0)  # level 1 keeps its 2d channels
        self.refinement = refinement
        self.output = conv(d2, 3, 3)

    def forward(self, window: Tensor) -> Tensor:
        """Restore a picture.

        Args:
            window: (B, 1, 3, H, W), RGB in [0, 1]; H and W multiples of 8.

        Returns:
            (B, 3, H, W), not clamped.
        """
        picture = window[:, 0]  # (B, 3, H, W)
        e1 = self.encoder_level1(self.encoder_level0(self.patch_embed(picture)))  # (B, d, H, W)
        e2 = self.encoder_level2(self.down1_2(e1))  # (B, 2d, H/2, W/2)
        e3 = self.encoder_level3(self.down2_3(e2))  # (B, 4d, H/4, W/4)
        latent = self.latent(self.down3_4(e3))  # (B, 8d, H/8, W/8)
        x = torch.cat([self.up4_3(latent), e3], 1)  # (B, 8d, H/4, W/4)
        x = self.decoder_level3(self.reduce_chan_level3(x))  # (B, 4d, H/4, W/4)
        x = torch.cat([self.up3_2(x), e2], 1)  # (B, 4d, H/2, W/2)
        x = self.decoder_level2(self.reduce_chan_level2(x))  # (B, 2d, H/2, W/2)
        x = torch.cat([self.up2_1(x), e1], 1)  # (B, 2d, H, W)
        x = self.refinement(self.decoder_level1(x))  # (B, 2d, H, W)
        return self.output(x) + picture  # (B, 3, H, W)


def u_spec(paper: str) -> NetworkSpec:
    """Spec of a network of this shape."""
    return NetworkSpec(
        task="restore",
        paper=paper,
        frames_before=0,
        frames_after=0,
        feature="output:input",
        head="output",
        residual=True,
        size_multiple=8,
        levels=("encoder_level3", "decoder_level3", "refinement"),
        encoder=("encoder_level1", "encoder_level2", "encoder_level3", "latent"),
        decoder=("decoder_level3", "decoder_level2", "decoder_level1", "refinement"),
        embedding="latent",
    )


class Restormer(UShape):
    """48 channels, 4, 6, 6, 8 blocks, 4 of refinement: 26,126,644 parameters.

    Args:
        channels: At level 1; even.
        blocks: At levels 1, 2, 3 and in the latent.
        refinement: Refinement blocks.
        layer_norm: the authors' denoising checkpoints use "bias_free".

    Raises:
        RestillError: An option has an invalid value.
    """

    spec: ClassVar[NetworkSpec] = u_spec("Restormer, CVPR 2022")
    published: ClassVar[Published | None] = Published(
        "swz30/Restormer: deraining, motion and defocus deblurring of one RGB picture; color denoising with "
        "layer_norm=bias_free",
        rename=SHARED_KEYS,
    )
    channels: ClassVar[int] = 48
    blocks: ClassVar[tuple[int, ...]] = (4, 6, 6, 8)

    def __init__(
        self,
        channels: int | None = None,
        blocks: Sequence[int] | None = None,
        refinement: int = 4,
        layer_norm: Literal["with_bias", "bias_free"] = "with_bias",
    ) -> None:
        d = self.channels if channels is None else channels
        if layer_norm not in ("with_bias", "bias_free"):
            raise RestillError(f"layer_norm '{layer_norm}' must be 'with_bias' or 'bias_free'")
        norm_bias = layer_norm == "with_bias"

        def block(width: int, heads: int) -> nn.Module:
            return TransformerBlock(width, TransposedAttention(width, heads), GatedFeedForward(width), norm_bias)

        refine = nn.Sequential(*(block(2 * d, HEADS[0]) for _ in range(refinement)))
        super().__init__(d, self.blocks if blocks is None else blocks, block, refine)


class ResSL(Restormer):
    """24 channels, 1, 2, 2, 4 blocks, 4 of refinement: 3,537,482 parameters."""

    spec, channels, blocks, published = u_spec("SLKD, Table I"), 24, (1, 2, 2, 4), None
