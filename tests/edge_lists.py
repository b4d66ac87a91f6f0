"""Small sparse matrices as edge lists, with the same product done densely: what a back end is
tested on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.sparse import CSR
from graphcond.sparse.pattern import Pattern


@final
@dataclass(frozen=True)
class EdgeList:
    """Places of a sparse matrix in input order, on the host; repeated ones count each.

    Args:
        row: Row ids [m].
        col: Column ids [m].
        size: Numbers of rows and columns (R, C).

    Example:
        >>> edges = EdgeList(torch.tensor([0, 0]), torch.tensor([1, 1]), (1, 2))
        >>> edges.dense(torch.tensor([2.0, 3.0]))
        tensor([[0., 5.]])
    """

    row: Tensor
    col: Tensor
    size: tuple[int, int]

    @classmethod
    def empty(cls, size: tuple[int, int]) -> EdgeList:
        """Return a matrix without entries.

        Args:
            size: (R, C).
        """
        nothing = torch.zeros(0, dtype=torch.long)
        return cls(nothing, nothing, size)

    @classmethod
    def random(
        cls, size: tuple[int, int], edges: int, seed: int, dtype: torch.dtype = torch.int64
    ) -> EdgeList:
        """Return random places with every oddity: two edges come twice, the last two rows are
        empty, and the last column is isolated.

        Args:
            size: (R, C), R at least 3 and C at least 2.
            edges: Their number m, at least 4.
            seed: Of the draw.
            dtype: Of the ids.
        """
        make = torch.Generator().manual_seed(seed)
        row = torch.randint(0, size[0] - 2, (edges - 2,), generator=make)
        col = torch.randint(0, size[1] - 1, (edges - 2,), generator=make)
        twice = torch.cat([row, row[:2]]), torch.cat([col, col[:2]])
        return cls(twice[0].to(dtype), twice[1].to(dtype), size)

    @property
    def edges(self) -> int:
        """Number of entries m."""
        return self.row.numel()

    @property
    def csr(self) -> CSR:
        """The matrix on the host."""
        return CSR.from_edges(self.row, self.col, self.size)

    def on(self, device: torch.device, dtype: torch.dtype = torch.int32) -> CSR:
        """Return the matrix on a device.

        Args:
            device: Where it lies.
            dtype: Of its indices.
        """
        made = CSR.from_edges(self.row.to(device), self.col.to(device), self.size)
        pattern = Pattern(made.indptr.to(dtype), made.indices.to(dtype), self.size)
        return CSR(pattern, None, made.perm)

    def dense(self, weight: Tensor) -> Tensor:
        """Return the dense matrix [R, C] of weights in input order, differentiably.

        Args:
            weight: Entries [m].
        """
        empty = torch.zeros(self.size, dtype=weight.dtype)
        return empty.index_put((self.row.long(), self.col.long()), weight, accumulate=True)
