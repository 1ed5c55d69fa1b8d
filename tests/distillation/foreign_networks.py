"""A teacher and a student that the package has never heard of (no spec, other features), and CSTD around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restill.distillation.methods.cstd import CSTD, CSTDOptions

FOREIGN = {"teacher_feature": "encoder", "student_feature": "layers.1:input", "student_head": "layers.1"}


class ForeignTeacher(nn.Module):
    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(9, channels, 3, padding=1), nn.ReLU())
        self.decoder = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, window: Tensor) -> Tensor:
        return self.decoder(self.encoder(window.flatten(1, 2))) + window[:, 1]


class ForeignStudent(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv3d(3, channels, 3, padding=(0, 1, 1)), nn.Conv3d(channels, 3, 1)])

    def forward(self, window: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](window.transpose(1, 2)).tanh())[:, :, 0]


def wave(*shape: int, speed: float = 0.7, size: float = 0.5, at: float = 0.5) -> Tensor:
    """Numbers that need no random generator, so that they are the same everywhere."""
    count = int(torch.tensor(shape).prod())
    return (torch.sin(torch.arange(count, dtype=torch.float64) * speed) * size + at).view(shape).float()


def fill(module: nn.Module, speed: float, size: float) -> None:
    """Weights by :func:`wave`."""
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(wave(*parameter.shape, speed=speed + 0.1 * i, size=size, at=0))


def clip(batch: int = 1, frames: int = 4, h: int = 12, w: int = 12, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, frames, 3, h, w)
    return {"degraded": torch.rand(shape, generator=generator), "clean": torch.rand(shape, generator=generator)}


def foreign(**options: Any) -> CSTD:
    torch.manual_seed(0)
    return CSTD(ForeignTeacher(), ForeignStudent(), 1, CSTDOptions(**{"hidden": 4, **options}), **FOREIGN)


def total(losses: dict[str, Tensor], method: CSTD) -> Tensor:
    return torch.stack([method.default_weights[name] * value for name, value in losses.items()]).sum()


class TinyUnet(nn.Module):
    """Encoder, bottleneck and decoder with a skip; three frames in, one out. No spec."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(9, width, 3, padding=1), nn.LeakyReLU(0.1))
        self.bottleneck = nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1, stride=2), nn.LeakyReLU(0.1))
        self.decoder = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.LeakyReLU(0.1))
        self.refine = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.LeakyReLU(0.1))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, window: Tensor) -> Tensor:
        fine = self.encoder(window.flatten(1, 2))  # (B, W, H, W)
        coarse = self.decoder(self.bottleneck(fine))  # (B, W, H/2, W/2)
        back = nn.functional.interpolate(coarse, scale_factor=2)
        return self.last(self.refine(torch.cat([fine, back], 1))) + window[:, 1]


# where each role of restill.distillation.feature_paths is found in a TinyUnet
UNET_PLACES = {
    "feature": "last:input",
    "lr": "refine",
    "levels": ["encoder", "decoder", "refine"],
    "encoder": ["encoder", "bottleneck"],
    "decoder": ["decoder", "refine"],
    "embedding": "bottleneck",
}
