"""SpMM and SDDMM as autograd functions whose derivatives are each other: reverse, forward, mixed,
to any order.

With ``A = A(v)`` and ``S(a, b)[e] = <a[row e], b[col e]>``::

    y = alpha A x + beta z    dx = alpha A^T g,  dv = alpha S(g, x),  dz = beta g
    s = alpha S(a, b)         da = alpha A(g) b,     db = alpha A(g)^T a

Sparse tensors exist inside the raw kernels only and never meet autograd.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from graphcond.sparse.backends import dispatch
from graphcond.sparse.pattern import Pattern


class Call(NamedTuple):
    """What a kernel call needs besides tensors.

    Attributes:
        pattern: The matrix's places.
        backend: The back end that the forward pass was asked for; None: the table's, which may be
            another for each operation.
        alpha: Factor of the product.
        beta: Factor of what is added.
    """

    pattern: Pattern
    backend: dispatch.Backend | None
    alpha: float = 1.0
    beta: float = 0.0


class _Permute(Function):
    """``value[order]`` for the transpose; the derivative is the inverse gather, not a scatter."""

    @staticmethod
    def forward(pattern: Pattern, value: Tensor) -> Tensor:
        return value.index_select(-1, pattern.order)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.pattern = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, permute(ctx.pattern.T, grads[0])

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return permute(ctx.pattern, tangents[1])

    @staticmethod
    def vmap(info: Any, in_dims: Any, pattern: Pattern, value: Tensor) -> Any:
        return permute(pattern, value.movedim(in_dims[1], 0)), 0


class _SpMM(Function):
    """``alpha * A(value) @ x + beta * z``; saves inputs only."""

    @staticmethod
    def forward(call: Call, value: Tensor | None, x: Tensor, z: Tensor | None) -> Tensor:
        module = dispatch.kernels("spmm", x, call.backend)
        return cast(Tensor, module.spmm(call.pattern, value, x, call.alpha, call.beta, z))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.call, value, x, _ = inputs
        ctx.set_materialize_grads(False)
        # x is read for the entries' gradient alone; frozen entries need not keep it alive.
        ctx.save_for_backward(value, _if_needed(ctx.needs_input_grad[1], x))
        ctx.save_for_forward(value, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        call, (value, x), grad = ctx.call, ctx.saved_tensors, grads[0]
        if grad is None:  # not materialised: no zeros are multiplied
            return None, None, None, None
        grad_value = None
        if ctx.needs_input_grad[1]:
            grad_value = sddmm_call(call._replace(beta=0.0), grad, x)
        grad_x = None
        if ctx.needs_input_grad[2]:
            flipped = None
            if value is not None:
                flipped = permute(call.pattern, value)
            grad_x = spmm_call(call._replace(pattern=call.pattern.T, beta=0.0), flipped, grad)
        grad_z = None
        if ctx.needs_input_grad[3]:
            grad_z = _times(call.beta, grad)
        return None, grad_value, grad_x, grad_z

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        call, (value, x) = ctx.call, ctx.saved_tensors
        _, dot_value, dot_x, dot_z = tangents
        parts = []
        if dot_z is not None:
            parts.append(_times(call.beta, dot_z))
        plain = call._replace(beta=0.0)
        if dot_x is not None:
            parts.append(spmm_call(plain, value, dot_x))
        if dot_value is not None:
            parts.append(spmm_call(plain, dot_value, x))
        return functools.reduce(torch.add, parts)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, call: Call, value: Tensor | None, x: Tensor, z: Tensor | None
    ) -> Any:
        size, (_, dim_value, dim_x, dim_z) = info.batch_size, in_dims
        # One matrix for the whole batch is one wide product; its features lie side by side.
        if dim_value is None:
            base = None
            if z is not None:
                base = _side_by_side(z, dim_z, size)
            out = spmm_call(call, value, _side_by_side(x, dim_x, size), base)
            return out.view(out.size(0), size, -1), 1
        parts = [
            spmm_call(call, _pick(value, dim_value, b), _pick(x, dim_x, b), _maybe(z, dim_z, b))
            for b in range(size)
        ]
        return torch.stack(parts), 0


class _SDDMM(Function):
    """``alpha <a[row], b[col]>`` of every entry; saves inputs only."""

    @staticmethod
    def forward(call: Call, a: Tensor, b: Tensor) -> Tensor:
        module = dispatch.kernels("sddmm", a, call.backend)
        return cast(Tensor, module.sddmm(call.pattern, a, b, call.alpha))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.call, a, b = inputs
        ctx.set_materialize_grads(False)
        needs = ctx.needs_input_grad
        # The gradient of one side is made from the other.
        ctx.save_for_backward(_if_needed(needs[2], a), _if_needed(needs[1], b))
        ctx.save_for_forward(a, b)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        call, (a, b), grad = ctx.call, ctx.saved_tensors, grads[0]
        if grad is None:
            return None, None, None
        grad_a = None
        if ctx.needs_input_grad[1]:
            grad_a = spmm_call(call, grad, b)
        grad_b = None
        if ctx.needs_input_grad[2]:
            grad_b = spmm_call(
                call._replace(pattern=call.pattern.T), permute(call.pattern, grad), a
            )
        return None, grad_a, grad_b

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        call, (a, b) = ctx.call, ctx.saved_tensors
        _, dot_a, dot_b = tangents
        parts = [
            sddmm_call(call, left, right)
            for left, right in ((dot_a, b), (a, dot_b))
            if left is not None and right is not None
        ]
        if not parts:
            return None
        return sum(parts[1:], parts[0])

    @staticmethod
    def vmap(info: Any, in_dims: Any, call: Call, a: Tensor, b: Tensor) -> Any:
        parts = [
            sddmm_call(call, _pick(a, in_dims[1], i), _pick(b, in_dims[2], i))
            for i in range(info.batch_size)
        ]
        return torch.stack(parts), 0


def applier(function: type[Function]) -> Callable[..., Tensor]:
    """Return what applies a function: as it stands inside ``torch.func``, elsewhere in the form
    whose ``forward`` takes the context.

    Applying the former inspects and binds the signature of ``forward`` on every call, half of a
    small product's time.
    """

    def forward(ctx: Any, *inputs: Any) -> Any:
        output = function.forward(*inputs)
        function.setup_context(ctx, inputs, output)
        return output

    methods = {
        "forward": staticmethod(forward),
        "setup_context": staticmethod(Function.setup_context),
    }
    eager = cast(Any, type(function.__name__, (function,), methods))

    def call(*inputs: Any) -> Tensor:
        if torch._C._are_functorch_transforms_active():
            chosen = function
        else:
            chosen = eager
        return cast(Tensor, cast(Any, chosen).apply(*inputs))

    return call


_permute = applier(_Permute)
_spmm = applier(_SpMM)
_sddmm = applier(_SDDMM)


def _tracked(*tensors: Tensor | None) -> bool:
    """Whether autograd must see a call; where it need not, the raw kernel saves most of a small
    product's time.
    """
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return True
    if torch.is_grad_enabled():
        for tensor in tensors:
            if tensor is not None and tensor.requires_grad:
                return True
    return False


def permute(pattern: Pattern, value: Tensor) -> Tensor:
    """Return entries ``[..., nnz]`` of a pattern in the order of its transpose, differentiably."""
    if not _tracked(value):
        return value.index_select(-1, pattern.order)
    return _permute(pattern, value)


def spmm_call(call: Call, value: Tensor | None, x: Tensor, z: Tensor | None = None) -> Tensor:
    """Return ``alpha * A(value) @ x + beta * z`` for checked inputs of one dtype."""
    if not _tracked(value, x, z):
        return _SpMM.forward(call, value, x, z)
    return _spmm(call, value, x, z)


def sddmm_call(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Return ``alpha <a[row], b[col]>`` for checked inputs of one dtype."""
    if not _tracked(a, b):
        return _SDDMM.forward(call, a, b)
    return _sddmm(call, a, b)


def _times(factor: float, tensor: Tensor) -> Tensor:
    if factor == 1.0:
        return tensor
    return factor * tensor


def _if_needed(needed: bool, tensor: Tensor) -> Tensor | None:
    if needed:
        return tensor
    return None


def _pick(tensor: Tensor | None, dim: int | None, index: int) -> Tensor:
    if dim is None or tensor is None:
        return cast(Tensor, tensor)
    return tensor.select(dim, index)


def _maybe(tensor: Tensor | None, dim: int | None, index: int) -> Tensor | None:
    if tensor is None:
        return None
    return _pick(tensor, dim, index)


def _side_by_side(x: Tensor, dim: int | None, size: int) -> Tensor:
    """Lay a batch ``[B, n, f]`` out as ``[n, B * f]``: one product serves all of it."""
    if dim is None:
        wide = x.unsqueeze(1).expand(-1, size, -1)
    else:
        wide = x.movedim(dim, 1)
    return wide.flatten(1)
