"""What a run does to its networks before it trains: noise against 8 bits, and compiling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restill.distillation.method import Method
from restill.training.recipe import Run

STEPS = 255  # of 8 bits
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prepare_networks(method: Method, run: Run) -> None:
    """Apply the fields ``rounding_noise`` and ``compile`` of a recipe to a method's networks."""
    if run.rounding_noise:
        add_rounding_noise(method.student)
    if run.compile:
        for network in (method.student, method.teacher):
            if network is not None:
                network.compile(dynamic=False)


def add_rounding_noise(network: nn.Module) -> None:
    """Add noise to the output of every convolution while a network trains, of the size of rounding to 8 bits.

    The noise grows with the largest value of a feature. So training also learns to do without outliers, which make the
    steps of 8 bits coarse for all other values.

    Args:
        network: The network; its weights and its outputs in eval mode stay as they are.
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            module.register_forward_hook(_add_noise)


def _add_noise(module: nn.Module, _: Any, feature: Tensor) -> Tensor:
    """Uniform noise of one step; (B, C, ...) of any size."""
    if not module.training:
        return feature
    step = feature.detach().abs().amax() / STEPS
    return feature + (torch.rand_like(feature) - 0.5) * step
