"""DRSformer (Chen et al., CVPR 2023) and DRS-SL, its student in SLKD: Restormer's shape with sparse attention.

Channel attention keeps only the largest entries of each row (TKSA). The feed-forward network uses two scales (MSFN).
Two mixtures of convolutions (MEFC) run at full resolution, at the start and the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from restill.networks.published import Published
from restill.networks.restormer import (
    EXPANSION,
    SHARED_KEYS,
    TransformerBlock,
    TransposedAttention,
    UShape,
    conv,
    depthwise,
    u_spec,
)
from restill.networks.spec import NetworkSpec


class TopKAttention(TransposedAttention):
    """TKSA: a weighted sum of four softmaxes, over the largest 1/2, 2/3, 3/4 and 4/5 of each row."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads)
        c = channels // heads
        self.keep = (c // 2, 2 * c // 3, 3 * c // 4, 4 * c // 5)
        self.mix = nn.ParameterList(torch.full((1,), 0.2) for _ in self.keep)

    def attend(self, logits: Tensor, v: Tensor) -> Tensor:
        """(B, heads, c, c), (B, heads, c, HW) -> (B, heads, c, HW).

        The k-th largest entry of a row is the threshold. Entries equal to it are kept too, because runtimes order
        equal entries differently and that must not change the picture.
        """
        largest = logits.detach().topk(max(self.keep), dim=-1).values  # (B, heads, c, k), descending
        out = torch.zeros_like(v)
        for weight, k in zip(self.mix, self.keep, strict=True):
            largest_k = logits >= largest[..., k - 1 : k]  # (B, heads, c, c)
            sparse = logits.masked_fill(~largest_k, float("-inf")).softmax(-1)  # (B, heads, c, c)
            out = out + (weight * sparse) @ v  # (B, heads, c, HW)
        return out


class MixedFeedForward(nn.Module):
    """MSFN: parallel depthwise 3x3 and 5x5, twice. The second time, each output channel reads two."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(EXPANSION * channels)
        self.project_in = conv(channels, 2 * hidden)
        self.dwconv3x3 = depthwise(2 * hidden, 3)
        self.dwconv5x5 = depthwise(2 * hidden, 5)
        self.pair3x3 = conv(2 * hidden, hidden, 3, groups=hidden)
        self.pair5x5 = conv(2 * hidden, hidden, 5, groups=hidden)
        self.project_out = conv(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project_in(x)  # (B, 2 hidden, H, W)
        a1, a2 = relu(self.dwconv3x3(x)).chunk(2, dim=1)  # (B, hidden, H, W) each
        b1, b2 = relu(self.dwconv5x5(x)).chunk(2, dim=1)  # (B, hidden, H, W) each
        y1 = relu(self.pair3x3(torch.cat([a1, b1], 1)))  # (B, hidden, H, W)
        y2 = relu(self.pair5x5(torch.cat([a2, b2], 1)))  # (B, hidden, H, W)
        return self.project_out(torch.cat([y1, y2], 1))  # (B, C, H, W)


def separable(channels: int, kernel: int) -> nn.Sequential:
    """Depthwise, pointwise, ReLU, depthwise, pointwise."""
    c = channels
    return nn.Sequential(depthwise(c, kernel), conv(c, c), nn.ReLU(), depthwise(c, kernel), conv(c, c))


def dilated(channels: int, kernel: int) -> nn.Sequential:
    """Depthwise with every other tap, pointwise."""
    spread = nn.Conv2d(channels, channels, kernel, padding=kernel - 1, dilation=2, groups=channels, bias=False)
    return nn.Sequential(spread, conv(channels, channels))


OPERATIONS = 8


class MixedOperations(nn.Module):
    """Eight weighted parallel operations, joined to the number of input channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            [
                *(separable(channels, kernel) for kernel in (1, 3, 5, 7)),
                *(dilated(channels, kernel) for kernel in (3, 5, 7)),
                nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            ]
        )
        self.join = conv(OPERATIONS * channels, channels)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """(B, C, H, W), (B, 8) -> (B, C, H, W), not negative."""
        seen = [
            weight[:, None, None, None] * operation(x)  # (B, C, H, W)
            for weight, operation in zip(weights.unbind(1), self.operations, strict=True)
        ]
        return relu(self.join(torch.cat(seen, 1)))  # (B, 8C, H, W) -> (B, C, H, W)


class ExpertMixture(nn.Module):
    """MEFC: steps of eight operations. The mean of each channel sets the weights of the operations."""

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        n = steps * OPERATIONS
        self.weigh = nn.Sequential(nn.Linear(channels, 2 * n), nn.ReLU(), nn.Linear(2 * n, n))
        self.first = conv(channels, channels)
        self.steps = nn.ModuleList(MixedOperations(channels) for _ in range(steps))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.weights(x)  # (B, steps, 8)
        x = relu(self.first(x))  # (B, C, H, W)
        for number, step in enumerate(self.steps):
            x = relu(step(x, weights[:, number]) + x)  # (B, C, H, W)
        return x

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, steps, 8), positive; each step adds up to 1."""
        return self.weigh(x.mean((2, 3))).unflatten(1, (-1, OPERATIONS)).softmax(-1)


class DRSformer(UShape):
    """48 channels, 4, 6, 6, 8 blocks, MEFC of 4 steps: 33,655,424 parameters.

    Args:
        channels: At level 1; even.
        blocks: At levels 1, 2, 3 and in the latent.
        mefc_steps: Of each MEFC. 0 removes both, as the authors did for Rain200L and SPA-Data.

    Raises:
        RestillError: An option has an invalid value.
    """

    spec: ClassVar[NetworkSpec] = u_spec("DRSformer, CVPR 2023")
    published: ClassVar[Published | None] = Published(
        "cschenxiang/DRSformer: deraining; those of Rain200L and SPA-Data with mefc_steps=0",
        rename=(
            *SHARED_KEYS,
            *((rf"\.attn\.attn{number + 1}$", f".attn.mix.{number}") for number in range(4)),
            (r"\.dwconv(3x3|5x5)_1\.", r".pair\1."),
            (r"\.layers\.0\.ca_fc\.", ".weigh."),
            (r"\.layers\.1\.preprocess\.op\.0\.", ".first."),
            (r"\.layers\.1\._ops\.(\d+)\._ops\.(\d+)\.op\.", r".steps.\1.operations.\2."),
            (r"\.layers\.1\._ops\.(\d+)\._out\.0\.", r".steps.\1.join."),
        ),
    )
    channels: ClassVar[int] = 48
    blocks: ClassVar[tuple[int, ...]] = (4, 6, 6, 8)
    mefc_steps: ClassVar[int] = 4

    def __init__(
        self, channels: int | None = None, blocks: Sequence[int] | None = None, mefc_steps: int | None = None
    ) -> None:
        d = self.channels if channels is None else channels
        steps = self.mefc_steps if mefc_steps is None else mefc_steps

        def block(width: int, heads: int) -> nn.Module:
            return TransformerBlock(width, TopKAttention(width, heads), MixedFeedForward(width))

        def mefc(width: int) -> nn.Module:
            return ExpertMixture(width, steps) if steps else nn.Identity()

        super().__init__(d, self.blocks if blocks is None else blocks, block, refinement=mefc(2 * d), level0=mefc(d))


class DRSSL(DRSformer):
    """24 channels, 2, 2, 2, 4 blocks, MEFC of 2 steps: 4,599,380 parameters."""

    spec, channels, blocks, mefc_steps, published = u_spec("SLKD, Table I"), 24, (2, 2, 2, 4), 2, None
