"""How a synthetic graph is learned: Adam with rates that fade."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphcond.data.stateful import Stateful
from graphcond.nn.synthetic import SyntheticGraph
from graphcond.training.adam import Adam
from graphcond.typing import Tensors


class Descent(Stateful):
    """Adam on a synthetic graph with cosine-annealed rates; its state can be stored and read back.

    Args:
        graph: Where it starts.
        learning_rate: Adam's first step for features, in units of their root mean square.
        edge_learning_rate: Adam's first step for edge logits; an adjacency's other parameters learn
            at a twentieth of it.
        steps: Steps of the schedule.
    """

    def __init__(
        self, graph: SyntheticGraph, learning_rate: float, edge_learning_rate: float, steps: int
    ) -> None:
        self.graph = graph
        self.steps = steps
        self.done = torch.zeros((), dtype=torch.int64)
        # Features that are all 0 have no scale of their own.
        scale = float(graph.x.detach().square().mean().sqrt()) or 1.0
        known = {"x": learning_rate * scale, "logits": edge_learning_rate}
        # Weights of a network that makes edges act on all of them at once.
        self.rates = {name: known.get(name, edge_learning_rate / 20) for name in graph.params}
        self.optimiser = Adam(graph.params, self.rates, fused=False)

    def step(self, objective: Tensor) -> None:
        """Move the graph against the objective's gradient."""
        fade = 0.5 * (1 + math.cos(math.pi * int(self.done) / self.steps))
        self.optimiser.set_rates({name: fade * rate for name, rate in self.rates.items()})
        self.optimiser.descend(objective)
        self.done += 1

    def state_dict(self) -> Tensors:
        """Return the graph, Adam's state and the number of steps, live."""
        return {**self.optimiser.state_dict(), "done": self.done}
