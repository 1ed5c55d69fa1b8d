"""Helpers with which several processes (torchrun) give the result of one process on the whole batch.

A loss that is a mean over samples does not need them, because the loop averages gradients. Statistics over the batch
and random numbers for each sample do.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes, without gradient; the tensor itself if there is one process.

    Args:
        value: The mean over this process's samples; any shape, the same in every process.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def random_rows(*shape: int, like: Tensor) -> Tensor:
    """Normal random numbers, one row per sample: this process's rows of those that one process would draw.

    Args:
        shape: (B, ...), B samples in this process.
        like: Gives dtype and device.
    """
    processes = dist.get_world_size() if dist.is_initialized() else 1
    rows = torch.randn(shape[0] * processes, *shape[1:])
    first = first_row(shape[0])
    return rows[first : first + shape[0]].to(like)


def first_row(rows: int) -> int:
    """Index of this process's first sample in the whole batch, if each process has ``rows`` samples."""
    return dist.get_rank() * rows if dist.is_initialized() else 0


def all_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, in the order of the whole batch, for losses that compare samples with each other.

    Every process must compute the same loss from them. The gradient of this process's own rows is multiplied by the
    number of processes, and the other rows have none. The loop's average over the processes is then the gradient of
    one process.

    Args:
        rows: (B, ...), this process's; the same number in each process.

    Returns:
        (B * processes, ...); the tensor itself if there is one process.
    """
    if not dist.is_initialized():
        return rows
    processes = dist.get_world_size()
    every = [torch.empty_like(rows) for _ in range(processes)]
    dist.all_gather(every, rows.detach().contiguous())
    every[dist.get_rank()] = rows + (processes - 1) * (rows - rows.detach())  # the same value, a larger gradient
    return torch.cat(every)
