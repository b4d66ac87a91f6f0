"""The bilevel problem, and what every hypergradient takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.linalg import Hessian, LinearOperator
from graphcond.typing import Tensors

Loss = Callable[[Tensors, Tensor], Tensor]
"""(params, lam) -> a scalar, or ``[B]`` where entry b depends on block b of params ``[B, ...]`` and
on row b of lam ``[B, H]`` only.
"""


@dataclass(frozen=True)
class BilevelProblem:
    """min over λ of L*(λ) = outer_loss(θ*(λ), λ), where θ*(λ) minimises inner_loss(θ, λ).

    λ is an argument of both losses, so its direct effect on the outer loss cannot get lost: a
    filter's coefficients enter the forward pass of the validation loss as well.

    Args:
        inner_loss: L_train(θ, λ), regularisation included; scalar, or ``[B]`` for B hyperparameters
            at once.
        outer_loss: L_val(θ, λ), of the same form; gradients flow to whatever it closes over.
        curvature: (params, lam) -> the operator that stands for ∂²L_train/∂θ², for example a damped
            Gauss-Newton; None is the Hessian.

    Source: hcdc, equation HPO.
    """

    inner_loss: Loss
    outer_loss: Loss
    curvature: Callable[[Tensors, Tensor], LinearOperator] | None = None

    def inner_curvature(self, params: Tensors, lam: Tensor) -> LinearOperator:
        """Return the operator that stands for ∂²L_train/∂θ² at (θ, λ)."""
        if self.curvature is not None:
            return self.curvature(params, lam)
        fixed = lam.detach()
        return Hessian(lambda free: self.inner_loss(free, fixed), params)


class Hypergradient(ABC):
    """∇L*(λ): ``hypergradient(problem, params, lam) -> [H]`` or ``[B, H]``, differentiable in what
    the outer loss closes over.
    """

    @abstractmethod
    def __call__(self, problem: BilevelProblem, params: Tensors, lam: Tensor) -> Tensor:
        """Return ∇L*(λ), the direct term included.

        Args:
            problem: The two losses.
            params: θ; each ``[B, ...]`` if lam is ``[B, H]``.
            lam: λ, ``[H]`` or ``[B, H]``.

        Returns:
            Shaped as ``lam``.
        """


def leaves(params: Tensors, lam: Tensor) -> tuple[Tensors, Tensor]:
    """Return copies of θ and λ that gradients can be taken of."""
    return {
        name: tensor.detach().requires_grad_() for name, tensor in params.items()
    }, lam.detach().requires_grad_()


def gradients(value: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradients of a scalar with their graph; zeros where it does not depend."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found)]


def partials(loss: Loss, params: Tensors, lam: Tensor) -> tuple[Tensor, Tensors, Tensor]:
    """Return a loss and its gradients in θ and in λ, all with their graph.

    Args:
        loss: L(θ, λ).
        params: Leaves θ.
        lam: Leaf λ ``[B, H]``.

    Returns:
        L scalar or ``[B]``, ∇_θ L shaped as params, ∇_λ L shaped as lam; zeros where L does not
        depend.
    """
    with torch.enable_grad():
        value = loss(params, lam)
        require(
            value.dim() <= 1,
            f"This needs a loss [] or [B], but found shape = {tuple(value.shape)}. Sum or average"
            " over the nodes, not over the hyperparameters.",
        )
        # Entries of different hyperparameters never meet, so the gradient of the sum is all of
        # theirs.
        whole = gradients(value.sum(), [*params.values(), lam])
    return value, dict(zip(params, whole)), whole[-1]
