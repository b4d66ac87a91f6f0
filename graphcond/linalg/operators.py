"""Symmetric linear operators on dictionaries of tensors, applied with ``@`` and never stored as
matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.linalg import vectors
from graphcond.typing import Tensors


class LinearOperator(ABC):
    """A symmetric map v -> A v of vectors stored as ``dict[str, Tensor]``.

    Attributes:
        batched: Whether A is B independent blocks along the leading dimension of every tensor.
    """

    batched: bool = False

    @abstractmethod
    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return A v, shaped as ``vector``."""

    def dense(self, like: Tensors) -> Tensor:
        """Return A as a matrix, by one product per coordinate.

        Args:
            like: Tensors that give names and shapes.

        Returns:
            ``[N, N]``, or ``[B, N, N]`` if batched; N counts the entries of one vector.
        """
        flat = vectors.flatten(like, self.batched)
        columns = []
        for index in range(flat.shape[-1]):
            unit = torch.zeros_like(flat)
            unit[..., index] = 1.0
            columns.append(
                vectors.flatten(self @ vectors.unflatten(unit, like, self.batched), self.batched)
            )
        return torch.stack(columns, dim=-1)


class Dense(LinearOperator):
    """A given matrix, the reference for everything matrix-free.

    Args:
        matrix: Symmetric ``[N, N]``, or ``[B, N, N]`` for B blocks.

    Example:
        >>> (Dense(torch.diag(torch.tensor([2.0, 3.0]))) @ {"w": torch.ones(2)})["w"]
        tensor([2., 3.])
    """

    def __init__(self, matrix: Tensor) -> None:
        require(
            matrix.dim() in (2, 3) and matrix.shape[-1] == matrix.shape[-2],
            "`matrix` must have the shape [N, N] or [B, N, N], but its shape is"
            f" {tuple(matrix.shape)}. Pass a square matrix or a batch of them.",
        )
        self.matrix = matrix
        self.batched = matrix.dim() == 3

    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return A v."""
        flat = vectors.flatten(vector, self.batched)
        return vectors.unflatten(
            (self.matrix @ flat.unsqueeze(-1)).squeeze(-1), vector, self.batched
        )

    def dense(self, like: Tensors) -> Tensor:
        """Return the matrix itself."""
        return self.matrix


class Hessian(LinearOperator):
    """∂²loss/∂params², by reverse-over-reverse on one kept graph.

    The gradient is recorded once; every product is one more backward pass through it. Nothing is
    updated in place, so equal vectors give equal products however often they are asked for.

    Args:
        loss: params -> scalar, or ``[B]`` where entry b depends on block b of the parameters only.
        params: Where the Hessian is taken; each ``[B, ...]`` if the loss is ``[B]``.

    Source: Pearlmutter 1994; the paper's IFT equation needs products only.

    Example:
        >>> curvature = Hessian(lambda p: (p["w"] ** 3).sum(), {"w": torch.tensor([1.0, 2.0])})
        >>> (curvature @ {"w": torch.ones(2)})["w"]
        tensor([ 6., 12.])
    """

    def __init__(self, loss: Callable[[Tensors], Tensor], params: Tensors) -> None:
        self.params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        with torch.enable_grad():
            value = loss(self.params)
            self.batched = value.dim() == 1
            self.grad = _gradients(value.sum(), self.params)

    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return H v."""
        vectors.check_same_names(self.params, vector)
        return _pull(self.grad, self.params, [vector[name] for name in self.params])


class GaussNewton(LinearOperator):
    """Jᵀ (∂²criterion/∂output²) J, which is positive semi-definite for a convex criterion.

    J is the Jacobian of the outputs. It stands in for the Hessian where that meets negative
    curvature.

    Args:
        output: params -> outputs, ``[B, ...]`` if batched.
        criterion: outputs -> scalar, or ``[B]``; convex in the outputs.
        params: Where the operator is taken.

    Source: Schraudolph 2002. Deviation: J v is two reverse passes on the kept graph, since forward
    mode is slower on CPU.
    """

    def __init__(
        self,
        output: Callable[[Tensors], Tensor],
        criterion: Callable[[Tensor], Tensor],
        params: Tensors,
    ) -> None:
        self.params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        with torch.enable_grad():
            self.output = output(self.params)
            self.leaf = self.output.detach().requires_grad_()
            value = criterion(self.leaf)
            self.batched = value.dim() == 1
            (self.slope,) = torch.autograd.grad(value.sum(), self.leaf, create_graph=True)
            # Jᵀ u is linear in u, so its derivative in u, taken at any u, is J. Zeros cost nothing.
            self.probe = torch.zeros_like(self.leaf).requires_grad_()
            self.transposed = _gradients(self.output, self.params, self.probe)

    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return Jᵀ H J v."""
        vectors.check_same_names(self.params, vector)
        forward = _pull(
            self.transposed, {"probe": self.probe}, [vector[name] for name in self.params]
        )["probe"]
        curved = _pull((self.slope,), {"leaf": self.leaf}, [forward])["leaf"]
        return _pull((self.output,), self.params, [curved])


def _gradients(
    value: Tensor, params: Tensors, cotangent: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Return the gradients of ``value`` in every parameter with the graph kept, zeros for
    parameters that it does not use.
    """
    found = torch.autograd.grad(
        value, list(params.values()), cotangent, create_graph=True, allow_unused=True
    )
    return tuple(
        torch.zeros_like(tensor) if grad is None else grad
        for tensor, grad in zip(params.values(), found)
    )


def _pull(outputs: tuple[Tensor, ...], params: Tensors, cotangents: list[Tensor]) -> Tensors:
    """Return cotangentsᵀ ∂outputs/∂params with the graph kept, zeros where nothing depends on a
    parameter.
    """
    kept = [(out, cotangent) for out, cotangent in zip(outputs, cotangents) if out.requires_grad]
    if not kept:
        return {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    products = torch.autograd.grad(
        [out for out, _ in kept],
        list(params.values()),
        [cotangent for _, cotangent in kept],
        retain_graph=True,
        allow_unused=True,
    )
    return {
        name: torch.zeros_like(tensor) if grad is None else grad
        for (name, tensor), grad in zip(params.items(), products)
    }


class Damped(LinearOperator):
    """A + damping · I.

    Args:
        operator: A.
        damping: A number ≥ 0, or ``[B]``, one per block.
    """

    def __init__(self, operator: LinearOperator, damping: float | Tensor) -> None:
        if isinstance(damping, float | int):
            smallest = damping
        else:
            smallest = float(damping.min())
        require(
            smallest >= 0,
            f"`damping` must be at least 0, but it is {smallest!r}. A negative shift makes the"
            " operator less definite.",
        )
        self.operator = operator
        self.damping = damping
        self.batched = operator.batched

    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return A v + damping · v."""
        return vectors.add(self.operator @ vector, vector, self.damping)


class Scaled(LinearOperator):
    """factor · A.

    Args:
        operator: A.
        factor: A number, or ``[B]``, one per block.
    """

    def __init__(self, operator: LinearOperator, factor: float | Tensor) -> None:
        self.operator = operator
        self.factor = factor
        self.batched = operator.batched

    def __matmul__(self, vector: Tensors) -> Tensors:
        """Return factor · A v."""
        return vectors.scale(self.factor, self.operator @ vector)
