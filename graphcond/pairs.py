"""One number for each pair of ids: the only place where an id is multiplied by a count."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require

_LARGEST = 2**63 - 1


_NARROW = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
# The last three are hardly more than names in torch: not even their smallest value can be asked
# for. An id of 2^63 or more becomes negative, which every check of ids refuses.


def widened(ids: Tensor) -> Tensor:
    """Return ids of a narrow integer type in int64; other tensors as they are, for checks to see.

    As an index uint8 would be a mask, and products of narrow ids overflow.
    """
    if ids.dtype in _NARROW:
        return ids.long()
    return ids


def pair_keys(first: Tensor, second: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``first * C + second`` in int64: equal for equal pairs alone, ordered as pairs.

    Ids of any integer type are widened before they are multiplied. An int32 product overflows
    from 2^31 pairs on, a uint8 one from 256.

    Args:
        first: Ids in [0, R) of any shape, integers.
        second: Ids in [0, C) of a shape that broadcasts with it.
        size: ``(R, C)``, how many ids there are of each kind.

    Returns:
        Keys of the broadcast shape, int64.

    Raises:
        InputError: If R · C pairs cannot be told apart in 64 bits.

    Example:
        >>> users = torch.tensor([60_000], dtype=torch.int32)
        >>> pair_keys(users, torch.tensor([69_999], dtype=torch.int32), (60_001, 70_000)).tolist()
        [4200069999]
    """
    rows, columns = size
    require(
        rows * columns <= _LARGEST,
        f"Pairs of {rows} by {columns} ids cannot be told apart in 64 bits. Number the ids from 0"
        " without gaps.",
    )
    return first.long() * columns + second.long()
