"""Sums and shards across processes; with one process every function is the identity."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Return the number of processes (1 without an initialised process group)."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return 1


def rank() -> int:
    """Return this process's index in [0, world_size)."""
    if world_size() > 1:
        return dist.get_rank()
    return 0


def all_sum(value: Tensor) -> Tensor:
    """Return the sum of ``value`` over all processes.

    Args:
        value: Any tensor; it is not modified.

    Returns:
        A tensor of the same shape, equal on every process.
    """
    if world_size() == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total


def shard(total: int) -> range:
    """Return the indices of [0, total) that this process owns, contiguous and balanced within one.

    Args:
        total: Number of items over all processes.

    Returns:
        A range; the ranges of all processes tile [0, total).
    """
    each, extra = divmod(total, world_size())
    start = rank() * each + min(rank(), extra)
    return range(start, start + each + (rank() < extra))
