"""Continuous hyperparameter optimisation: filters descend the hypergradient on a graph."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.data import check_nodes
from graphcond.errors import require_at_least, require_positive
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG
from graphcond.nn import PolynomialFilterNet
from graphcond.spaces import PolynomialFilters
from graphcond.training import Adam, FilterTraining, filter_graph, train_filters
from graphcond.training.filter_problem import FilterLearner, FilterProblem
from graphcond.training.filter_program import check_finite


@dataclass(frozen=True)
class Descended:
    """What a descent came to.

    Attributes:
        lam: The filter with the lowest validation loss among all ends ``[H]``.
        loss: Its validation loss.
        ends: Where every start ended ``[P, H]``.
        losses: Validation losses of the starts and after every move ``[moves + 1, P]``.
    """

    lam: Tensor
    loss: float
    ends: Tensor
    losses: Tensor


@dataclass(frozen=True)
class FilterDescent:
    """Move filters λ along -∇L*(λ), a few training steps of the weights between two moves.

    All starts descend side by side in one batch. The weights are trained once from scratch and then
    follow λ, so that a move costs a solve and a few steps, not a training.

    Args:
        net: The architecture; None: two layers of width 16.
        space: Where λ starts and stays.
        starts: Starting points P, >= 1.
        moves: Moves of λ, >= 1.
        between: Training steps of the weights after every move, >= 1.
        learning_rate: Adam's step for λ, > 0.
        recipe: How the weights are trained.
        hypergradient: Solver, damping and direct term.
        seed: Seed of starting points and weights.

    Source: Lorraine et al. (2020), as HCDC uses it in section 7 (Perf.). Deviations: Adam moves λ,
        and the direct term is kept.

    Example:
        >>> from graphcond.data import load
        >>> descend = FilterDescent(starts=2, moves=2, recipe=FilterTraining(epochs=5))
        >>> found = descend(load("karate"))
        >>> found.lam.shape, found.losses.shape
        (torch.Size([3]), torch.Size([3, 2]))
    """

    net: PolynomialFilterNet | None = None
    space: PolynomialFilters = field(default_factory=PolynomialFilters)
    starts: int = 8
    moves: int = 10
    between: int = 20
    learning_rate: float = 0.1
    recipe: FilterTraining = field(default_factory=FilterTraining)
    hypergradient: Implicit = field(default_factory=lambda: Implicit(CG(max_steps=10)))
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(1, "Raise it.", starts=self.starts, moves=self.moves, between=self.between)
        require_positive("0.1 is usual.", learning_rate=self.learning_rate)

    def __call__(self, data: Data, *, starts: Tensor | None = None) -> Descended:
        """Descend on a graph, condensed or original.

        Args:
            data: The graph, with training and validation nodes.
            starts: Starting points ``[P, H]``; None draws them from the space.

        Returns:
            The best filter, every end, and the losses on the way.

        Raises:
            InputError: If the graph or the starting points do not fit.
            NumericalError: If a loss is not a number; the message names its λ.
        """
        check_nodes(data)
        if starts is None:
            starts = self.space.sample(self.starts, seed=self.seed)
        lam = starts.to(data.x).clone()
        graph = filter_graph(data)
        problem = FilterProblem(self._network(data), graph, self.recipe.weight_decay)
        trained = train_filters(problem.net, lam, graph, recipe=self.recipe, seed=self.seed)
        learner = FilterLearner(problem, trained.params, self.recipe)
        outer = Adam({"lam": lam}, self.learning_rate, fused=False)
        losses = [self._loss(problem, learner, lam)]
        for _ in range(self.moves):
            lam.grad = self.hypergradient(problem.bilevel(), learner.frozen(), lam).detach()
            outer.step()
            lam.data.copy_(self.space.relax(lam.data))
            for _ in range(self.between):
                learner.step(lam)
            losses.append(self._loss(problem, learner, lam))
        best = int(losses[-1].argmin())
        ends = lam.detach()
        return Descended(ends[best], float(losses[-1][best]), ends, torch.stack(losses))

    def _network(self, data: Data) -> PolynomialFilterNet:
        classes = int(data.y.max()) + 1
        per_layer = self.space.num_layers > 1
        return self.net or PolynomialFilterNet(
            data.num_features, 16, classes, basis=self.space.basis, per_layer=per_layer
        )

    @torch.no_grad()
    def _loss(self, problem: FilterProblem, learner: FilterLearner, lam: Tensor) -> Tensor:
        loss = problem.outer(learner.params, lam)
        check_finite(loss, lam, "the descent of filters")
        return loss
