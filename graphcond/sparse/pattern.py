"""The places of a sparse matrix's entries: int32 indices, the transpose and the way between them,
built once and shared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

_INT32_MAX = 2**31 - 1


def index_dtype(nnz: int, size: tuple[int, int]) -> torch.dtype:
    """Return int32 where the entry count and both sides fit it, else int64."""
    return torch.int32 if max(nnz, *size) <= _INT32_MAX else torch.int64


def indptr_of(row: Tensor, num_rows: int, dtype: torch.dtype) -> Tensor:
    """Return the row pointer ``[num_rows + 1]`` of row ids in any order."""
    indptr = torch.zeros(num_rows + 1, dtype=torch.int64, device=row.device)
    torch.cumsum(torch.bincount(row, minlength=num_rows), 0, out=indptr[1:])
    return indptr.to(dtype)


Transposer: TypeAlias = "Callable[[], tuple[Pattern, Callable[[], Tensor]]]"


def bare(indices: Tensor) -> Tensor:
    """Return index tensors as they are outside of ``torch.func`` transforms, inside which what is
    cached would die with them.
    """
    while torch._C._functorch.is_functorch_wrapped_tensor(indices):
        if torch._C._functorch.is_batchedtensor(indices):
            raise RuntimeError(
                "vmap over the places of a sparse matrix is not possible; build the matrices"
                " outside and make them block_diagonal."
            )
        indices = torch._C._functorch.get_unwrapped(indices)
    return indices


def on_host(tensor: Tensor) -> bool:
    """Whether NumPy can look at a tensor's memory: on CPU, outside of ``torch.func`` transforms and
    compilation.
    """
    return tensor.is_cpu and not (
        torch._C._are_functorch_transforms_active() or torch.compiler.is_compiling()
    )


@final
class _Side:
    """One orientation of a pattern, with what the back ends cache about it."""

    __slots__ = ("cache", "indices", "indptr", "size")

    def __init__(self, indptr: Tensor, indices: Tensor, size: tuple[int, int]) -> None:
        self.indptr = bare(indptr)
        self.indices = bare(indices)
        self.size = size
        self.cache: dict[Any, Any] = {}


@final
class _Store:
    """Both orientations of a pattern; no reference cycle, so its memory goes with the last view."""

    __slots__ = ("order_later", "orders", "sides", "transposer")

    def __init__(self, side: _Side) -> None:
        self.sides: list[_Side | None] = [side, None]
        self.orders: list[Tensor | None] = [None, None]
        self.transposer: Transposer | None = None
        self.order_later: Callable[[], Tensor] | None = None


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
        side = self._store.sides[self._flip]
        return side if side is not None else self._build()

    def _build(self) -> _Side:
        other = self._store.sides[0]
        if other is None:
            raise RuntimeError("a pattern always has its first side")
        if self._store.transposer is not None:
            built, self._store.order_later = self._store.transposer()
            self._store.sides[1], self._store.transposer = built._side, None
            return built._side
        rows, cols = other.size
        order = torch.argsort(other.indices, stable=True)
        indptr = indptr_of(other.indices, cols, other.indptr.dtype)
        indices = _row_ids(other)[order]
        side = _Side(indptr, indices, (cols, rows))
        self._store.sides[1] = side
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

    @property
    def cache(self) -> dict[Any, Any]:
        """What back ends keep about this orientation (ones, row pieces)."""
        return self._side.cache

    def transpose_by(self, transposer: Transposer) -> None:
        """Say how to build the transpose on first use, where that is cheaper than sorting.

        Args:
            transposer: Gives the transposed pattern, and what gives the position here of each of
                its entries if that is asked for.
        """
        self._store.transposer = transposer

    @property
    def T(self) -> Pattern:  # noqa: N802
        """The transposed pattern; both share one store."""
        view = object.__new__(Pattern)
        view._store, view._flip = self._store, 1 - self._flip
        return view

    @property
    def order(self) -> Tensor:
        """For each entry of the transpose, its position here ``[nnz]``."""
        order = self._store.orders[1 - self._flip]
        if order is not None:
            return order
        if self._flip == 0:
            if self._store.sides[1] is None:
                self.T._build()
            if self._store.order_later is not None:
                self._store.orders[1], self._store.order_later = (
                    bare(self._store.order_later()),
                    None,
                )
            return self.order
        forward = self.T.order
        places = torch.arange(forward.numel(), dtype=forward.dtype, device=forward.device)
        inverse = torch.empty_like(forward).scatter_(0, forward.long(), places)
        self._store.orders[0] = bare(inverse)
        return bare(inverse)


def _row_ids(side: _Side) -> Tensor:
    row = side.cache.get("row")
    if row is None:
        counts = side.indptr.diff().long()
        ids = torch.arange(side.size[0], dtype=side.indices.dtype, device=side.indices.device)
        row = torch.repeat_interleave(ids, counts, output_size=int(side.indices.numel()))
        row = bare(row)
        side.cache["row"] = row
    return row
