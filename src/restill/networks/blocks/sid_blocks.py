"""The blocks of SID (:mod:`restill.networks.sid`): PFFB, MFFB, dense rows and resizing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn
from torch.nn.functional import interpolate, max_pool2d

Size = tuple[int, int]


@dataclass(frozen=True)
class Build:
    """Options of :class:`SID` that its parts need. ``add`` and ``skips`` come from ``connections``."""

    blocks: str
    shared: bool
    add: bool
    skips: bool


class Dense(nn.Module):
    """``n`` unit blocks in a row; a 1x1 convolution after each reads the input and all blocks so far.

    Args:
        c: Channels.
        n: Blocks.
        build: Options.
        last: Whether the result is used, not only the maps. If not, the last 1x1 convolution has no effect and is
            not trained. It exists, and is counted, because the authors' network has it.
    """

    def __init__(self, c: int, n: int, build: Build, *, last: bool = True) -> None:
        super().__init__()
        self.c, self.add = c, build.add
        self.units = nn.ModuleList(unit(c, build.blocks) for _ in range(1 if build.shared else n))
        self.merge = nn.ModuleList(conv(c if build.add else (i + 2) * c, c, 1) for i in range(n))
        self.merge[-1].requires_grad_(last)

    def forward(self, x: Tensor, offsets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the maps of all blocks, and the result.

        Args:
            x: (B, C, h, w).
            offsets: (B, (n+1)C, h, w), the maps of another Dense. Map i is added to the input of block i.

        Returns:
            maps (B, (n+1)C, h, w), map 0 the input, map i from block i; result (B, C, h, w).
        """
        c, maps, out = self.c, x, x
        for i, merge in enumerate(self.merge):
            if offsets is not None:
                out = out + offsets[:, (i + 1) * c : (i + 2) * c]  # (B, C, h, w)
            maps = cat([maps, self.units[i % len(self.units)](out)], 1)  # (B, (i+2)C, h, w)
            out = merge(summed(maps, c) if self.add else maps)  # (B, C, h, w)
        return maps, out


class Between(nn.Module):
    """Resizes the maps of ``n`` blocks and joins them by a 3x3 convolution."""

    def __init__(self, c_in: int, n: int, c_out: int, build: Build) -> None:
        super().__init__()
        self.c, self.add = c_in, build.add
        self.conv = conv(c_in if build.add else n * c_in, c_out, 3)

    def forward(self, maps: Tensor, size: Size) -> Tensor:
        """(B, n*c_in, h, w) -> (B, c_out, *size)."""
        return self.conv(resize(summed(maps, self.c) if self.add else maps, size))


class PFFB(nn.Module):
    """Pyramid feature fusion block: four convolutions at each of four scales, coarsest first, plus the input."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.chain1, self.chain2, self.chain4, self.chain8 = (
            nn.Sequential(*(conv(c, c, 3) for _ in range(4))) for _ in range(4)
        )
        self.fuse21, self.fuse42, self.fuse84 = (conv(2 * c, c, 1) for _ in range(3))
        self.fuse = conv(4 * c, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(2) to (4) PFFB of SSID-KD, as in the authors' code: (B, C, h, w) -> the same."""
        x2, x4, x8 = shrink(x, 2), shrink(x, 4), shrink(x, 8)  # (B, C, h/2, w/2), (B, C, h/4, w/4), (B, C, h/8, w/8)
        y8 = self.chain8(x8)  # (B, C, h/8, w/8)
        y4 = self.chain4(self.fuse84(cat([x4, nearest(y8, x4)], 1)))  # (B, C, h/4, w/4)
        y2 = self.chain2(self.fuse42(cat([x2, nearest(y4, x2)], 1)))  # (B, C, h/2, w/2)
        y1 = self.chain1(self.fuse21(cat([x, nearest(y2, x)], 1)))  # (B, C, h, w)
        return self.fuse(cat([y1, nearest(y2, x), nearest(y4, x), nearest(y8, x)], 1)) + x


class MFFB(nn.Module):
    """Multi-kernel feature fusion block: 3x3 beside 5x5, twice, plus the input."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.first3, self.first5 = conv(c, c, 3), conv(c, c, 5)
        self.second3, self.second5 = conv(2 * c, 2 * c, 3), conv(2 * c, 2 * c, 5)
        self.fuse = nn.Conv2d(4 * c, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(5) MFFB of SSID-KD: (B, C, h, w) -> the same.

        The activations are LeakyReLU, as in the authors' code; the paper prints ReLU.
        """
        u = cat([self.first3(x), self.first5(x)], 1)  # (B, 2C, h, w)
        return self.fuse(cat([self.second3(u), self.second5(u)], 1)) + x


def unit(c: int, blocks: str) -> nn.Sequential:
    """The unit block; ``blocks`` is one of :data:`BLOCKS`."""
    parts = {"both": (PFFB, MFFB), "mffb": (MFFB,), "pffb": (PFFB,)}[blocks]
    return nn.Sequential(*(make(c) for make in parts))


def conv(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    """Same-size convolution and LeakyReLU(0.2)."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2), nn.LeakyReLU(0.2))


def summed(maps: Tensor, c: int) -> Tensor:
    """(B, kC, h, w), k maps -> their sum (B, C, h, w)."""
    return maps.unflatten(1, (-1, c)).sum(1)


def part(x: Tensor, factor: int) -> Size:
    """Height and width over a factor, rounded down, at least 1."""
    # not max: it would fix the size in an exported graph
    height, width = (torch.sym_max(1, side // factor) for side in x.shape[-2:])
    return height, width  # type: ignore[return-value]


def resize(x: Tensor, size: Size) -> Tensor:
    return interpolate(x, size, mode="bilinear", align_corners=False)


def nearest(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the size of ``like``."""
    return interpolate(x, like.shape[-2:], mode="nearest")


def shrink(x: Tensor, factor: int) -> Tensor:
    """Max-pooling that drops incomplete windows. A map smaller than the window counts as one window.

    (B, C, h, w) -> (B, C, h/factor, w/factor).
    """
    height, width = part(x, factor)
    return max_pool2d(x, factor, ceil_mode=True)[..., :height, :width]
