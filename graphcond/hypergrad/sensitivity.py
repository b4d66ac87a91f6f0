"""The forward sensitivity dθ*/dλ, for the case of few hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.hypergrad.problem import BilevelProblem, Loss, leaves, partials
from graphcond.linalg import CG, Damped, LinearSolver, Solution, vectors
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Sensitivity:
    """M = dθ*/dλ at B hyperparameters: once it is known, hypergradients of any outer loss need no
    further solve.

    Args:
        columns: dθ*/dλ_h for h = 0..H-1; each shaped as θ, detached.
        solutions: The solve behind each column.
    """

    columns: tuple[Tensors, ...]
    solutions: tuple[Solution, ...]

    def hypergradient(
        self, outer_loss: Loss, params: Tensors, lam: Tensor, *, keep_direct: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Return L_val and ∇_λ L_val + Mᵀ ∇_θ L_val.

        Args:
            outer_loss: L_val(θ, λ), scalar or ``[B]``.
            params: θ; each ``[B, ...]`` if lam is ``[B, H]``.
            lam: λ, ``[H]`` or ``[B, H]``, H as many as the columns.
            keep_direct: Whether ∇_λ L_val is kept; False reproduces the paper, which takes it for
                zero.

        Returns:
            L_val, and the hypergradient shaped as ``lam``; both differentiable in what the outer
            loss closes over.
        """
        require(
            lam.shape[-1] == len(self.columns),
            f"This needs as many hyperparameters as columns, but found lam = {tuple(lam.shape)!r}."
            " Compute the sensitivity for this λ.",
        )
        theta, hyper = leaves(params, lam)
        value, slope, direct = partials(outer_loss, theta, hyper)
        indirect = torch.stack(
            [vectors.dot(column, slope, lam.dim() == 2) for column in self.columns], dim=-1
        )
        return value, direct + indirect if keep_direct else indirect

    def rows(self, index: Tensor) -> Sensitivity:
        """Return the sensitivities of some of the B hyperparameters.

        Args:
            index: Which, ``[b]`` int64.

        Returns:
            The columns of these rows, without the record of the solves.
        """
        return Sensitivity(
            tuple({name: column[name][index] for name in column} for column in self.columns), ()
        )


def sensitivity(
    problem: BilevelProblem,
    params: Tensors,
    lam: Tensor,
    solver: LinearSolver | None = None,
    damping: float = 0.0,
) -> Sensitivity:
    """Return dθ*/dλ = -[∂²L_train/∂θ²]⁻¹ ∂²L_train/∂θ∂λ, one solve for each of the H
    hyperparameters.

    Args:
        problem: The two losses; only the inner one is used.
        params: θ, near the inner optimum; each ``[B, ...]`` if lam is ``[B, H]``.
        lam: λ, ``[H]`` or ``[B, H]``.
        solver: Solver of the inner system; conjugate gradients of ten steps by default.
        damping: Added to the diagonal of the curvature, ≥ 0.

    Returns:
        The H columns.

    Source: forward mode of hcdc, equation IFT.
    """
    solver = CG() if solver is None else solver
    operator = problem.inner_curvature(params, lam)
    operator = Damped(operator, damping) if damping else operator
    theta, hyper = leaves(params, lam)
    _, slope, _ = partials(problem.inner_loss, theta, hyper)
    columns = []
    solutions = []
    for mixed in _mixed_columns(slope, hyper):
        solution = solver(operator, mixed)
        solutions.append(solution)
        columns.append(vectors.scale(-1.0, solution.value))
    return Sensitivity(tuple(columns), tuple(solutions))


def _mixed_columns(slope: Tensors, lam: Tensor) -> list[Tensors]:
    """Return ∂(∇_θ L_train)/∂λ_h for every h, by differentiating uᵀ∇_θ L_train in λ and
    then in u.
    """
    with torch.enable_grad():
        # Twice reverse in place of once forward: the product is linear in u, so u may be 0. That
        # needs H backward passes, and H is small.
        probe = {name: torch.zeros_like(grad).requires_grad_() for name, grad in slope.items()}
        names = [name for name, grad in slope.items() if grad.requires_grad]
        (product,) = torch.autograd.grad(
            [slope[name] for name in names],
            lam,
            [probe[name] for name in names],
            create_graph=True,
            allow_unused=True,
        )
    if product is None:
        return [vectors.scale(0.0, vectors.detach(slope)) for _ in range(lam.shape[-1])]
    columns = []
    for h in range(lam.shape[-1]):
        start = torch.zeros_like(product)
        start[..., h] = 1.0
        grads = torch.autograd.grad(
            product, list(probe.values()), start, retain_graph=True, allow_unused=True
        )
        columns.append(
            {
                name: torch.zeros_like(leaf) if grad is None else grad
                for (name, leaf), grad in zip(probe.items(), grads)
            }
        )
    return columns
