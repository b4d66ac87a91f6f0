"""The hypergradient by the implicit function theorem."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphcond.errors import require_at_least
from graphcond.hypergrad.problem import BilevelProblem, Hypergradient, leaves, partials
from graphcond.linalg import CG, Damped, LinearSolver, Solution
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Implicit(Hypergradient):
    """∇L* = ∇_λ L_val - [∂²L_train/∂λ∂θ] [∂²L_train/∂θ²]⁻¹ ∇_θ L_val at the optimum of the inner
    loss.

    Args:
        solver: For the inverse-Hessian-vector product: ``linalg.CG``, ``linalg.Neumann`` or
            ``linalg.Exact``.
        damping: Added to the diagonal of the curvature, ≥ 0; or use a Gauss-Newton curvature where
            solves meet negative curvature.
        direct: Whether the direct term ∇_λ L_val is kept. False reproduces the paper, which takes
            it for zero.

    Source: hcdc, equation IFT. Deviation: the direct term is kept; for graph filters it is most of
    the hypergradient.
    """

    solver: LinearSolver = field(default_factory=CG)
    damping: float = 0.0
    direct: bool = True

    def __post_init__(self) -> None:
        require_at_least(
            0, "A negative shift makes the curvature less definite.", damping=self.damping
        )

    def __call__(self, problem: BilevelProblem, params: Tensors, lam: Tensor) -> Tensor:
        """Return ∇L*(λ); warn where the solve met negative curvature or diverges."""
        value, solution = self.solve(problem, params, lam)
        if bool((solution.negative_curvature | solution.diverged).any()):
            warnings.warn(
                f"Hypergradient solve: {solution}. Damp it (`damping=`) or use Gauss-Newton"
                " products.",
                stacklevel=2,
            )
        return value

    def solve(
        self, problem: BilevelProblem, params: Tensors, lam: Tensor
    ) -> tuple[Tensor, Solution]:
        """Return ∇L*(λ) and the solution of the inner system.

        Args:
            problem: The two losses.
            params: θ; each ``[B, ...]`` if lam is ``[B, H]``.
            lam: λ, ``[H]`` or ``[B, H]``.

        Returns:
            The hypergradient shaped as ``lam``, differentiable in what the outer loss closes over,
            and the solution.
        """
        theta, hyper = leaves(params, lam)
        # The curvature is held constant: it does not depend on what the outer loss closes over, in
        # which the hypergradient is differentiated.
        operator = problem.inner_curvature(params, lam)
        _, slope, direct = partials(problem.outer_loss, theta, hyper)
        solution = self.solver(Damped(operator, self.damping) if self.damping else operator, slope)
        _, inner_slope, _ = partials(problem.inner_loss, theta, hyper)
        indirect = mixed_product(inner_slope, hyper, solution.value)
        return (direct - indirect if self.direct else -indirect), solution


def mixed_product(inner_slope: Tensors, lam: Tensor, vector: Tensors) -> Tensor:
    """Return vᵀ ∂(∇_θ L_train)/∂λ, shaped as ``lam`` and differentiable in v.

    Args:
        inner_slope: ∇_θ L_train with its graph.
        lam: The leaf λ that it depends on.
        vector: v, shaped as θ.
    """
    with torch.enable_grad():
        # Slopes without a graph do not depend on λ: autograd refuses them, their product is 0.
        names = [name for name, grad in inner_slope.items() if grad.requires_grad]
        outputs = [inner_slope[name] for name in names]
        cotangents = [vector[name] for name in names]
        if not outputs:
            return torch.zeros_like(lam)
        (product,) = torch.autograd.grad(
            outputs, lam, cotangents, create_graph=True, allow_unused=True
        )
    if product is None:
        return torch.zeros_like(lam)
    return product
