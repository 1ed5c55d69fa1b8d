"""What of a network stays as it is while the network takes part in training something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextmanager
def frozen_weights(network: nn.Module) -> Iterator[None]:
    """What the network computes meanwhile passes gradients on to its input, and none to its own parameters.

    Afterwards those that were trained are trained again, whatever happened in between.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch normalization computes as before, but its running mean and variance do not move."""
    moving = [m for m in network.modules() if isinstance(m, BATCH_NORMS) and m.training and m.track_running_stats]
    for module in moving:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in moving:
            module.track_running_stats = True
