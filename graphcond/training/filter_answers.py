"""What a graph says about filters: losses, accuracies and hypergradients at many λ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import InputError
from graphcond.nn.linear_filters import ClosedFormFilters
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Target:
    """The original's answers at P hyperparameters.

    Attributes:
        lam: λ [P, H].
        loss: L*_T(λ) [P], positive.
        accuracy: Validation accuracy [P].
        gradient: ∇L*_T(λ) [P, H], or None where it was not asked for.
        ridge: ρ of a closed form; None for networks.
    """

    lam: Tensor
    loss: Tensor
    accuracy: Tensor
    gradient: Tensor | None = None
    ridge: float | None = None

    def slopes(self) -> Tensor:
        """Return ∇L*_T(λ) [P, H].

        Raises:
            InputError: If it was not asked for.
        """
        if self.gradient is None:
            raise InputError(
                "The original's hypergradients were not computed, but the objective needs them."
                " Ask the teacher for them, or weigh them with 0."
            )
        return self.gradient

    def tensors(self) -> Tensors:
        """Return the answers by name, for a checkpoint."""
        found = {"lam": self.lam, "loss": self.loss, "accuracy": self.accuracy}
        if self.gradient is not None:
            found["gradient"] = self.gradient
        if self.ridge is not None:
            found["ridge"] = torch.tensor(self.ridge, dtype=torch.float64)
        return found

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Target:
        """Return what :meth:`tensors` wrote."""
        rest = dict(tensors)
        ridge = rest.pop("ridge", None)
        return cls(**rest, ridge=None if ridge is None else float(ridge))


def closed_form_target(model: ClosedFormFilters, lam: Tensor, ridge: float) -> Target:
    """Return the answers of a model in closed form: no training at all.

    Args:
        model: The original, made ready.
        lam: λ [P, H].
        ridge: ρ > 0.

    Returns:
        Losses, accuracies and exact hypergradients.
    """
    losses = []
    accuracies = []
    gradients = []
    for some in lam.split(model.chunk):
        # In double precision, as the normal equations are; a chunk at a time, as each keeps its
        # graph.
        leaf = some.double().requires_grad_()
        scores = model.scores(leaf, torch.tensor([ridge], dtype=torch.float64))
        gradients.append(torch.autograd.grad(scores.loss.sum(), leaf)[0])
        losses.append(scores.loss[0].detach())
        accuracies.append(scores.accuracy[0].detach())
    loss, accuracy, gradient = (torch.cat(part).to(lam) for part in (losses, accuracies, gradients))
    return Target(lam, loss, accuracy, gradient, ridge)
