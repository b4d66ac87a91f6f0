"""The hypergradient through unrolled gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import require_at_least, require_positive
from graphcond.hypergrad.problem import BilevelProblem, Hypergradient, gradients, partials
from graphcond.linalg import vectors
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Unrolled(Hypergradient):
    """∇_λ L_val(θ_i(λ), λ) through θ_{t+1} = θ_t - α ∇_θ L_train(θ_t, λ), reverse mode.

    From the optimum, i steps give exactly the implicit hypergradient with i Neumann terms of the
    same α. Memory grows with i.

    Args:
        steps: i ≥ 1.
        learning_rate: α > 0.

    Source: Domke 2012; the equivalence is Lorraine et al. 2020, theorem 1.
    """

    steps: int = 20
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        require_at_least(
            1, "Without a step nothing depends on λ but the direct term.", steps=self.steps
        )
        require_positive(
            "Take less than 2 / λ_max of the inner Hessian.", learning_rate=self.learning_rate
        )

    def __call__(self, problem: BilevelProblem, params: Tensors, lam: Tensor) -> Tensor:
        """Return ∇L*(λ) of ``steps`` gradient steps from ``params``."""
        hyper = lam.detach().requires_grad_()
        with torch.enable_grad():
            theta = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
            for _ in range(self.steps):
                _, slope, _ = partials(problem.inner_loss, theta, hyper)
                theta = vectors.add(theta, slope, -self.learning_rate)
            value = problem.outer_loss(theta, hyper).sum()
            (grad,) = gradients(value, [hyper])
        return grad
