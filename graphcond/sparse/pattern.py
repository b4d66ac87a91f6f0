"""The places of a sparse matrix's entries: int32 indices, the transpose and the way between them,
built once and shared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

_INT32_MAX = 2**31 - 1


def index_dtype(nnz: int, size: tuple[int, int]) -> torch.dtype:
    """Return int32 where the entry count and both sides fit it, else int64."""
    if max(nnz, *size) <= _INT32_MAX:
        return torch.int32
    return torch.int64


def indptr_of(row: Tensor, num_rows: int, dtype: torch.dtype) -> Tensor:
    """Return the row pointer ``[num_rows + 1]`` of row ids in any order."""
    indptr = torch.zeros(num_rows + 1, dtype=torch.int64, device=row.device)
    # Summed in 64 bits: cumsum of a narrower type would convert it anyway.
    torch.cumsum(torch.bincount(row, minlength=num_rows), 0, out=indptr[1:])
    return indptr.to(dtype)


def bare(indices: Tensor) -> Tensor:
    """Return index tensors as they are outside of ``torch.func`` transforms, inside which what is
    cached would die with them.
    """
    while torch._C._functorch.is_functorch_wrapped_tensor(indices):
        if torch._C._functorch.is_batchedtensor(indices):
            raise RuntimeError(
                "The places of a sparse matrix cannot be mapped over by vmap. Build the matrices"
                " outside of it."
            )
        indices = torch._C._functorch.get_unwrapped(indices)
    return indices


class RowPieces(NamedTuple):
    """How long rows are split, so that no program sums a hub alone.

    Attributes:
        row: Row of each piece.
        part: Its number in the row.
        slot: Its place among partial sums; -1 for a whole row.
        long_row: Rows of several pieces.
        long_slot: Where the slots of each begin, and the end.
        slots: Number of partial sums.
    """

    row: Tensor
    part: Tensor
    slot: Tensor
    long_row: Tensor
    long_slot: Tensor
    slots: int


@final
class _Side:
    """One orientation of a pattern, with what is made of it on first use."""

    __slots__ = ("indices", "indptr", "ones", "pieces", "row", "size")

    def __init__(self, indptr: Tensor, indices: Tensor, size: tuple[int, int]) -> None:
        self.indptr = bare(indptr)
        self.indices = bare(indices)
        self.size = size
        self.row: Tensor | None = None
        self.ones: dict[torch.dtype, Tensor] = {}
        self.pieces: RowPieces | None = None


@final
class _Store:
    """Both orientations of a pattern; no reference cycle, so its memory goes with the last view."""

    __slots__ = ("first", "orders", "second")

    def __init__(self, side: _Side) -> None:
        self.first = side
        self.second: _Side | None = None
        self.orders: list[Tensor | None] = [None, None]


@final
class Pattern:
    """The places of the non-zeros of a sparse matrix, and on request those of its transpose.

    Attributes:
        indptr: Row pointer ``[R + 1]``.
        indices: Column ids ``[nnz]``.
        size: ``(R, C)``.
    """

    __slots__ = ("_flip", "_store")

    def __init__(self, indptr: Tensor, indices: Tensor, size: tuple[int, int]) -> None:
        self._store = _Store(_Side(indptr, indices, size))
        self._flip = 0

    @property
    def _side(self) -> _Side:
        if self._flip == 0:
            return self._store.first
        return self._store.second or self._build()

    def _build(self) -> _Side:
        """Make the transposed side, by a stable sort."""
        other = self._store.first
        rows, cols = other.size
        # Stable, so that rows rise within a column: both sides then are read in memory's order.
        order = torch.argsort(other.indices, stable=True)
        indptr = indptr_of(other.indices, cols, other.indptr.dtype)
        side = _Side(indptr, _row_ids(other)[order], (cols, rows))
        self._store.second = side
        self._store.orders[1] = bare(order.to(other.indices.dtype))
        return side

    @property
    def indptr(self) -> Tensor:
        """Row pointer ``[R + 1]``."""
        return self._side.indptr

    @property
    def indices(self) -> Tensor:
        """Column ids ``[nnz]``."""
        return self._side.indices

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._side.size

    @property
    def nnz(self) -> int:
        """Number of stored entries, repeated ones counted."""
        return int(self._side.indices.numel())

    @property
    def device(self) -> torch.device:
        """Where the indices live."""
        return self._side.indices.device

    @property
    def row(self) -> Tensor:
        """Row ids ``[nnz]``, built once."""
        return _row_ids(self._side)

    def ones(self, dtype: torch.dtype) -> Tensor:
        """Return ones ``[nnz]``, built once for each type."""
        known = self._side.ones
        if dtype not in known:
            known[dtype] = bare(torch.ones(self.nnz, dtype=dtype, device=self.device))
        return known[dtype]

    def pieces(self, make: Callable[[Tensor], RowPieces]) -> RowPieces:
        """Return the pieces of long rows, made from ``indptr`` once."""
        side = self._side
        if side.pieces is None:
            side.pieces = make(side.indptr)
        return side.pieces

    @property
    def T(self) -> Pattern:  # noqa: N802
        """The transposed pattern; both share one store."""
        view = object.__new__(Pattern)  # past the constructor, which would make a second store
        view._store = self._store
        view._flip = 1 - self._flip
        return view

    @property
    def order(self) -> Tensor:
        """For each entry of the transpose, its position here ``[nnz]``."""
        order = self._store.orders[1 - self._flip]
        if order is not None:
            return order
        if self._flip == 0:
            self.T._build()
            return self.order
        # A permutation's inverse by scattering its places: no second sort.
        forward = self.T.order
        places = torch.arange(forward.numel(), dtype=forward.dtype, device=forward.device)
        inverse = torch.empty_like(forward).scatter_(0, forward.long(), places)
        self._store.orders[0] = bare(inverse)
        return bare(inverse)


def _row_ids(side: _Side) -> Tensor:
    if side.row is None:
        counts = side.indptr.diff().long()
        ids = torch.arange(side.size[0], dtype=side.indices.dtype, device=side.indices.device)
        # Told its size, repeat_interleave need not ask the device for it.
        row = torch.repeat_interleave(ids, counts, output_size=int(side.indices.numel()))
        side.row = bare(row)
    return side.row
