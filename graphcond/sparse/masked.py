"""Propagation over kept edges whose gradient still reaches the dropped ones."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.backends import choose, dispatch
from graphcond.sparse.csr import CSR
from graphcond.sparse.functions import Call, applier, permute, sddmm_call, spmm_call
from graphcond.sparse.pattern import Pattern


class _Pair(NamedTuple):
    """The full pattern, and the kept one of K blocks that :func:`~graphcond.sparse.compact` made
    from it.
    """

    full: Pattern
    kept: Pattern
    backend: dispatch.Backend

    @property
    def call(self) -> Call:
        return Call(self.full, self.backend)

    @property
    def T(self) -> _Pair:  # noqa: N802
        return _Pair(self.full.T, self.kept.T, self.backend)


class _MaskedSpMM(torch.autograd.Function):
    """``A(value) x`` where ``value`` [K, nnz] is known to vanish outside the kept edges."""

    @staticmethod
    def forward(pair: _Pair, value: Tensor, x: Tensor) -> Tensor:
        source = pair.kept.cache["source"]
        if value.size(0) > 1:
            source = source + pair.kept.row.long() // pair.full.size[0] * pair.full.nnz
        entries = value.reshape(-1).index_select(0, source)
        return cast(
            Tensor, dispatch.kernels(pair.backend).spmm(pair.kept, entries, x, 1.0, 0.0, None)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.pair, value, x = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(value, x)
        ctx.save_for_forward(value, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        pair, (value, x), grad = ctx.pair, ctx.saved_tensors, grads[0]
        grad_value = grad_x = None
        if grad is not None and ctx.needs_input_grad[1]:
            parts = zip(grad.chunk(value.size(0)), x.chunk(value.size(0)), strict=True)
            grad_value = torch.stack([sddmm_call(pair.call, left, right) for left, right in parts])
        if grad is not None and ctx.needs_input_grad[2]:
            grad_x = _masked_call(pair.T, permute(pair.full, value), grad)
        return None, grad_value, grad_x

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        pair, (value, x) = ctx.pair, ctx.saved_tensors
        _, dot_value, dot_x = tangents
        out = None if dot_x is None else _masked_call(pair, value, dot_x)
        if dot_value is not None:
            parts = zip(dot_value, x.chunk(value.size(0)), strict=True)
            part = torch.cat([spmm_call(pair.call, entries, block) for entries, block in parts])
            out = part if out is None else out + part
        return out

    @staticmethod
    def vmap(info: Any, in_dims: Any, pair: _Pair, value: Tensor, x: Tensor) -> Any:
        picks = [
            [
                t if d is None else t.select(d, i)
                for t, d in zip((value, x), in_dims[1:], strict=True)
            ]
            for i in range(info.batch_size)
        ]
        return torch.stack([_masked_call(pair, *pick) for pick in picks]), 0


_masked_call = applier(_MaskedSpMM)


def masked_spmm(csr: CSR, kept: CSR, x: Tensor, value: Tensor) -> Tensor:
    """Return ``spmm(csr, x, value)`` for entries that vanish outside ``kept``, at the price of the
    kept edges.

    Use it where an estimator wants the gradient with respect to the mask of *every* edge, dropped
    ones included: pass ``value = weight * gate`` with ``gate`` the mask as numbers that require
    gradients. Otherwise multiply by the compacted matrix alone, whose gradients stop at the kept
    edges and cost less.

    Args:
        csr: A ``[R, C]``.
        kept: ``compact(csr, mask)`` of it, for one mask or K.
        x: ``[C, f]``, or ``[K * C, f]`` for K masks.
        value: ``[nnz]`` in the CSR order of ``csr``, or ``[K, nnz]``; zero wherever the mask drops
            an edge.

    Returns:
        ``[R, f]`` or ``[K * R, f]``; the first gradient to ``value`` covers all entries, and so do
        all later ones.

    Raises:
        InputError: If ``kept`` was not made from ``csr`` or shapes do not match.
    """
    blocks = kept.pattern.cache.get("blocks", 0)
    rows, columns = csr.size
    require(
        kept.size == (blocks * rows, blocks * columns) and blocks > 0,
        f"`kept` must be made by `compact(csr, mask)`, but found kept = {kept.size!r}, csr ="
        f" {csr.size!r}. Compact the same matrix first.",
    )
    value = value.unsqueeze(0) if value.dim() == 1 else value
    require(
        tuple(value.shape) == (blocks, csr.nnz) and x.dim() == 2 and x.size(0) == blocks * columns,
        "`value` must have the shape [K, nnz] and `x` [K * C, f], but found value ="
        f" {tuple(value.shape)!r}, x = {tuple(x.shape)!r}, masks = {blocks!r}. One row of entries"
        " for each mask, its features below one another.",
    )
    dtype = torch.promote_types(value.dtype, x.dtype)
    x, value = x.to(dtype), value.to(dtype)
    return _masked_call(_Pair(csr.pattern, kept.pattern, choose(kept.pattern, x)), value, x)
