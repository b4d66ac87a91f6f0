"""What every solver of A x = b takes and returns, and how its answer is differentiated in b."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from graphcond.errors import NumericalError, require
from graphcond.linalg import vectors
from graphcond.linalg.operators import LinearOperator
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Solution:
    """An approximate solution of A x = b, and how far to trust it.

    Args:
        value: x, shaped as b.
        converged: Whether the tolerance was met; bool ``[]``, or ``[B]`` if A is batched.
        steps: Products with A that were spent.
        residual: |b - A x| / |b|, ``[]`` or ``[B]``; 0 where b is 0.
        negative_curvature: Whether some vᵀ A v ≤ 0 was met, so A is not positive definite; bool
            ``[]`` or ``[B]``.
        diverged: Whether the residual provably grows with every further step; bool ``[]`` or
            ``[B]``.
    """

    value: Tensors
    converged: Tensor
    steps: int
    residual: Tensor
    negative_curvature: Tensor
    diverged: Tensor

    def __str__(self) -> str:
        """Say in one line what came out."""
        blocks = self.residual.numel()
        worst = float(self.residual.max())
        flaws = (
            f"negative curvature in {int(self.negative_curvature.sum())}, diverging"
            f" {int(self.diverged.sum())}"
        )
        return (
            f"{int(self.converged.sum())} of {blocks} converged in {self.steps} steps, largest"
            f" relative residual {worst:.2e}, {flaws}"
        )


class LinearSolver(ABC):
    """Solves A x = b for a symmetric operator: ``solver(A, b) -> Solution``; x is differentiable in
    b by the same solve.
    """

    @abstractmethod
    def _solve(self, operator: LinearOperator, b: Tensors) -> Solution:
        """Solve without recording a graph."""

    def __call__(self, operator: LinearOperator, b: Tensors) -> Solution:
        """Solve A x = b.

        A is held constant: gradients flow to b as A⁻¹ applied by this same solver, to any order.

        Args:
            operator: A, symmetric.
            b: The right-hand side; each tensor ``[B, ...]`` if A is batched.

        Returns:
            The solution, its residual and whether it converged.

        Raises:
            NumericalError: If b or the solution is not finite.
        """
        require(
            all(bool(torch.isfinite(tensor).all()) for tensor in b.values()),
            f"This needs a finite right-hand side, but found names = {sorted(b)!r}. Lower the"
            " learning rate of what produced it, or scale the features.",
            error=NumericalError,
        )
        # Squares of small or large entries leave the range of float32. A power of two changes no
        # digit.
        size = _power_of_two(b, operator.batched)
        scaled = self._solve(operator, vectors.scale(1 / size, vectors.detach(b)))
        solution = replace(scaled, value=vectors.scale(size, scaled.value))
        require(
            all(bool(torch.isfinite(tensor).all()) for tensor in solution.value.values()),
            f"This needs a finite solution, but found steps = {solution.steps!r}. Damp the operator"
            " (`linalg.Damped`) or use Gauss-Newton products.",
            error=NumericalError,
        )
        if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in b.values())):
            return solution
        flat: Tensor = _Solved.apply(vectors.flatten(b, operator.batched), self, operator, solution)  # type: ignore[no-untyped-call]
        return replace(solution, value=vectors.unflatten(flat, b, operator.batched))


def _power_of_two(b: Tensors, batched: bool) -> Tensor:
    """Return the power of two near the largest entry of b, ``[]`` or ``[B]``; 1 where b is 0."""
    flat = vectors.flatten(vectors.detach(b), batched)
    # Clamped so that neither the size nor its inverse leaves the range of float32.
    exponent = torch.frexp(flat.abs().amax(-1)).exponent.clamp(-120, 120)
    return torch.ldexp(torch.ones_like(exponent, dtype=flat.dtype), exponent)


class _Solved(torch.autograd.Function):
    """Carries a finished solution forward; its backward is one more solve, A being symmetric."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, solver: LinearSolver, operator: LinearOperator, solution: Solution
    ) -> Tensor:
        ctx.solver = solver
        ctx.operator = operator
        ctx.like = solution.value
        return vectors.flatten(solution.value, operator.batched)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        like = vectors.unflatten(grad, ctx.like, ctx.operator.batched)
        # A⁻ᵀ is A⁻¹, by the same solver: so a truncated solve is differentiated as what it is meant
        # for, not as its own steps.
        solution = ctx.solver(ctx.operator, like)
        return vectors.flatten(solution.value, ctx.operator.batched), None, None, None
