"""Rill: small students for a CPU, designed for Restill.

The input is a window of frames, with the neighbours aligned to the centre (:mod:`restill.alignment`). Rain is brighter
than what it hides and rarely falls on one place twice. So the minimum of the centre frame and the median of three
frames is already an estimate without rain. The network gets the centre frame, and the differences of the neighbours and
of that estimate to it. Pixel-unshuffle 2 folds them into channels, so that every convolution works on a quarter of the
pixels. A few residual pairs of 3x3 convolutions and a pixel-shuffle follow; the result is added to the centre frame.

The networks for clips see luma and chroma: what differs between frames is seen in luma only, since rain is gray. Their
input is RGB, as for all networks. In a video file the planes are there already
(:class:`restill.runtime.packing.PlanePacking`), so nothing is converted. Chroma is at half the resolution, as in nearly
all video. :class:`RillP` takes a single picture, in RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, cat, maximum, minimum, nn, stack
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle, relu

from restill.networks.prednet import ResidualPair, same2d
from restill.networks.spec import NetworkSpec
from restill.planes import LUMA, TO_CHROMA, TO_RGB

FOLD = 2
GRAY = 0.4  # typical mean of a picture
DIFFERENCE = 5.0  # factor that makes a difference to the center frame about as large as the frame
DETAIL = 5.0  # the same for the center frame's difference to its local mean


class Rill(nn.Module):
    """Pixel-unshuffle, ``pairs`` residual pairs of ``channels``, pixel-shuffle, plus the centre frame."""

    spec: NetworkSpec
    channels: ClassVar[int]
    pairs: ClassVar[int]

    def __init__(self, channels: int | None = None, pairs: int | None = None) -> None:
        super().__init__()
        c = channels or self.channels
        n = self.pairs if pairs is None else pairs
        self.first = self._first(c)
        self.body = nn.Sequential(*(ResidualPair(same2d, c) for _ in range(n)))
        self.spec = replace(self.spec, levels=_levels(n))
        self.head = self._head(c)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for pair in self.body:
            assert isinstance(pair, ResidualPair)  # noqa: S101
            with torch.no_grad():
                pair.b.weight.mul_(0.1)  # each pair starts near the identity
        nn.init.normal_(self.head[0].weight, std=1e-3)  # type: ignore[arg-type] # nonzero gradients

    def _first(self, channels: int) -> BalancedConv:
        return BalancedConv(1, self.spec.frames + 2, channels)  # luma; differences, the estimate's, and chroma

    def _head(self, channels: int) -> nn.Sequential:
        return nn.Sequential(same2d(channels, FOLD**2 + 2), _ToRgb())

    def forward(self, window: Tensor) -> Tensor:
        """Clean center frame.

        Args:
            window: (B, K, 3, H, W), aligned to the center; H and W multiples of 2.

        Returns:
            (B, 3, H, W), not clamped.
        """
        k = self.spec.frames_before
        luma = list(_mixed(window, [LUMA]).unbind(1))  # K x (B, 1, H, W)
        center = luma[k]
        others = [*luma[:k], *luma[k + 1 :], darker_median(*luma[k - 1 : k + 2])]
        chroma = _mixed(avg_pool2d(window[:, k], FOLD), TO_CHROMA.tolist())  # (B, 2, H/2, W/2), around 0
        chroma = interpolate(chroma, scale_factor=float(FOLD), mode="nearest")
        seen = cat([center, *(other - center for other in others), chroma], 1)  # (B, K + 3, H, W)
        feature = self.body(relu(self.first(pixel_unshuffle(seen, FOLD))))  # (B, C, H/2, W/2)
        return self.head(feature) + window[:, k]


class BalancedConv(nn.Conv2d):
    """A 3x3 convolution of unshuffled planes, which trains as if its input were balanced.

    Differences of frames are small, a frame's values are around a gray, and its detail is small compared with its mean.
    Without balancing, the weights of small inputs would hardly change. So the convolution trains as if :data:`GRAY`
    were subtracted from the frame, its detail multiplied by :data:`DETAIL`, and the differences and the chroma by
    :data:`DIFFERENCE`. After training, :meth:`merged` gives the equal plain convolution of the unchanged input.

    Args:
        planes: Planes of the frame, which come first.
        small: Planes of small values around zero: differences and chroma.
        channels: Channels of the output.
        fold: Factor of the pixel-unshuffle.
    """

    def __init__(self, planes: int, small: int, channels: int, fold: int = FOLD) -> None:
        super().__init__((planes + small) * fold**2, channels, 3, padding=1)
        self.planes = planes
        self.of_frame = planes * fold**2  # channels of the input

    def forward(self, input: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, H, W), zero padding."""
        return self._conv_forward(input, *self._plain())

    def merged(self) -> nn.Conv2d:
        """The same function as a plain convolution."""
        plain = same2d(self.in_channels, self.out_channels)
        plain.load_state_dict(dict(zip(("weight", "bias"), self._plain(), strict=True)))
        return plain

    def balance(self, weight: Tensor, bias: Tensor) -> None:
        """Take the weights of the plain convolution that :meth:`merged` gives: the inverse of it.

        Args:
            weight: (O, I, 3, 3).
            bias: (O,).
        """
        sharp, small = weight.tensor_split([self.of_frame], 1)  # (O, F, 3, 3), (O, I - F, 3, 3)
        kernels = sharp.reshape(len(sharp), self.planes, -1)  # (O, planes, f f 9)
        level = kernels.mean(2, keepdim=True)
        frame = (level + (kernels - level) / DETAIL).view_as(sharp)
        own = cat([frame, small / DIFFERENCE], 1), bias + GRAY * sharp.sum((1, 2, 3))
        self.load_state_dict(dict(zip(("weight", "bias"), own, strict=True)))

    def _plain(self) -> tuple[Tensor, Tensor]:
        frame, small = self.weight.tensor_split([self.of_frame], 1)  # (O, F, 3, 3), (O, I - F, 3, 3)
        kernels = frame.reshape(len(frame), self.planes, -1)  # (O, planes, f f 9): all taps of one plane
        level = kernels.mean(2, keepdim=True)
        sharp = (level + DETAIL * (kernels - level)).view_as(frame)
        assert self.bias is not None  # noqa: S101
        bias = self.bias - GRAY * sharp.sum((1, 2, 3))  # (O,)
        return cat([sharp, DIFFERENCE * small], 1), bias


class _ToRgb(nn.Module):
    """Folded luma and chroma (B, 6, H/2, W/2) as RGB (B, 3, H, W)."""

    def forward(self, planes: Tensor) -> Tensor:
        fine, coarse = planes.float().tensor_split([FOLD**2], 1)
        chroma = interpolate(coarse, scale_factor=float(FOLD), mode="nearest")
        return _mixed(cat([pixel_shuffle(fine, FOLD), chroma], 1), TO_RGB.tolist())


def _mixed(planes: Tensor, weights: Sequence[Sequence[float]]) -> Tensor:
    """Weighted sums of three planes: (..., 3, H, W) -> (..., len(weights), H, W).

    This is no matrix product, because mixed precision would compute it in 8 bits.
    """
    first, second, third = planes.unbind(-3)
    return stack([a * first + b * second + c * third for a, b, c in weights], -3)


def darker_median(before: Tensor, centre: Tensor, after: Tensor) -> Tensor:
    """min(centre, median(before, centre, after)), element by element.

    This is the larger neighbour if the centre is the largest of the three, otherwise the centre.
    """
    return minimum(centre, maximum(before, after))


def _levels(pairs: int) -> tuple[str, ...]:
    """The features after one third, two thirds and all of the pairs, without duplicates.

    >>> _levels(6)
    ('body.1', 'body.3', 'head:input')
    >>> _levels(2)
    ('body:input', 'body.0', 'head:input')
    """
    after = dict.fromkeys((pairs // 3, 2 * pairs // 3))
    return (*(f"body.{n - 1}" if n else "body:input" for n in after if n < pairs), "head:input")


def _spec(frames: int) -> NetworkSpec:
    k = frames // 2
    return NetworkSpec(
        task="derain",
        paper="Restill",
        frames_before=k,
        frames_after=k,
        feature="head:input",
        head="head",
        residual=True,
        size_multiple=FOLD,
    )


class RillS(Rill):
    """16 channels, 2 pairs, 3 frames: 13,622 parameters, 3,384 MAC per pixel."""

    spec, channels, pairs = _spec(3), 16, 2


class RillM(Rill):
    """32 channels, 3 pairs, 3 frames: 64,166 parameters, 15,984 MAC per pixel."""

    spec, channels, pairs = _spec(3), 32, 3


class RillL(Rill):
    """32 channels, 6 pairs, 5 frames: 121,958 parameters, 30,384 MAC per pixel. Trains on a CPU."""

    spec, channels, pairs = _spec(5), 32, 6


class RillXL(Rill):
    """48 channels, 6 pairs, 5 frames: 265,878 parameters, 66,312 MAC per pixel. For quality rather than speed."""

    spec, channels, pairs = _spec(5), 48, 6


class RillP(Rill):
    """For one picture: 32 channels, 6 pairs: 117,932 parameters, 29,376 MAC per pixel."""

    spec, channels, pairs = _spec(1), 32, 6

    def _first(self, channels: int) -> BalancedConv:
        return BalancedConv(3, 0, channels)

    def _head(self, channels: int) -> nn.Sequential:
        return nn.Sequential(same2d(channels, 3 * FOLD**2), nn.PixelShuffle(FOLD))

    def forward(self, window: Tensor) -> Tensor:
        """The clean picture.

        Args:
            window: (B, 1, 3, H, W); H and W multiples of 2.

        Returns:
            (B, 3, H, W), not clamped.
        """
        feature = self.body(relu(self.first(pixel_unshuffle(window[:, 0], FOLD))))  # (B, C, H/2, W/2)
        return self.head(feature) + window[:, 0]
