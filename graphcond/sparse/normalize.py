"""Degree normalisation by scaling nodes, differentiable in the edge weights to any order."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require, require_positive
from graphcond.sparse.csr import CSR
from graphcond.sparse.pattern import Pattern, indptr_of
from graphcond.sparse.sddmm import sddmm
from graphcond.sparse.spmm import spmm


def degree(csr: CSR, dtype: torch.dtype | None = None) -> Tensor:
    """Return the row sums ``[R]`` of the entries, differentiably.

    Args:
        csr: The matrix.
        dtype: Of the result where the matrix has no entries of its own; None is the default dtype.
    """
    if csr.value is None:
        return csr.indptr.diff().to(dtype or torch.get_default_dtype())
    return spmm(csr, csr.value.new_ones(csr.size[1]))


def scale(csr: CSR, left: Tensor, right: Tensor) -> CSR:
    """Return diag(left) A diag(right), differentiable in both scales and the entries.

    Args:
        csr: A ``[R, C]``.
        left: ``[R]``.
        right: ``[C]``.
    """
    value = sddmm(csr, left, right)
    if csr.value is not None:
        value = csr.value * value
    return csr.with_value(value)


def _inverse_sqrt(deg: Tensor) -> Tensor:
    positive = deg > 0
    # The inner `where` keeps 0 away from `rsqrt`, whose gradient there would be NaN.
    return torch.where(positive, torch.where(positive, deg, 1.0).rsqrt(), 0.0)


def gcn_norm(csr: CSR, self_loops: bool = True) -> CSR:
    r"""Return :math:`D^{-1/2} (A + I) D^{-1/2}`, D the row sums of A + I.

    Args:
        csr: A ``[n, n]``, rows = targets.
        self_loops: Whether nodes without a self-loop get one of weight 1 (as
            ``add_remaining_self_loops``); those entries have ``perm`` -1.

    Returns:
        The normalised matrix; rows and columns of degree 0 are zero.

    Raises:
        InputError: If A is not square.

    Source: Kipf and Welling 2017, equation 2; degrees as in
    ``torch_geometric.nn.conv.gcn_conv.gcn_norm`` (in-degrees for both sides).
    """
    _square(csr)
    if self_loops:
        full = add_self_loops(csr)
    else:
        full = csr
    root = _inverse_sqrt(degree(full))
    return scale(full, root, root)


def bipartite_norm(csr: CSR) -> CSR:
    r"""Return :math:`D_r^{-1/2} A D_c^{-1/2}`, with row sums and column sums; A may be rectangular.

    Source: He et al. 2020 (LightGCN), equation 3, for one of the two directions; ``.T`` is the
    other.
    """
    return scale(csr, _inverse_sqrt(degree(csr)), _inverse_sqrt(degree(csr.T)))


def scaled_laplacian(csr: CSR, lambda_max: float = 2.0) -> CSR:
    r"""Return :math:`2 L / \lambda_{max} - I` with :math:`L = I - D^{-1/2} A D^{-1/2}`.

    At ``lambda_max`` 2 that is :math:`-D^{-1/2} A D^{-1/2}`, and the pattern is that of A. Isolated
    nodes have L = 1 on the diagonal.

    Args:
        csr: A ``[n, n]``, meant symmetric and non-negative.
        lambda_max: Bound on the largest eigenvalue of L, > 0; 2 always bounds it.

    Returns:
        The scaled Laplacian, eigenvalues in [-1, 1].

    Raises:
        InputError: If A is not square or ``lambda_max`` is not positive.

    Source: Defferrard et al. 2016, section 2.1.
    """
    require_positive("2 bounds every normalised Laplacian.", lambda_max=lambda_max)
    normal = gcn_norm(csr, self_loops=False)
    if normal.value is None:
        raise RuntimeError("a normalised matrix has entries")
    factor = -2.0 / lambda_max
    # 2 L / λ - I = (2 / λ - 1) I - (2 / λ) Â: at λ = 2 no diagonal is stored.
    shift = 2.0 / lambda_max - 1.0
    scaled = normal.with_value(factor * normal.value)
    if shift == 0.0:
        return scaled
    return _with_diagonal(
        scaled, torch.full((csr.size[0],), shift, device=csr.device), everywhere=True
    )


def add_self_loops(csr: CSR) -> CSR:
    """Return A with weight 1 on the diagonal of every row that has no diagonal entry; new entries
    have ``perm`` -1.
    """
    _square(csr)
    return _with_diagonal(csr, torch.ones(csr.size[0], device=csr.device), everywhere=False)


def _with_diagonal(csr: CSR, diagonal: Tensor, everywhere: bool) -> CSR:
    """Append diagonal entries at the end of their rows; ``everywhere`` also where the row has one
    already.
    """
    row = csr.row.long()
    col = csr.indices.long()
    missing = torch.ones(csr.size[0], dtype=torch.bool, device=csr.device)
    if not everywhere:
        missing[row[row == col]] = False
    nodes = missing.nonzero().squeeze(1)
    rows = torch.cat([row, nodes])
    order = torch.argsort(rows, stable=True)
    pattern = Pattern(
        indptr_of(rows, csr.size[0], csr.indptr.dtype),
        torch.cat([col, nodes])[order].to(csr.indices.dtype),
        csr.size,
    )
    perm = torch.cat([csr.perm, csr.perm.new_full((nodes.numel(),), -1)])[order]
    if csr.value is None:
        return CSR(pattern, None, perm)
    value = torch.cat([csr.value, diagonal[nodes].to(csr.value.dtype)]).index_select(0, order)
    return CSR(pattern, value, perm)


def _square(csr: CSR) -> None:
    require(
        csr.size[0] == csr.size[1],
        f"This needs a square matrix, but found size = {csr.size!r}. Use `bipartite_norm` for"
        " rectangular ones.",
    )
