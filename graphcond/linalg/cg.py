"""Conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import require_at_least
from graphcond.linalg import vectors
from graphcond.linalg.operators import LinearOperator
from graphcond.linalg.solver import LinearSolver, Solution
from graphcond.typing import Tensors


@dataclass(frozen=True)
class CG(LinearSolver):
    """Conjugate gradients for a positive definite operator; every block of a batch has its own
    steps.

    A block stops at its last good iterate when it meets negative curvature (pᵀ A p < 0), and the
    solution says so. Where pᵀ A p vanishes within rounding it stops as well, as not converged.

    Args:
        max_steps: Most products with A, ≥ 1.
        tolerance: Relative residual |b - A x| / |b| at which a block is done, ≥ 0.

    Source: Hestenes and Stiefel 1952; used for hypergradients in place of the paper's Neumann
    series.

    Example:
        >>> from graphcond.linalg import Dense
        >>> matrix = Dense(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
        >>> CG()(matrix, {"w": torch.tensor([3.0, 3.0])}).value["w"]
        tensor([1., 1.])
    """

    max_steps: int = 10
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        require_at_least(
            1, "Ten steps are within 1e-4 of the exact direction on Cora.", max_steps=self.max_steps
        )
        require_at_least(0, "It is the relative residual to stop at.", tolerance=self.tolerance)

    def _solve(self, operator: LinearOperator, b: Tensors) -> Solution:
        batched = operator.batched
        x = vectors.scale(0.0, b)
        residual = b
        direction = b
        square = vectors.dot(b, b, batched)
        target = square * self.tolerance**2
        negative = torch.zeros_like(square, dtype=torch.bool)
        stalled = negative
        steps = 0
        while steps < self.max_steps and bool((active := (square > target) & ~stalled).any()):
            product = operator @ direction
            steps += 1
            curvature = vectors.dot(direction, product, batched)
            # A product that is lost in rounding says nothing of the curvature's sign. Dot products
            # of this length err by a few eps of |p| |A p|; 16 is on the safe side.
            noise = (
                16
                * torch.finfo(curvature.dtype).eps
                * vectors.norm(direction, batched)
                * vectors.norm(product, batched)
            )
            # Negative beyond noise is a finding. Zero within noise only stops the block.
            negative = negative | (active & (curvature < -noise))
            stalled = stalled | (active & (curvature <= noise))
            active = active & ~stalled
            # Finished blocks take steps of length 0: a batch goes on as one until its last block is
            # done.
            step = _where(active, square / curvature)
            x = vectors.add(x, direction, step)
            residual = vectors.add(residual, product, -step)
            previous = square
            square = torch.where(active, vectors.dot(residual, residual, batched), square)
            direction = vectors.add(residual, direction, _where(active, square / previous))
        size = vectors.norm(b, batched)
        relative = torch.where(size > 0, square.sqrt() / size, torch.zeros_like(size))
        return Solution(
            x, relative <= self.tolerance, steps, relative, negative, torch.zeros_like(negative)
        )


def _where(active: Tensor, value: Tensor) -> Tensor:
    """Keep a step for the active blocks and make it zero for the others."""
    return torch.where(active, value, torch.zeros_like(value))
