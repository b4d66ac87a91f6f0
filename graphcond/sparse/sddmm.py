"""Inner products at the places of a sparse matrix, differentiable to any order."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.backends import forced
from graphcond.sparse.csr import CSR
from graphcond.sparse.functions import Call, sddmm_call


def sddmm(csr: CSR, a: Tensor, b: Tensor) -> Tensor:
    r"""Return :math:`s_e = \langle a_{row(e)}, b_{col(e)} \rangle` for every stored entry;
    ``csr.value`` plays no part.

    Args:
        csr: The places ``[R, C]``.
        a: ``[R, f]``, or ``[R]``.
        b: ``[C, f]``, or ``[C]``.

    Returns:
        ``[nnz]`` in CSR order.

    Raises:
        InputError: If shapes do not match, or an input is not of floating point.

    Example:
        >>> csr = CSR.from_edges(torch.tensor([0, 0]), torch.tensor([0, 1]), size=(1, 2))
        >>> sddmm(csr, torch.tensor([[2.0]]), torch.tensor([[3.0], [5.0]]))
        tensor([ 6., 10.])
    """
    fits = a.dim() == b.dim() == 2 and a.size(1) == b.size(1) and (a.size(0), b.size(0)) == csr.size
    if not (fits and a.dtype == b.dtype and a.is_floating_point()):
        a, b = _matched(csr, a, b)
    return sddmm_call(Call(csr.pattern, forced()), a, b)


def _matched(csr: CSR, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return both sides as matrices of one dtype, or say what does not match."""
    if a.dim() == 1:
        a = a.unsqueeze(1)
    if b.dim() == 1:
        b = b.unsqueeze(1)
    require(
        a.dim() == b.dim() == 2 and (a.size(0), b.size(0)) == csr.size and a.size(1) == b.size(1),
        f"`a` must have the shape [R, f] and `b` [C, f], but found a = {tuple(a.shape)!r}, b ="
        f" {tuple(b.shape)!r}, matrix = {csr.size!r}. Rows of `a` are rows of the matrix, rows of"
        " `b` its columns, both of one width.",
    )
    dtype = torch.promote_types(a.dtype, b.dtype)
    require(
        dtype.is_floating_point,
        f"This needs inputs of floating point, but found a = {a.dtype!r}, b = {b.dtype!r}. Convert"
        " them with `.float()`.",
    )
    return a.to(dtype), b.to(dtype)
