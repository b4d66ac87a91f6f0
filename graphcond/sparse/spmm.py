"""The product of a sparse matrix with dense features, differentiable to any order."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.backends import forced
from graphcond.sparse.csr import CSR, shape_of
from graphcond.sparse.functions import Call, spmm_call


def spmm(
    csr: CSR,
    x: Tensor,
    value: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    z: Tensor | None = None,
) -> Tensor:
    r"""Return :math:`\alpha A x + \beta z` in one call.

    Differentiable in the entries, ``x`` and ``z``, by reverse and forward mode, to any order, under
    ``torch.func`` too.

    Args:
        csr: A ``[R, C]``.
        x: ``[C, f]``, ``[C]``, or a batch ``[B, C, f]``. A batch is copied to ``[C, B * f]`` and
            back; code that runs many steps should keep its features as ``[C, B * f]`` (B models
            side by side) and save those copies.
        value: Entries ``[nnz]`` in CSR order in place of ``csr.value``; for entries in input order
            pass ``w[csr.perm]``.
        alpha: Factor of the product.
        beta: Factor of ``z``.
        z: A tensor of the result's shape, or None.

    Returns:
        ``[R, f]``, ``[R]`` or ``[B, R, f]``, of the inputs' common dtype.

    Raises:
        InputError: If shapes do not match, or ``x`` is not of floating point.

    Source: the decisions on sparse message passing of this project: backward(SpMM) = SDDMM + SpMM
    on the transpose.

    Example:
        >>> csr = CSR.from_edges(torch.tensor([0, 0]), torch.tensor([0, 1]), size=(1, 2))
        >>> spmm(csr, torch.tensor([[1.0], [2.0]]), torch.tensor([3.0, 4.0]))
        tensor([[11.]])
    """
    if value is None:
        value = csr.value
    if z is None and x.dim() == 2 and _fits(csr, x, value):
        return spmm_call(Call(csr.pattern, forced(), float(alpha)), value, x)
    _check(csr, x, value, z)
    dtype = x.dtype
    if value is not None:
        dtype = torch.promote_types(x.dtype, value.dtype)
        value = value.to(dtype)
    x = x.to(dtype)
    call = Call(csr.pattern, forced(), float(alpha))
    if beta == 0.0:
        z = None  # 0 * z would be NaN where z is infinite
    if z is not None:
        z = z.to(dtype)
        call = call._replace(beta=float(beta))
    if x.dim() == 2:
        return spmm_call(call, value, x, z)
    if x.dim() == 1:
        if z is not None:
            z = z.unsqueeze(1)
        return spmm_call(call, value, x.unsqueeze(1), z).squeeze(1)
    batch, columns, width = x.shape
    wide = None
    if z is not None:
        wide = z.transpose(0, 1).reshape(csr.size[0], batch * width)
    out = spmm_call(call, value, x.transpose(0, 1).reshape(columns, batch * width), wide)
    return out.view(csr.size[0], batch, width).transpose(0, 1)


def _fits(csr: CSR, x: Tensor, value: Tensor | None) -> bool:
    """Whether nothing is to be said or converted; the checks and conversions below take a third of
    a small product's time.
    """
    if x.size(0) != csr.size[1] or not x.is_floating_point():
        return False
    return value is None or (
        value.dtype == x.dtype and value.dim() == 1 and value.size(0) == csr.nnz
    )


def _check(csr: CSR, x: Tensor, value: Tensor | None, z: Tensor | None) -> None:
    rows, columns = csr.size
    require(
        x.dim() in (1, 2, 3) and x.size(max(x.dim() - 2, 0)) == columns,
        f"`x` must be of shape [C], [C, f] or [B, C, f], but found x = {tuple(x.shape)!r}, matrix ="
        f" {csr.size!r}. Its nodes must be the columns of the matrix; use `csr.T` for the other"
        " direction.",
    )
    require(
        x.is_floating_point(),
        f"`x` must be of floating point, but its dtype is {x.dtype}. Convert it with `.float()`.",
    )
    require(
        value is None or tuple(value.shape) == (csr.nnz,),
        f"`value` must be of shape [nnz], but found value = {shape_of(value)!r}, nnz ="
        f" {csr.nnz!r}. Give one number for each stored entry, in CSR order (`w[csr.perm]`).",
    )
    if z is not None:
        if x.dim() > 1:
            shape = (*x.shape[:-2], rows, *x.shape[-1:])
        else:
            shape = (rows,)
        require(
            tuple(z.shape) == shape,
            f"`z` must be of the result's shape, but found z = {tuple(z.shape)!r}, result ="
            f" {shape!r}. It is added to the product.",
        )
