"""PReNet (Ren et al., CVPR 2019): one small network applied six times, with an LSTM between the iterations.

Each iteration takes the rainy picture and the last estimate, and gives the next estimate of the clean picture. The
weights are shared, so six iterations cost six times the work of one without more parameters.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from restill.errors import RestillError
from restill.networks.prednet import same2d
from restill.networks.published import Published
from restill.networks.spec import NetworkSpec

BLOCKS = 5
State = tuple[Tensor, Tensor]  # hidden and cell, (B, C, H, W) each


class ConvLSTM(nn.Module):
    """An LSTM whose four gates are 3x3 convolutions of the input and the hidden state."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.i = same2d(2 * channels, channels)
        self.f = same2d(2 * channels, channels)
        self.g = same2d(2 * channels, channels)
        self.o = same2d(2 * channels, channels)

    def forward(self, x: Tensor, state: State) -> State:
        """Input (B, C, H, W) and the state before -> the state after."""
        hidden, cell = state
        both = torch.cat([x, hidden], 1)  # (B, 2C, H, W)
        cell = self.f(both).sigmoid() * cell + self.i(both).sigmoid() * self.g(both).tanh()  # (B, C, H, W)
        return self.o(both).sigmoid() * cell.tanh(), cell


class ResidualBlock(nn.Module):
    """relu(relu(conv(relu(conv(x)))) + x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = same2d(channels, channels)
        self.b = same2d(channels, channels)
        self.relu = nn.ReLU()  # a module as in the authors' code, for tools that count modules

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.relu(self.b(self.relu(self.a(x)))) + x)


class PReNet(nn.Module):
    """32 channels, 6 iterations: 168,963 parameters.

    Every module runs once an iteration; a hook records the last one.

    Args:
        channels: Of all features.
        iterations: Number of iterations; weights work for any number near the one they were trained with.

    Raises:
        RestillError: ``iterations`` is below 1.
    """

    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="derain",
        paper="PReNet, CVPR 2019",
        frames_before=0,
        frames_after=0,
        feature="head@last:input",
        head="head",
        residual=True,
        levels=("body.0@last", "body.2@last", "body.4@last"),
    )
    published: ClassVar[Published] = Published(
        "csdwren/PReNet: PReNet, of any number of iterations",
        rename=(
            (r"^conv0\.0\.", "first."),
            (r"^conv_([ifgo])\.0\.", r"lstm.\1."),
            *((rf"^res_conv{block + 1}\.0\.", f"body.{block}.a.") for block in range(BLOCKS)),
            *((rf"^res_conv{block + 1}\.2\.", f"body.{block}.b.") for block in range(BLOCKS)),
            (r"^conv\.0\.", "head."),
        ),
    )

    def __init__(self, channels: int = 32, iterations: int = 6) -> None:
        super().__init__()
        if iterations < 1:
            raise RestillError(f"iterations {iterations} must be at least 1")
        self.iterations = iterations
        self.first = same2d(6, channels)
        self.relu = nn.ReLU()
        self.lstm = ConvLSTM(channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(BLOCKS)))
        self.head = same2d(channels, 3)

    def forward(self, window: Tensor) -> Tensor:
        """Clean picture.

        Args:
            window: (B, 1, 3, H, W), RGB in [0, 1], any H and W.

        Returns:
            (B, 3, H, W), not clamped: the estimate of the last iteration.
        """
        rainy = window[:, 0]  # (B, 3, H, W)
        estimate = rainy
        nothing = torch.zeros_like(rainy[:, :1]).expand(-1, self.first.out_channels, -1, -1)  # (B, C, H, W)
        state = nothing, nothing
        for _ in range(self.iterations):
            x = self.relu(self.first(torch.cat([rainy, estimate], 1)))  # (B, C, H, W)
            state = self.lstm(x, state)
            estimate = self.head(self.body(state[0])) + rainy  # (B, 3, H, W)
        return estimate
