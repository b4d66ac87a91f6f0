"""B polynomial filters of one recurrence at once, with the backward pass by recurrence instead of
saved bases.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.backends import choose, dispatch
from graphcond.sparse.csr import CSR
from graphcond.sparse.polynomial import apply, chebyshev, powers

Basis = Literal["chebyshev", "power"]

KEPT_TERMS = 7
"""Up to so many terms it is faster to keep them for the backward pass than to compute them anew."""


class _Filter(torch.autograd.Function):
    """``sum_k lam[b, k] T_k(L) x``; the bases are computed anew in the backward pass, never
    kept.
    """

    @staticmethod
    def forward(csr: CSR, x: Tensor, lam: Tensor, basis: Basis) -> Tensor:
        backend = choose(csr.pattern, x, epilogue=True)
        return _fused(csr, x, lam, basis) if backend == "triton" else _plain(csr, x, lam, basis)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.csr, x, lam, ctx.basis = inputs
        ctx.save_for_backward(x, lam)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        csr, (x, lam), grad = ctx.csr, ctx.saved_tensors, grads[0]
        grad_x = grad_lam = None
        if ctx.needs_input_grad[1]:
            grad_x = _adjoint(csr.T, grad, lam, ctx.basis)
        if ctx.needs_input_grad[2]:
            grad_lam = torch.einsum(
                "nbf,knf->bk", grad, torch.stack(_terms(csr, x, lam.size(1) - 1, ctx.basis))
            )
        return None, grad_x, grad_lam, None


def polynomial_filter(csr: CSR, x: Tensor, lam: Tensor, basis: Basis = "chebyshev") -> Tensor:
    r"""Return :math:`y_b = \sum_k \lambda_{bk} T_k(L) x` for B filters from one recurrence.

    At large orders (K >= 7, and always in Triton) nothing but the inputs is kept between the
    passes: the backward pass runs Clenshaw's recurrence on the transpose and computes the terms
    anew for the gradient to :math:`\lambda`. At small ones, and where the operator's entries
    require gradients, the terms are kept. Differentiable to any order.

    Args:
        csr: L ``[n, n]``, see :func:`~graphcond.sparse.scaled_laplacian`.
        x: ``[n, f]``.
        lam: ``[B, K + 1]``.
        basis: ``"chebyshev"`` or ``"power"``.

    Returns:
        ``[n, B, f]``; ``.flatten(1)`` is the layout ``[n, B * f]`` of later products.

    Raises:
        InputError: If shapes do not match.

    Source: Defferrard et al. 2016, equation 4; Clenshaw 1955 for the adjoint.
    """
    require(
        x.dim() == 2 and csr.size == (x.size(0), x.size(0)) and lam.dim() == 2 and lam.size(1) >= 1,
        f"`x` must have the shape [n, f] and `lam` [B, K + 1], but found x = {tuple(x.shape)!r},"
        f" lam = {tuple(lam.shape)!r}, operator = {csr.size!r}. Rows of `x` are the operator's"
        " nodes; a filter has one coefficient a degree.",
    )
    require(
        basis in ("chebyshev", "power"),
        f'`basis` must be "chebyshev" or "power", but it is {basis!r}. It names the polynomials.',
    )
    lam = lam.to(x.dtype)
    learned = csr.value is not None and csr.value.requires_grad
    if learned or (lam.size(1) <= KEPT_TERMS and choose(csr.pattern, x, epilogue=True) == "torch"):
        return _plain(csr, x, lam, basis)
    return cast(Tensor, cast(Any, _Filter).apply(csr, x, lam, basis))


def _terms(csr: CSR, x: Tensor, order: int, basis: Basis) -> list[Tensor]:
    return chebyshev(csr, x, order) if basis == "chebyshev" else powers(csr, x, order)


def _plain(csr: CSR, x: Tensor, lam: Tensor, basis: Basis) -> Tensor:
    """Mix all terms in one dense product, which on CPU beats adding them one at a time."""
    return torch.einsum("knf,bk->nbf", torch.stack(_terms(csr, x, lam.size(1) - 1, basis)), lam)


def _fused(csr: CSR, x: Tensor, lam: Tensor, basis: Basis) -> Tensor:
    """The same in Triton, where the product adds its own rows to every filter."""
    kernels: Any = dispatch.kernels("triton")
    total, before, term = x.unsqueeze(1) * lam[:, 0].view(1, -1, 1), None, x
    for degree in range(1, lam.size(1)):
        first = before is None or basis == "power"
        filters = kernels.Filters(total, lam[:, degree].detach().contiguous())
        factors = (1.0, 0.0) if first else (2.0, -1.0)
        following = kernels.spmm_filters(
            csr.pattern, csr.value, term, factors, None if first else before, filters
        )
        before, term = term, following
    return total


def _adjoint(flipped: CSR, grad: Tensor, lam: Tensor, basis: Basis) -> Tensor:
    """Return ``sum_k T_k(L^T) h_k`` with ``h_k = sum_b lam[b, k] grad_b``, by Clenshaw's or
    Horner's rule.
    """
    mixed = torch.einsum("nbf,bk->knf", grad, lam)
    order = lam.size(1) - 1
    last, later = mixed[order], None
    for degree in range(order - 1, -1, -1):
        factor = 2.0 if basis == "chebyshev" and degree > 0 else 1.0
        stepped = apply(flipped, last, factor, 1.0, mixed[degree])
        if basis == "chebyshev" and later is not None:
            stepped = stepped - later
        last, later = stepped, last
    return last
