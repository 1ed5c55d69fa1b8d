"""The PredNet family of CSTD (Collaborative Spatial-Temporal Distillation, ICME 2023): teacher and three students.

3-D convolutions, ReLU and local residuals. There is no global skip: the output is the picture.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import relu

from restill.errors import RestillError
from restill.networks.blocks.onednn import Conv3d
from restill.networks.spec import NetworkSpec

PAPER = "CSTD, ICME 2023, Table 2"
SMALL = 0.1


def same3d(c_in: int, c_out: int) -> nn.Conv3d:
    """``S``: keeps time and size."""
    return Conv3d(c_in, c_out, 3, padding=1)


def shorten3d(c_in: int, c_out: int) -> nn.Conv3d:
    """``X``: kernel (2, 3, 3), one frame shorter."""
    return Conv3d(c_in, c_out, (2, 3, 3), padding=(0, 1, 1))


def same2d(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1)


class ResidualPair(nn.Module):
    """relu(conv(relu(conv(x))) + x)."""

    def __init__(self, make_conv, channels: int) -> None:
        super().__init__()
        self.a = make_conv(channels, channels)
        self.b = make_conv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return relu(self.b(relu(self.a(x))) + x)


class PredNet(nn.Module):
    """The body of all four: conv1, a residual pair, then (transition, residual pair) per letter of ``transitions``.

    ``S`` keeps the number of frames, ``X`` removes one, ``2`` is a 2-D convolution. A trailing ``!`` means that the
    last transition has no residual pair (Student #2).

    Args:
        channels: In all features; by default the network's own.
        start: Initial weights: PyTorch's "random" ones, or "picture", with which the center frame comes out nearly
            unchanged. Short trainings need "picture" (ours; not in the paper).

    Raises:
        RestillError: ``start`` has another value.
    """

    spec: ClassVar[NetworkSpec]
    channels: ClassVar[int]
    transitions: ClassVar[str]

    def __init__(self, channels: int | None = None, start: Literal["random", "picture"] = "random") -> None:
        super().__init__()
        c = channels or self.channels
        self.flat = self.transitions.startswith("2")
        keep = same2d if self.flat else same3d
        self.first = keep(3, c)
        self.first_pair = ResidualPair(keep, c)
        pattern = self.transitions.rstrip("!")
        pairs = len(pattern) - self.transitions.count("!")
        self.transition = nn.ModuleList(shorten3d(c, c) if kind == "X" else keep(c, c) for kind in pattern)
        self.pair = nn.ModuleList(ResidualPair(keep, c) for _ in range(pairs))
        self.head = keep(c, 3)
        if start == "picture":
            self._start_at_picture()
        elif start != "random":
            raise RestillError(f"start of PredNet must be random or picture, not '{start}'")

    @torch.no_grad()
    def _start_at_picture(self) -> None:
        """Set weights with which the center frame comes out nearly unchanged."""
        pairs: list[Any] = [self.first_pair, *self.pair]
        for pair in pairs:
            pair.b.weight *= SMALL  # the pair is nearly the identity
        shortened = 0
        layers: list[Any] = [self.first, *self.transition, self.head]
        for layer in layers:
            weight: torch.Tensor = layer.weight  # (C', C, [K,] 3, 3)
            frame: tuple[int, ...] = () if self.flat else (1,)
            if layer.kernel_size[0] == 2:  # one frame less: keep the later of two, then the earlier, in turn
                frame = (1 - shortened % 2,)
                shortened += 1
            if layer is not self.first:
                weight *= SMALL
            for channel in range(min(weight.shape[:2])):
                if layer is self.first:
                    weight[channel] = 0
                weight[(channel, slice(None), *frame, 1, 1)] = 0
                weight[(channel, channel, *frame, 1, 1)] = 1
            layer.bias.zero_()

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Derain the center frame.

        Args:
            window: (B, K, 3, H, W), K this network's number of frames, any H and W.

        Returns:
            (B, 3, H, W), not clamped.
        """
        x = window[:, 0] if self.flat else window.transpose(1, 2)  # (B, 3, H, W) or (B, 3, K, H, W)
        f = self.first_pair(relu(self.first(x)))  # (B, C, [K,] H, W)
        for j, transition in enumerate(self.transition):
            f = relu(transition(f))  # X: K - 1 frames
            if j < len(self.pair):
                f = self.pair[j](f)
        out = self.head(f)  # (B, 3, [1,] H, W): one frame is left
        return out if self.flat else out[:, :, 0]


def _spec(frames: int, levels: tuple[str, str] = ("pair.1", "pair.3")) -> NetworkSpec:
    k = frames // 2
    return NetworkSpec(
        task="derain",
        paper=PAPER,
        frames_before=k,
        frames_after=k,
        feature="head:input",
        head="head",
        levels=(*levels, "head:input"),
    )


class Teacher(PredNet):
    """22 convolutions, 64 channels, 7 frames: 2,002,371 parameters."""

    spec, channels, transitions = _spec(7), 64, "XXXXXX"


class Student1(PredNet):
    """22 convolutions, 16 channels, 3 frames: 136,563 parameters."""

    spec, channels, transitions = _spec(3), 16, "SSSSXX"


class Student2(PredNet):
    """14 convolutions (the paper says 13), 16 channels, 3 frames: 81,139 parameters."""

    spec, channels, transitions = _spec(3, ("pair.0", "pair.1")), 16, "SXXS!"


class Student3(PredNet):
    """22 two-dimensional convolutions, 32 channels, one frame: 186,723 parameters."""

    spec, channels, transitions = _spec(1), 32, "222222"
