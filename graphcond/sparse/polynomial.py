"""Chebyshev and power recurrences T_k(L) x and L^k x on sparse or dense operators."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least
from graphcond.sparse.csr import CSR
from graphcond.sparse.spmm import spmm


def apply(
    operator: CSR | Tensor,
    x: Tensor,
    alpha: float = 1.0,
    beta: float = 0.0,
    z: Tensor | None = None,
) -> Tensor:
    r"""Return :math:`\alpha L x + \beta z` for a sparse or a dense operator.

    Args:
        operator: CSR or dense ``[n, n]``; gradients flow to its entries.
        x: ``[n, f]`` or ``[B, n, f]``.
        alpha: Factor of the product.
        beta: Factor of ``z``.
        z: As the result, or None.
    """
    if isinstance(operator, CSR):
        return spmm(operator, x, alpha=alpha, beta=beta, z=z)
    if z is not None and x.dim() == 2:
        return torch.addmm(z, operator, x, beta=beta, alpha=alpha)
    if alpha == 1.0:
        out = operator @ x
    else:
        out = alpha * (operator @ x)
    if z is None:
        return out
    return out + beta * z


def chebyshev(operator: CSR | Tensor, x: Tensor, order: int) -> list[Tensor]:
    r"""Return :math:`T_0(L)x, \dots, T_K(L)x`, by :math:`T_{k+1} = 2 L T_k - T_{k-1}`, one fused
    call a step.

    Args:
        operator: L, CSR or dense ``[n, n]``, eigenvalues in [-1, 1] (see
            :func:`~graphcond.sparse.scaled_laplacian`).
        x: ``[n, f]`` or ``[B, n, f]``.
        order: K >= 0.

    Returns:
        K + 1 tensors of the shape of ``x``, the first ``x`` itself.

    Raises:
        InputError: If ``order`` is negative or shapes do not match.

    Source: Defferrard et al. 2016, section 2.1.
    """
    _check(operator, x, order)
    terms = [x]
    if order >= 1:
        terms.append(apply(operator, x))
    for _ in range(order - 1):
        terms.append(apply(operator, terms[-1], 2.0, -1.0, terms[-2]))
    return terms


def powers(operator: CSR | Tensor, x: Tensor, order: int) -> list[Tensor]:
    r"""Return :math:`x, Lx, \dots, L^K x`.

    Args:
        operator: CSR or dense ``[n, n]``.
        x: ``[n, f]`` or ``[B, n, f]``.
        order: K >= 0.

    Returns:
        K + 1 tensors of the shape of ``x``.

    Raises:
        InputError: If ``order`` is negative or shapes do not match.
    """
    _check(operator, x, order)
    terms = [x]
    for _ in range(order):
        terms.append(apply(operator, terms[-1]))
    return terms


def _check(operator: CSR | Tensor, x: Tensor, order: int) -> None:
    require_at_least(0, "It is the highest degree.", order=order)
    if isinstance(operator, CSR):
        size = tuple(operator.size)
    else:
        size = tuple(operator.shape)
    require(
        len(size) == 2 and size[0] == size[1] and x.dim() in (2, 3) and x.size(-2) == size[1],
        f"This needs an operator [n, n] and `x` [n, f] or [B, n, f], but found operator = {size!r},"
        f" x = {tuple(x.shape)!r}. Rows of `x` are the operator's nodes.",
    )
