"""The hypergradient where the inner optimum has a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.hypergrad.problem import BilevelProblem, Hypergradient, gradients
from graphcond.typing import Tensors


@dataclass(frozen=True)
class ClosedForm(Hypergradient):
    """∇_λ L_val(θ*(λ), λ) with θ*(λ) from a formula, for example ridge regression; exact, direct
    term included.

    Args:
        optimum: λ -> θ*(λ), differentiable.

    Example:
        >>> import torch
        >>> problem = BilevelProblem(
        ...     lambda p, lam: ((p["w"] - lam) ** 2).sum(), lambda p, lam: (p["w"] ** 2 + lam).sum()
        ... )
        >>> ClosedForm(lambda lam: {"w": lam})(problem, {}, torch.tensor([3.0]))
        tensor([7.], grad_fn=<AddBackward0>)
    """

    optimum: Callable[[Tensor], Tensors]

    def __call__(self, problem: BilevelProblem, params: Tensors, lam: Tensor) -> Tensor:
        """Return ∇L*(λ); ``params`` may be empty, as θ*(λ) comes from the formula."""
        # A leaf of its own: the caller's λ may be part of another graph.
        hyper = lam.detach().requires_grad_()
        with torch.enable_grad():
            value = problem.outer_loss({**params, **self.optimum(hyper)}, hyper).sum()
            (grad,) = gradients(value, [hyper])
        return grad
