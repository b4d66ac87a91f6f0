"""What the original says about hyperparameters: losses, accuracies and hypergradients, from three
kinds of teacher.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from graphcond.errors import InputError, NumericalError, require
from graphcond.hypergrad import BilevelProblem, Implicit
from graphcond.linalg import Damped, GaussNewton, LinearOperator, Solution
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.linear_filters import ClosedForm
from graphcond.training.nodes import FilterGraph
from graphcond.typing import Tensors

_CHUNK_NUMBERS = 700_000


@dataclass(frozen=True)
class Target:
    """The original's answers at P hyperparameters.

    Attributes:
        lam: λ [P, H].
        loss: L*_T(λ) [P], positive.
        accuracy: Validation accuracy [P].
        gradient: ∇L*_T(λ) [P, H], or None where it was not asked for.
    """

    lam: Tensor
    loss: Tensor
    accuracy: Tensor
    gradient: Tensor | None = None

    def slopes(self) -> Tensor:
        """Return ∇L*_T(λ) [P, H].

        Raises:
            InputError: If it was not asked for.
        """
        if self.gradient is None:
            raise InputError(
                "hypergradients of the original must hold, but got (gradient=None). Compute them,"
                " or weigh them with 0."
            )
        return self.gradient

    def tensors(self) -> Tensors:
        """Return the answers by name, for a checkpoint."""
        found = {"lam": self.lam, "loss": self.loss, "accuracy": self.accuracy}
        return found if self.gradient is None else {**found, "gradient": self.gradient}


def node_losses(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of every model [B] for logits [B, n, C] and classes [n]."""
    each = cross_entropy(logits.flatten(0, 1), y.repeat(logits.size(0)), reduction="none")
    return each.view(logits.size(0), -1).mean(1)


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
        fixed, y = lam.detach(), self.graph.y[self.graph.train]
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
        size = max(1, _CHUNK_NUMBERS // (int(self.graph.y.numel()) * width))
        for first in range(0, count, size):
            yield slice(first, first + size)


def check_solution(solution: Solution, lam: Tensor, step: str) -> None:
    """Raise a NumericalError that names the step and the first λ whose solve diverges or meets
    negative curvature.
    """
    bad = (solution.diverged | solution.negative_curvature).nonzero().flatten()
    facts = {
        "step": step,
        "lam": lam[bad[:1]].tolist(),
        "solves": f"{len(bad)} of {len(lam)}",
        "solution": str(solution),
    }
    cure = (
        "Keep Gauss-Newton products (curvature='gauss-newton'), raise hypergrad.Implicit(damping=),"
        " or leave a Neumann step at None."
    )
    require(
        len(bad) == 0, "hypergradient solves that converge", cure, error=NumericalError, **facts
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
    y, losses, accuracies = problem.graph.y[problem.graph.val], [], []
    for some in problem.chunks(lam.size(0)):
        logits = problem.logits(
            {name: value[some] for name, value in params.items()}, lam[some], problem.graph.val
        )
        losses.append(node_losses(logits, y))
        accuracies.append((logits.argmax(-1) == y).to(logits.dtype).mean(1))
    return torch.cat(losses), torch.cat(accuracies)


def closed_form_target(model: ClosedForm, lam: Tensor, ridge: float) -> Target:
    """Return the answers of a model in closed form: no training at all.

    Args:
        model: The original, made ready.
        lam: λ [P, H].
        ridge: ρ > 0.

    Returns:
        Losses, accuracies and exact hypergradients.
    """
    losses, accuracies, gradients = [], [], []
    for some in lam.split(model.chunk):
        leaf = some.double().requires_grad_()
        scores = model.scores(leaf, torch.tensor([ridge], dtype=torch.float64))
        gradients.append(torch.autograd.grad(scores.loss.sum(), leaf)[0])
        losses.append(scores.loss[0].detach())
        accuracies.append(scores.accuracy[0].detach())
    parts = [torch.cat(part).to(lam) for part in (losses, accuracies, gradients)]
    return Target(lam, *parts)
