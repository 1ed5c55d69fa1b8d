"""Uformer (Wang et al., CVPR 2022) and Ufor-SL, its student in SLKD: attention inside small windows, in a U-shape.

Each stage runs LeWin blocks at one resolution. A block is self-attention within windows of 8x8 pixels, then a
feed-forward network with a depthwise convolution. Every second block shifts its windows by half a window.
Inside a stage, maps are channels last, (B, H, W, C). Between stages they are (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, leaky_relu

from restill.errors import RestillError
from restill.networks.published import Published
from restill.networks.spec import NetworkSpec

HIDDEN = 4  # feed-forward width over block width
FORBIDDEN = -100.0  # added to the logits of pixels that were apart before the shift


def partition(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B, N, w*w, C): N = H/w * W/w windows; windows and pixels in row-major order."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)  # (B, H/w, w, W/w, w, C)
    return x.transpose(2, 3).reshape(batch, -1, window * window, channels)


def merge(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """(B, N, w*w, C) -> (B, H, W, C), the inverse of :func:`partition`."""
    batch, channels = windows.shape[0], windows.shape[3]
    x = windows.reshape(batch, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(batch, height, width, channels)  # of (B, H/w, w, W/w, w, C)


def relative_position_index(window: int) -> Tensor:
    """(w*w, w*w): which of the (2w-1)^2 biases applies from query pixel i to key pixel j.

    The index is ``(dy + w - 1) * (2w - 1) + dx + w - 1`` for a distance ``(dy, dx)`` from j to i.
    """
    y, x = torch.arange(window).repeat_interleave(window), torch.arange(window).repeat(window)  # (w*w,)
    dy, dx = y[:, None] - y, x[:, None] - x  # (w*w, w*w)
    return (dy + window - 1) * (2 * window - 1) + dx + window - 1


def shift_mask(height: int, width: int, window: int, shift: int, like: Tensor) -> Tensor:
    """Mask that stops attention between opposite ends of the picture.

    After a roll up and left by ``shift``, the last windows mix rows (and columns) from both ends of the picture.
    The mask is (N, w*w, w*w): 0 within a region, -100 between two. It has the type and device of ``like``.
    """
    rows, columns = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
    rows = (rows >= height - window).long() + (rows >= height - shift)  # (H,): 0, then 1, then 2
    columns = (columns >= width - window).long() + (columns >= width - shift)  # (W,)
    region = 3 * rows[:, None] + columns  # (H, W)
    region = partition(region[None, :, :, None], window)[0, :, :, 0]  # (N, w*w)
    return (region[:, :, None] != region[:, None]).to(like.dtype) * FORBIDDEN


class WindowAttention(nn.Module):
    """W-MSA: softmax(q k^T / sqrt(d) + B) v within each window; B depends on relative position."""

    index: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", relative_position_index(window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, w*w, C), mask (N, w*w, w*w) or None -> (B, N, w*w, C)."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(2, 3)  # (B, N, heads, w*w, d)
            for part in (self.q(x), *self.kv(x).chunk(2, dim=-1))
        )
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, N, heads, w*w, w*w)
        logits = logits + self.bias[self.index].permute(2, 0, 1)  # + (heads, w*w, w*w)
        if mask is not None:
            logits = logits + mask[:, None]  # + (N, 1, w*w, w*w)
        out = logits.softmax(-1) @ v  # (B, N, heads, w*w, d)
        return self.proj(out.transpose(2, 3).flatten(3))


class LeFF(nn.Module):
    """Locally enhanced feed-forward network: widen each pixel, mix it with its neighbors, narrow it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = HIDDEN * channels
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = gelu(self.expand(x)).permute(0, 3, 1, 2)  # (B, H, W, C) -> (B, 4C, H, W)
        return self.narrow(gelu(self.depthwise(x)).permute(0, 2, 3, 1))  # (B, H, W, C)


class LeWinBlock(nn.Module):
    """x += W-MSA(norm(x)); x += LeFF(norm(x)); windows shifted down and right by ``shift`` pixels.

    ``modulated`` adds a learned (w*w, C) to every window. ``drop`` is the chance to skip a branch for a sample
    in training.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int, modulated: bool, drop: float) -> None:
        super().__init__()
        self.window, self.shift, self.drop = window, shift, drop
        self.norm1 = nn.LayerNorm(channels)
        self.modulator = nn.Parameter(torch.randn(window**2, channels)) if modulated else None
        self.attn = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = LeFF(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); H and W multiples of the window."""
        x = x + self._stochastic_depth(self._attention(self.norm1(x)))
        return x + self._stochastic_depth(self.ffn(self.norm2(x)))

    def _attention(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        mask = None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))  # (B, H, W, C)
            mask = shift_mask(height, width, self.window, self.shift, x)  # (N, w*w, w*w)
        windows = partition(x, self.window)  # (B, N, w*w, C)
        if self.modulator is not None:
            windows = windows + self.modulator
        x = merge(self.attn(windows, mask), self.window, height, width)  # (B, H, W, C)
        return x.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else x

    def _stochastic_depth(self, branch: Tensor) -> Tensor:
        """Stochastic depth: zero some samples and scale up the others to match."""
        if not self.training or not self.drop:
            return branch
        keep = 1 - self.drop
        return branch * (torch.rand(len(branch), 1, 1, 1, device=branch.device) < keep) / keep  # torch's generator


class Stage(nn.Module):
    """LeWin blocks at one resolution; every second one shifts, unless ``shifts`` is false."""

    def __init__(
        self, channels: int, heads: int, window: int, drops: Sequence[float], shifts: bool, modulated: bool = False
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                LeWinBlock(channels, heads, window, window // 2 if shifts and number % 2 else 0, modulated, drop)
                for number, drop in enumerate(drops)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Uformer(nn.Module):
    """Encoder stages, a bottleneck, and decoder stages that each read the encoder's map of their size.

    Args:
        channels: E, at the first stage; doubles at each stage.
        depths: Blocks per stage: encoder, bottleneck, decoder. The number of stages is odd.
        window: Side of a window in pixels, even.
        drop_path: Stochastic depth in training: 0 at the first block, this in the bottleneck, 0 at the last block.
        patch: Side of the training pictures. A stage whose map of such a picture fits in one window never shifts,
            at any picture size. As in the authors' code, this is set when the network is made.

    Raises:
        RestillError: An option has an invalid value.
    """

    spec: NetworkSpec
    channels: ClassVar[int]
    depths: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        channels: int | None = None,
        depths: Sequence[int] | None = None,
        window: int = 8,
        drop_path: float = 0.1,
        patch: int = 128,
    ) -> None:
        super().__init__()
        e, depths = channels or self.channels, depths or self.depths
        if len(depths) % 2 == 0 or len(depths) < 3 or min(depths) < 0:
            raise RestillError(f"depths {list(depths)} must be 3, 5, 7 or more numbers, the bottleneck's in the middle")
        if window < 2 or window % 2:
            raise RestillError(f"window {window} must be a positive even number")
        levels = len(depths) // 2
        narrow = [e * 2**level for level in range(levels)]  # channels in the encoder
        wide = [2 * channels for channels in reversed(narrow)]  # channels in the decoder, after the skip
        rising = _ramp(drop_path, depths[:levels])
        falling = [drops[::-1] for drops in reversed(_ramp(drop_path, depths[:levels:-1]))]

        def stage(channels: int, level: int, drops: list[float], modulated: bool = False) -> Stage:
            return Stage(channels, channels // e, window, drops, patch // 2**level > window, modulated)

        self.first = nn.Conv2d(3, e, 3, padding=1)
        self.encoder = nn.ModuleList(stage(narrow[i], i, rising[i]) for i in range(levels))
        self.down = nn.ModuleList(nn.Conv2d(c, 2 * c, 4, stride=2, padding=1) for c in narrow)
        self.bottleneck = stage(wide[0], levels, [drop_path] * depths[levels])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(c_in, c // 2, 2, stride=2) for c_in, c in zip([wide[0], *wide], wide, strict=False)
        )
        self.decoder = nn.ModuleList(stage(wide[i], levels - 1 - i, falling[i], modulated=True) for i in range(levels))
        self.head = nn.Conv2d(2 * e, 3, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.spec = _with_stages(self.spec, levels, window)

    def forward(self, window: Tensor) -> Tensor:
        """Restore a picture.

        Args:
            window: (B, 1, 3, H, W), RGB in [0, 1]; H and W multiples of 128 (of ``spec.size_multiple``).

        Returns:
            (B, 3, H, W), not clamped.
        """
        picture = window[:, 0]  # (B, 3, H, W)
        x = leaky_relu(self.first(picture))  # (B, E, H, W), slope 0.01
        skips = []
        for encoder, down in zip(self.encoder, self.down, strict=True):
            skips.append(encoder(x))  # (B, 2^i E, H/2^i, W/2^i)
            x = down(skips[-1])  # (B, 2^(i+1) E, H/2^(i+1), W/2^(i+1))
        x = self.bottleneck(x)  # (B, 16E, H/16, W/16)
        for decoder, up, skip in zip(self.decoder, self.up, reversed(skips), strict=True):
            x = torch.cat([up(x), skip], 1)  # (B, 2^(i+1) E, H/2^i, W/2^i)
            x = decoder(x)  # (B, 2^(i+1) E, H/2^i, W/2^i)
        return self.head(x) + picture  # (B, 3, H, W)


def _ramp(last: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates for the blocks of consecutive stages, from 0 at the first block to ``last`` at the last."""
    blocks = sum(depths)
    rates = iter([last * block / max(blocks - 1, 1) for block in range(blocks)])
    return [[next(rates) for _ in range(depth)] for depth in depths]


def _with_stages(spec: NetworkSpec, levels: int, window: int) -> NetworkSpec:
    """Spec for ``levels`` encoder stages. The smallest picture is one window at the bottleneck."""
    encoder = (*(f"encoder.{level}" for level in range(levels)), "bottleneck")
    decoder = tuple(f"decoder.{level}" for level in range(levels))
    stages = encoder + decoder
    thirds = tuple(stages[len(stages) * third // 3 - 1] for third in (1, 2, 3))
    spec = replace(spec, encoder=encoder, embedding="bottleneck", decoder=decoder, levels=thirds)
    return replace(spec, size_multiple=window * 2**levels)


def _spec(paper: str) -> NetworkSpec:
    spec = NetworkSpec(
        task="restore", paper=paper, frames_before=0, frames_after=0, feature="head:input", head="head", residual=True
    )
    return _with_stages(spec, levels=4, window=8)


class UformerB(Uformer):
    """E = 32; 1, 2, 8, 8 blocks, 2, and 8, 8, 2, 1: 50,880,946 parameters."""

    spec, channels, depths = _spec("Uformer, CVPR 2022"), 32, (1, 2, 8, 8, 2, 8, 8, 2, 1)
    published: ClassVar[Published] = Published(
        "ZhendongWang6/Uformer: Uformer_B",
        rename=(
            (r"^input_proj\.proj\.0\.", "first."),
            (r"^output_proj\.proj\.0\.", "head."),
            (r"^(en|de)coderlayer_(\d)\.", r"\1coder.\2."),
            (r"^dowsample_(\d)\.conv\.0\.", r"down.\1."),
            (r"^upsample_(\d)\.deconv\.0\.", r"up.\1."),
            (r"^conv\.blocks\.", "bottleneck.blocks."),
            (r"\.attn\.qkv\.to_(q|kv)\.", r".attn.\1."),
            (r"\.relative_position_bias_table$", ".bias"),
            (r"\.modulator\.weight$", ".modulator"),
            (r"\.mlp\.linear1\.0\.", ".ffn.expand."),
            (r"\.mlp\.dwconv\.0\.", ".ffn.depthwise."),
            (r"\.mlp\.linear2\.0\.", ".ffn.narrow."),
        ),
        ignore=(r"\.relative_position_index$",),
    )


class UforSL(Uformer):
    """E = 16; 1, 2, 4, 4 blocks, 2, and 4, 4, 2, 1: 7,855,234 parameters."""

    spec, channels, depths = _spec("SLKD, Table I"), 16, (1, 2, 4, 4, 2, 4, 4, 2, 1)
