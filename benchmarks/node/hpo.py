"""Continuous hyperparameter optimisation (Lorraine et al., 2020): descend the hypergradient on a
graph, warm-starting the weights.
"""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from benchmarks.node.setting import SPACE
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG
from graphcond.nn import PolynomialFilterNet
from graphcond.training import FilterTraining, filter_graph, train_filters
from graphcond.training.filter_problem import FilterProblem


def descend(
    net: PolynomialFilterNet,
    data: Data,
    starts: torch.Tensor,
    *,
    rounds: int = 10,
    rate: float = 0.1,
    seed: int = 0,
) -> torch.Tensor:
    """Return the filter [1, H] with the lowest validation loss on ``data`` after descending from
    every start [P, H].
    """
    graph, recipe = filter_graph(data), FilterTraining()
    problem = FilterProblem(net, graph, recipe.weight_decay)
    params, lam = train_filters(net, starts, graph, recipe=recipe, seed=seed).params, starts.clone()
    weights = {name: value.clone().requires_grad_() for name, value in params.items()}
    adam = torch.optim.Adam(weights.values(), lr=recipe.learning_rate)
    outer = torch.optim.Adam([lam], lr=rate)
    hypergradient = Implicit(CG(max_steps=10))
    for _ in range(rounds):
        now = {name: value.detach() for name, value in weights.items()}
        lam.grad = hypergradient(problem.bilevel(), now, lam).detach()
        outer.step()
        lam.data.copy_(SPACE.relax(lam.data))
        for _ in range(20):
            adam.zero_grad()
            problem.inner(weights, lam).sum().backward()
            adam.step()
    with torch.no_grad():
        loss = problem.outer(weights, lam)
    best = int(loss.argmin())
    return lam[best : best + 1].detach()
