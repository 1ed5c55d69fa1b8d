"""What methods need so that several processes (torchrun) give the result of one process on the whole batch.

A loss that is a mean over samples needs none of this: the loop averages gradients. Statistics over the batch, and
random numbers for each sample, do.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes, without gradient; the tensor itself where there is one process.

    Args:
        value: Any shape, the same in every process, each process's mean over its own samples.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def random_rows(*shape: int, like: Tensor) -> Tensor:
    """Normal random numbers, one row a sample: this process's rows of what one process would have drawn.

    Args:
        shape: (B, ...), B samples in this process.
        like: Gives dtype and device.
    """
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    rows = torch.randn(shape[0] * processes, *shape[1:])
    return rows[rank * shape[0] : (rank + 1) * shape[0]].to(like)
