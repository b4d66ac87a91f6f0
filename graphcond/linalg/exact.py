"""The dense solve."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from graphcond.errors import NumericalError, require, require_at_least
from graphcond.linalg import vectors
from graphcond.linalg.operators import LinearOperator
from graphcond.linalg.solver import LinearSolver, Solution
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Exact(LinearSolver):
    """Builds A as a matrix (N products) and factorises it: the reference, and the choice for a few
    hundred parameters.

    Args:
        tolerance: Relative residual that counts as converged.

    Example:
        >>> from graphcond.linalg import Dense
        >>> Exact()(Dense(torch.diag(torch.tensor([2.0, -4.0]))), {"w": torch.ones(2)}).value["w"]
        tensor([ 0.5000, -0.2500])
    """

    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require_at_least(
            0, "It is the relative residual that counts as converged.", tolerance=self.tolerance
        )

    def _solve(self, operator: LinearOperator, b: Tensors) -> Solution:
        matrix = operator.dense(b).detach()
        flat = vectors.flatten(b, operator.batched)
        solved, fault = torch.linalg.solve_ex(matrix, flat.unsqueeze(-1))
        require(
            not bool(fault.any()),
            f"This needs an invertible operator, but found blocks = {int(fault.count_nonzero())!r}."
            " Damp it with `linalg.Damped`.",
            error=NumericalError,
        )
        solved = solved.squeeze(-1)
        size = flat.norm(dim=-1)
        missed = ((matrix @ solved.unsqueeze(-1)).squeeze(-1) - flat).norm(dim=-1)
        relative = torch.where(size > 0, missed / size, torch.zeros_like(size))
        # Symmetrised, as products by automatic differentiation are symmetric up to rounding only.
        negative = torch.linalg.eigvalsh((matrix + matrix.mT) / 2)[..., 0] <= 0
        value = vectors.unflatten(solved, b, operator.batched)
        return Solution(
            value,
            relative <= self.tolerance,
            flat.shape[-1],
            relative,
            negative,
            torch.zeros_like(negative),
        )
