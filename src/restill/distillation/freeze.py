"""Keep a network's weights or statistics fixed while it is used to train another network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextmanager
def frozen_weights(network: nn.Module) -> Iterator[None]:
    """Context manager in which gradients reach the network's input but not its parameters.

    On exit, also after an error, the parameters that were trained are trained again.
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
    """Context manager in which the running mean and variance of batch normalization do not change."""
    moving = [m for m in network.modules() if isinstance(m, BATCH_NORMS) and m.training and m.track_running_stats]
    for module in moving:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in moving:
            module.track_running_stats = True
