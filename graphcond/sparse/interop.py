"""Other libraries' sparse matrices in and out: EdgeIndex, torch CSR and COO, SparseTensor, scipy,
PyG's Data.

Nothing here computes. torch-sparse is accepted and returned, never computed with: it has no double
backward.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, cast

import torch
from torch import Tensor

from graphcond.errors import InputError, require
from graphcond.sparse.csr import CSR
from graphcond.sparse.pattern import Pattern, index_dtype


def as_csr(source: Any, num_nodes: int | None = None) -> CSR:
    """Return anything sparse as a CSR.

    A *matrix* (torch CSR or COO, scipy, ``SparseTensor``) keeps its rows and columns. An *edge
    list* (``edge_index`` ``[2, m]``, ``EdgeIndex``, ``Data`` with its ``edge_weight``) becomes the
    propagation matrix, rows = targets, as PyG's ``adj_t``.

    Args:
        source: Any of these, or a CSR.
        num_nodes: For edge lists that do not say it.

    Returns:
        The matrix, on the source's device. Entries are detached: to learn them, pass them to the
        products as ``value``.

    Raises:
        InputError: If ``source`` is none of these, or an edge list without a node count.

    Example:
        >>> as_csr(torch.eye(2).to_sparse())
        CSR(size=(2, 2), nnz=2, value=float32, device=cpu)
    """
    if isinstance(source, CSR):
        return source
    if isinstance(source, Tensor) and source.layout == torch.sparse_csr:
        return _from_torch_csr(source)
    if isinstance(source, Tensor) and source.layout == torch.sparse_coo:
        return _from_torch_coo(source)
    if isinstance(source, Tensor) and source.layout == torch.strided:
        return _from_edges(source, num_nodes)
    if hasattr(source, "tocsr"):
        return _from_scipy(source)
    if hasattr(source, "sparse_sizes") and hasattr(source, "coo"):
        row, col, value = source.coo()
        sizes = source.sparse_sizes()
        return CSR.from_edges(row, col, (int(sizes[0]), int(sizes[1])), _detached(value))
    if hasattr(source, "edge_index") and hasattr(source, "num_nodes"):
        weight = _detached(getattr(source, "edge_weight", None))
        if num_nodes is None:
            num_nodes = source.num_nodes
        return CSR.from_edge_index(source.edge_index, num_nodes, weight)
    raise InputError(
        f"This needs a sparse matrix or an edge list, but found {type(source).__name__}."
        " Give an `edge_index`, EdgeIndex, Data, torch CSR or COO, SparseTensor or scipy matrix."
    )


def _detached(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach()


def _from_torch_csr(source: Tensor) -> CSR:
    require(
        source.dim() == 2,
        f"This needs a sparse matrix of two dimensions, but found shape = {tuple(source.shape)}."
        " Take one matrix of the batch.",
    )
    size = (source.size(0), source.size(1))
    value = source.values().detach()
    dtype = index_dtype(source.values().numel(), size)
    return CSR(
        Pattern(source.crow_indices().to(dtype), source.col_indices().to(dtype), size), value
    )


def _from_torch_coo(source: Tensor) -> CSR:
    indices = source._indices()
    value = source._values().detach()
    require(
        source.dim() == 2 and value.dim() == 1,
        "This needs a sparse matrix of two dimensions with plain entries, but found shape ="
        f" {tuple(source.shape)}. Take one matrix of the batch.",
    )
    return CSR.from_edges(indices[0], indices[1], (source.size(0), source.size(1)), value)


def _from_edges(source: Tensor, num_nodes: int | None) -> CSR:
    if num_nodes is None and hasattr(source, "sparse_size"):
        sizes = [size for size in source.sparse_size() if size is not None]
        num_nodes = max(sizes) if len(sizes) == 2 else None
    if num_nodes is None:
        raise InputError(
            "`num_nodes` must be given with an `edge_index`. Isolated nodes cannot be seen from"
            " edges."
        )
    return CSR.from_edge_index(source, num_nodes)


def _from_scipy(source: Any) -> CSR:
    matrix = source.tocsr()
    size = (int(matrix.shape[0]), int(matrix.shape[1]))
    dtype = index_dtype(matrix.nnz, size)
    indptr = torch.as_tensor(matrix.indptr).to(dtype)
    indices = torch.as_tensor(matrix.indices).to(dtype)
    value = torch.as_tensor(matrix.data)
    if not value.is_floating_point():
        value = value.float()
    return CSR(Pattern(indptr, indices, size), value)


def to_edge_index(csr: CSR) -> tuple[Tensor, Tensor | None]:
    """Return PyG's ``edge_index`` ``[2, nnz]`` int64 (sources above targets) and the entries, in
    CSR order.
    """
    return torch.stack([csr.indices.long(), csr.row.long()]), csr.value


def to_pyg_edge_index(csr: CSR) -> Tensor:
    """Return a ``torch_geometric.EdgeIndex`` sorted by target; entries are not part of it (see
    :func:`to_edge_index`).
    """
    from torch_geometric import EdgeIndex

    rows, columns = csr.size
    return cast(
        Tensor, EdgeIndex(to_edge_index(csr)[0], sparse_size=(columns, rows), sort_order="col")
    )


def to_torch(csr: CSR, layout: torch.layout = torch.sparse_csr) -> Tensor:
    """Return a torch CSR or COO tensor, entries detached, ones where there are none.

    Args:
        csr: The matrix.
        layout: ``torch.sparse_csr`` or ``torch.sparse_coo``; COO comes uncoalesced if entries
            repeat.

    Raises:
        InputError: For other layouts.
    """
    if csr.value is None:
        value = torch.ones(csr.nnz, device=csr.device)
    else:
        value = csr.value.detach()
    require(
        layout in (torch.sparse_csr, torch.sparse_coo),
        f"`layout` must be CSR or COO, but it is {layout!r}. Convert further with torch.",
    )
    if layout == torch.sparse_csr:
        return torch.sparse_csr_tensor(
            csr.indptr, csr.indices, value, csr.size, check_invariants=False
        )
    return torch.sparse_coo_tensor(
        torch.stack([csr.row.long(), csr.indices.long()]), value, csr.size, check_invariants=False
    )


def to_scipy(csr: CSR) -> Any:
    """Return a ``scipy.sparse.csr_array``, repeated entries kept."""
    from scipy.sparse import csr_array

    value = torch.ones(csr.nnz) if csr.value is None else csr.value.detach()
    parts = (value.cpu().numpy(), csr.indices.cpu().numpy(), csr.indptr.cpu().numpy())
    return csr_array(parts, shape=csr.size)


def to_sparse_tensor(csr: CSR) -> Any:
    """Return a torch-sparse ``SparseTensor``, rows and columns as here (so what PyG calls
    ``adj_t``).

    Raises:
        InputError: If torch-sparse is not installed.
    """
    require(
        importlib.util.find_spec("torch_sparse") is not None,
        "This needs torch-sparse installed. Install it with `pip install --no-build-isolation"
        " torch-sparse`, or take `to_torch(csr)`, which PyG accepts too.",
    )
    kind = importlib.import_module("torch_sparse").SparseTensor
    return kind(
        row=csr.row.long(),
        col=csr.indices.long(),
        value=csr.value,
        sparse_sizes=csr.size,
        is_sorted=True,
    )


def to_data(csr: CSR) -> Any:
    """Return a ``torch_geometric.data.Data`` with ``edge_index``, ``edge_weight`` and
    ``num_nodes``.

    Raises:
        InputError: If the matrix is not square.
    """
    from torch_geometric.data import Data

    require(
        csr.size[0] == csr.size[1],
        f"This needs a square matrix, but found size = {csr.size!r}. Data holds one kind of node.",
    )
    edge_index, weight = to_edge_index(csr)
    return Data(edge_index=edge_index, edge_weight=weight, num_nodes=csr.size[0])
