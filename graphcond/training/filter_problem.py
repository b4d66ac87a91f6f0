"""The bilevel problem of polynomial filters on one graph: its losses, solves and checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.errors import NumericalError, require
from graphcond.hypergrad import BilevelProblem, Implicit
from graphcond.linalg import Damped, GaussNewton, LinearOperator, Solution
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.training.adam import Adam
from graphcond.training.filter_graphs import FilterGraph
from graphcond.training.filter_program import (
    FilterTraining,
    check_finite,
    node_accuracies,
    node_losses,
)
from graphcond.training.nodes import activations_at_once
from graphcond.typing import Tensors


@dataclass(frozen=True)
class FilterProblem:
    """The bilevel problem of filters on a graph: train θ on its training nodes, validate on its
    validation nodes.

    Args:
        net: The architecture.
        graph: The graph, original or condensed.
        weight_decay: L2 penalty of the inner loss, weight_decay / 2 · ‖θ‖².
        gauss_newton: Whether Gauss-Newton products stand for the inner Hessian, which is indefinite
            for networks.
    """

    net: PolynomialFilterNet
    graph: FilterGraph
    weight_decay: float
    gauss_newton: bool = True

    def logits(self, params: Tensors, lam: Tensor, nodes: Tensor) -> Tensor:
        """Return the logits [B, m, C] of some nodes."""
        return self.net(params, lam, self.graph.operator, self.graph.x)[:, nodes]

    def inner(self, params: Tensors, lam: Tensor) -> Tensor:
        """Return the training losses [B], penalty included."""
        fit = node_losses(
            self.logits(params, lam, self.graph.train), self.graph.y[self.graph.train]
        )
        penalty = torch.stack([value.flatten(1).square().sum(1) for value in params.values()]).sum(
            0
        )
        return fit + self.weight_decay / 2 * penalty

    def outer(self, params: Tensors, lam: Tensor) -> Tensor:
        """Return the validation losses [B]."""
        return node_losses(self.logits(params, lam, self.graph.val), self.graph.y[self.graph.val])

    def curvature(self, params: Tensors, lam: Tensor) -> LinearOperator:
        """Return the damped Gauss-Newton operator of the inner loss."""
        fixed = lam.detach()
        y = self.graph.y[self.graph.train]
        plain = GaussNewton(
            lambda p: self.logits(p, fixed, self.graph.train),
            lambda out: node_losses(out, y),
            params,
        )
        return Damped(plain, self.weight_decay)

    def bilevel(self) -> BilevelProblem:
        """Return the problem in the form that hypergradients take."""
        return BilevelProblem(self.inner, self.outer, self.curvature if self.gauss_newton else None)

    def chunks(self, count: int) -> Iterator[slice]:
        """Yield slices of ``count`` candidates whose activations fit a core's cache."""
        width = max(out for _, out in self.net.widths)
        numbers = activations_at_once(self.graph.y.device)
        # The same chunk as in training, for the same cache; no result depends on it.
        size = max(1, numbers // (int(self.graph.y.numel()) * width))
        for first in range(0, count, size):
            yield slice(first, first + size)


def check_solution(solution: Solution, lam: Tensor, step: str) -> None:
    """Raise a NumericalError that names the step and the first λ whose solve diverges or meets
    negative curvature.
    """
    bad = (solution.diverged | solution.negative_curvature).nonzero().flatten()
    require(
        len(bad) == 0,
        f"The hypergradient solve does not converge at {step}, for {len(bad)} of {len(lam)} λ:"
        f" λ = {lam[bad[:1]].tolist()}, {solution}. Keep Gauss-Newton products"
        " (curvature='gauss-newton'), raise hypergrad.Implicit(damping=), or leave a Neumann step"
        " at None.",
        error=NumericalError,
    )


def network_gradients(
    problem: FilterProblem, params: Tensors, lam: Tensor, how: Implicit
) -> Tensor:
    """Return ∇L*(λ) [P, H] of P trained models, a chunk at a time.

    Args:
        problem: The original's problem.
        params: θ, P models.
        lam: λ [P, H].
        how: The implicit hypergradient.

    Raises:
        NumericalError: If a solve diverges; the message names its λ.
    """
    found = []
    for some in problem.chunks(lam.size(0)):
        value, solution = how.solve(
            problem.bilevel(), {name: value[some] for name, value in params.items()}, lam[some]
        )
        check_solution(solution, lam[some], "hypergradients of the original")
        found.append(value.detach())
    return torch.cat(found)


@torch.no_grad()
def network_scores(problem: FilterProblem, params: Tensors, lam: Tensor) -> tuple[Tensor, Tensor]:
    """Return validation losses [P] and accuracies [P] of P models, a chunk at a time."""
    y = problem.graph.y[problem.graph.val]
    losses = []
    accuracies = []
    for some in problem.chunks(lam.size(0)):
        logits = problem.logits(
            {name: value[some] for name, value in params.items()}, lam[some], problem.graph.val
        )
        losses.append(node_losses(logits, y))
        accuracies.append(node_accuracies(logits, y))
    return torch.cat(losses), torch.cat(accuracies)


class FilterLearner:
    """B filters in training on one graph, step by step, λ given anew at each.

    Args:
        problem: The graph's problem.
        start: Initial parameters, B models.
        recipe: Its learning rate.
    """

    def __init__(self, problem: FilterProblem, start: Tensors, recipe: FilterTraining) -> None:
        self.problem = problem
        self.params = {name: value.clone().requires_grad_() for name, value in start.items()}
        # The penalty is part of the inner loss, so Adam gets none of its own.
        self.optimiser = Adam(self.params, recipe.learning_rate, fused=False)

    @classmethod
    def fresh(
        cls, problem: FilterProblem, lam: Tensor, seed: int, recipe: FilterTraining
    ) -> FilterLearner:
        """Return the learner with new weights for λ [B, H], drawn by ``seed``."""
        start = problem.net.init(lam.size(0), seed, dtype=lam.dtype, device=lam.device)
        return cls(problem, start, recipe)

    def step(self, lam: Tensor) -> None:
        """Make one Adam step on the inner losses at λ [B, H]."""
        losses = self.problem.inner(self.params, lam)
        check_finite(losses.detach(), lam, "training along a trajectory")
        self.optimiser.descend(losses.sum())

    def frozen(self) -> Tensors:
        """Return the parameters without their graph."""
        return {name: value.detach() for name, value in self.params.items()}
