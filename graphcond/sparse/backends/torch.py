"""Raw kernels on torch's own sparse calls: MKL on CPU, cuSPARSE on CUDA.

Autograd never records them: callers run them inside autograd functions, or on what needs no
gradient.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from graphcond.sparse.pattern import Pattern

# Sums of 16-bit numbers lose small terms; those types are added up in 32 bits and rounded once.
_NATIVE = (torch.float32, torch.float64)

# torch warns once a process that CSR is in beta; users of this library never see a sparse tensor,
# so the warning is spent here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    torch.eye(1).to_sparse_csr()


def _tensor(pattern: Pattern, value: Tensor) -> Tensor:
    return torch.sparse_csr_tensor(
        pattern.indptr, pattern.indices, value, pattern.size, check_invariants=False
    )


def _matrix(pattern: Pattern, entries: Tensor) -> Tensor:
    """Return the matrix as torch multiplies it: cuSPARSE refuses one with more entries than places,
    which is then no larger in full.
    """
    rows, cols = pattern.size
    if entries.is_cpu or pattern.nnz <= rows * cols:
        return _tensor(pattern, entries)
    places = (pattern.row.long(), pattern.indices.long())
    return entries.new_zeros(rows, cols).index_put_(places, entries, accumulate=True)


def spmm(
    pattern: Pattern, value: Tensor | None, x: Tensor, alpha: float, beta: float, z: Tensor | None
) -> Tensor:
    """Return ``alpha * A @ x + beta * z``.

    Args:
        pattern: Places of the entries of A ``[R, C]``.
        value: Entries ``[nnz]`` or None for ones.
        x: ``[C, f]``.
        alpha: Factor of the product.
        beta: Factor of ``z``.
        z: ``[R, f]`` or None.

    Returns:
        ``[R, f]``; inputs of 16 bits are added up in 32.
    """
    if pattern.indices.numel() == 0 or x.numel() == 0:
        zero = x.new_zeros(pattern.size[0], x.size(1))
        if z is None:
            return zero
        return beta * z
    if x.is_cpu and x.dtype != torch.float64:
        return _bags(pattern, value, x, alpha, beta, z)
    if x.dtype not in _NATIVE:
        wide = spmm(pattern, _float(value), x.float(), alpha, beta, _float(z))
        return wide.to(x.dtype)
    if value is None:
        entries = pattern.ones(x.dtype)
    else:
        entries = value.contiguous()
    matrix = _matrix(pattern, entries)
    if z is None:
        # `addmm` wants a summand even where beta = 0. On a CPU an expanded zero will do.
        if x.is_cpu:
            base = x.new_zeros(()).expand(pattern.size[0], x.size(1))
        else:
            base = x.new_zeros(pattern.size[0], x.size(1))
        return torch.addmm(base, matrix, x.contiguous(), beta=0.0, alpha=alpha)
    return torch.addmm(z, matrix, x.contiguous(), beta=beta, alpha=alpha)


def _float(tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    return tensor.float()


def _bags(
    pattern: Pattern, value: Tensor | None, x: Tensor, alpha: float, beta: float, z: Tensor | None
) -> Tensor:
    """Rows are bags of weighted embeddings: torch's generated kernel for them prefetches, MKL's
    product does not (1.6 to 2.6 times).
    """
    # The factor goes onto the entries where they are fewer than the numbers of the result.
    scaled = alpha != 1.0 and value is not None and pattern.nnz < pattern.size[0] * x.size(1)
    weights = value
    if weights is not None:
        weights = weights.contiguous()
        if scaled:
            weights = alpha * weights
    table = x.detach().contiguous()
    out = torch.embedding_bag(
        table, pattern.indices, pattern.indptr, False, 0, False, weights, True
    )[0]
    if alpha != 1.0 and not scaled:
        out.mul_(alpha)
    if z is None:
        return out
    return out.add_(z, alpha=beta)


def sddmm(pattern: Pattern, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Return ``alpha * <a[row], b[col]>`` of every entry.

    Args:
        pattern: Places of the entries ``[R, C]``.
        a: ``[R, f]``.
        b: ``[C, f]``.
        alpha: Factor of the products.

    Returns:
        ``[nnz]``.
    """
    if a.dtype not in _NATIVE:
        return sddmm(pattern, a.float(), b.float(), alpha).to(a.dtype)
    nnz, (rows, cols) = pattern.nnz, pattern.size
    out = a.new_zeros(nnz)
    if nnz == 0 or a.size(1) == 0:
        return out
    if nnz > rows * cols:  # sampled_addmm refuses more entries than places
        return (
            (alpha * (a @ b.t()))
            .view(-1)
            .index_select(0, pattern.row.long() * cols + pattern.indices)
        )
    product = _tensor(pattern, out)
    torch.sparse.sampled_addmm(
        product, a.contiguous(), b.contiguous().t(), beta=0.0, alpha=alpha, out=product
    )
    # On CPU the result is written to ``out`` itself; CUDA may give the result a buffer of its own.
    if out.is_cpu:
        return out
    return product.values()
