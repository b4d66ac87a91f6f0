"""A sparse matrix by rows, its transpose and its edge permutation at hand."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.functions import permute
from graphcond.sparse.pattern import Pattern, bare, index_dtype, indptr_of

_INT32_MAX = 2**31 - 1


@final
class CSR:
    """A sparse matrix by rows, with repeated entries kept, and its transpose at hand.

    Entry ``e`` of row ``i`` lies at ``indptr[i] <= e < indptr[i + 1]``, in column ``indices[e]``;
    it came from input edge ``perm[e]``. Changing ``value`` keeps the pattern and everything cached
    about it (:meth:`with_value`).

    Args:
        pattern: Places of the entries.
        value: Entries ``[nnz]`` in CSR order, or None for ones. May require gradients.
        perm: CSR position to input edge id ``[nnz]`` int64; None is the identity. -1 marks entries
            that no input edge has.

    Attributes:
        pattern: Places of the entries, shared by all matrices that differ in entries alone.
        value: Entries ``[nnz]`` or None.

    Example:
        >>> csr = CSR.from_edges(torch.tensor([1, 0, 1]), torch.tensor([2, 0, 0]), size=(2, 3))
        >>> csr.indptr.tolist(), csr.indices.tolist(), csr.perm.tolist()
        ([0, 1, 3], [0, 0, 2], [1, 2, 0])
    """

    __slots__ = ("_origin", "_perm", "_transpose", "pattern", "value")

    def __init__(
        self, pattern: Pattern, value: Tensor | None = None, perm: Tensor | None = None
    ) -> None:
        require(
            value is None or tuple(value.shape) == (pattern.nnz,),
            f"`value` must be of shape [nnz], but found value = {shape_of(value)!r}, nnz ="
            f" {pattern.nnz!r}. Give one number for each stored entry, in CSR order.",
        )
        self.pattern = pattern
        self.value = value
        self._perm = perm
        if perm is not None:
            self._perm = bare(perm)
        self._origin: CSR | None = None
        self._transpose: CSR | None = None

    @classmethod
    def from_edges(
        cls, row: Tensor, col: Tensor, size: tuple[int, int], value: Tensor | None = None
    ) -> CSR:
        """Build from coordinates in any order; repeated ones stay, in input order.

        Args:
            row: Row ids ``[m]``, int32 or int64, in [0, R).
            col: Column ids ``[m]``, in [0, C).
            size: ``(R, C)``.
            value: Entries ``[m]`` in input order, or None for ones. Gradients flow back to it.

        Returns:
            The matrix.

        Raises:
            InputError: For indices that are not integers, of unequal shape, or out of range.
        """
        _check_coordinates(row, col, size)
        num_rows, num_cols = size
        dtype = index_dtype(row.numel(), size)
        # Sorting reads each key several times: half as many bytes where a place fits 32 bits.
        if num_rows * num_cols <= _INT32_MAX:
            kind = torch.int32
        else:
            kind = torch.int64
        key = row.to(kind) * num_cols + col.to(kind)
        # Interactions mostly come in order, and a look at them costs a tenth of sorting.
        perm = None
        if not _rising(key):
            perm = torch.argsort(key, stable=True)
        if perm is None:
            columns = col.clone()  # the pattern must not change with the caller's tensor
        else:
            columns = col.index_select(0, perm)
        indptr = indptr_of(row, num_rows, dtype)
        csr = cls(Pattern(indptr, columns.to(dtype), (num_rows, num_cols)), None, perm)
        if value is None:
            return csr
        if perm is None:
            return csr.with_value(value.clone())
        return csr.with_value(value[perm])

    @classmethod
    def from_edge_index(
        cls, edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None
    ) -> CSR:
        """Build the propagation matrix of a PyG ``edge_index``: row = target, column = source.

        Args:
            edge_index: ``[2, m]``, sources above targets.
            num_nodes: Number of nodes n.
            edge_weight: ``[m]`` or None for ones.

        Returns:
            The matrix ``[n, n]``; ``spmm(csr, x)`` sums what flows into each node.

        Raises:
            InputError: As :meth:`from_edges`.
        """
        require(
            edge_index.dim() == 2 and edge_index.size(0) == 2,
            f"`edge_index` must be of shape [2, m], but its shape is {tuple(edge_index.shape)}. Row"
            " 0 holds the sources, row 1 the targets.",
        )
        # An EdgeIndex by itself keeps its class in torch 2.6.
        edge_index = edge_index.detach().as_subclass(Tensor)
        return cls.from_edges(edge_index[1], edge_index[0], (num_nodes, num_nodes), edge_weight)

    @property
    def indptr(self) -> Tensor:
        """Row pointer ``[R + 1]``."""
        return self.pattern.indptr

    @property
    def indices(self) -> Tensor:
        """Column ids ``[nnz]``."""
        return self.pattern.indices

    @property
    def row(self) -> Tensor:
        """Row ids ``[nnz]``, built once."""
        return self.pattern.row

    @property
    def perm(self) -> Tensor:
        """CSR position to input edge id ``[nnz]``, int64."""
        if self._perm is None and self._origin is not None:
            other = self._origin
            self._perm = bare(other.perm.index_select(0, other.pattern.order))
            self._origin = None
        if self._perm is None:
            self._perm = bare(torch.arange(self.nnz, device=self.device))
        return self._perm

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pattern.size

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return self.pattern.nnz

    @property
    def device(self) -> torch.device:
        """Where the indices live."""
        return self.pattern.device

    @property
    def T(self) -> CSR:  # noqa: N802
        """The transposed matrix; its pattern is built once, its ``perm`` names the same input
        edges.
        """
        if self._transpose is None:
            value = None
            if self.value is not None:
                value = permute(self.pattern, self.value)
            self._transpose = CSR(self.pattern.T, value)
            self._transpose._origin = self.with_value(None)
        return self._transpose

    def with_value(self, value: Tensor | None) -> CSR:
        """Return the same pattern with other entries.

        Args:
            value: ``[nnz]`` in CSR order, or None for ones.

        Returns:
            A matrix that shares the pattern and its transpose.
        """
        other = CSR(self.pattern, value, self._perm)
        other._origin = self._origin
        return other

    def to_dense(self) -> Tensor:
        """Return the dense matrix ``[R, C]``, repeated entries added; for tests and small
        graphs.
        """
        if self.value is not None:
            value = self.value
        else:
            value = torch.ones(self.nnz, device=self.device)
        dense = value.new_zeros(self.size)
        return dense.index_put((self.row.long(), self.indices.long()), value, accumulate=True)

    def to(self, device: torch.device | str) -> CSR:
        """Return the matrix on another device (caches are rebuilt there)."""
        if torch.device(device) == self.device:
            return self
        pattern = Pattern(self.indptr.to(device), self.indices.to(device), self.size)
        value = self.value
        if value is not None:
            value = value.to(device)
        return CSR(pattern, value, self.perm.to(device))

    def __repr__(self) -> str:
        kind = "pattern"
        if self.value is not None:
            kind = str(self.value.dtype).removeprefix("torch.")
        return f"CSR(size={self.size}, nnz={self.nnz}, value={kind}, device={self.device})"


def shape_of(tensor: Tensor | None) -> tuple[int, ...] | None:
    """Return a tensor's shape for a message, None for none."""
    return None if tensor is None else tuple(tensor.shape)


def _rising(key: Tensor) -> bool:
    return bool((key[1:] >= key[:-1]).all())


def _check_coordinates(row: Tensor, col: Tensor, size: tuple[int, int]) -> None:
    kinds = (torch.int32, torch.int64)
    require(
        row.dtype in kinds and col.dtype in kinds,
        f"This needs integer row and column ids, but found row = {row.dtype!r}, col ="
        f" {col.dtype!r}. Convert them with `.long()`.",
    )
    require(
        row.dim() == 1 and row.shape == col.shape,
        f"This needs row and column ids of one shape [m], but found row = {tuple(row.shape)!r}, col"
        f" = {tuple(col.shape)!r}. Give one row and one column id for each entry.",
    )
    if row.numel() == 0:
        return  # nothing has a lowest or a highest id
    for name, ids, bound in (("row", row, size[0]), ("col", col, size[1])):
        low = int(ids.min())
        high = int(ids.max())
        require(
            low >= 0 and high < bound,
            f"This needs 0 <= {name} < {bound}, but found lowest = {low!r}, highest = {high!r}. Ids"
            " count from 0; give the true number of rows and columns.",
        )
