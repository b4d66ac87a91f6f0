"""Settings and flow shared by distribution matching, kernel inducing points and trajectory matching."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.learning import Learner, Origin, Rates, Start, Targets
from graphcond.condensers.partition import Members
from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint
from graphcond.errors import require
from graphcond.nn.adjacency import Adjacency, AdjacencyName, make_adjacency
from graphcond.nn.synthetic import SyntheticGraph
from graphcond.seeding import derive, generator
from graphcond.typing import Record

Loss: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""Features [n', d], edge weights [n', n'] and the number of the step -> scalar to minimise."""


@dataclass(frozen=True, kw_only=True)
class LearnedNodes(NodeSynthesis):
    """Base of condensers that descend one loss over synthetic features and edges; a subclass writes :meth:`_loss`.

    Args:
        adjacency: ``"identity"``, ``"learned"``, ``"mlp"``, ``"bernoulli"`` or an :class:`~graphcond.nn.adjacency.Adjacency`.
        targets: ``"train"``: labelled nodes; ``"teacher"``: all nodes, with classes by a closed-form teacher that learns from training
            labels (validation labels choose its setting).
        start: ``"nodes"`` or ``"partition"``.
        rounds: Rounds of steps, >= 1; the graph is judged and saved between rounds.
        steps: Steps of a round, >= 1.
        lr_x: Adam's step for features, as a share of mean |x|, > 0.
        lr_edges: Adam's step for edge parameters, > 0.
        threshold: Edges of weight <= threshold are cut in the result, in [0, 1).
        keep_best: Keep the graph, over rounds, that teaches a linear model best on the original's validation nodes (training part
            only; their labels choose one of ``rounds + 1`` graphs).
    """

    adjacency: AdjacencyName | Adjacency = "identity"
    targets: Targets = "teacher"
    start: Start = "partition"
    rounds: int = 10
    steps: int = 30
    lr_x: float = 0.02
    lr_edges: float = 0.01
    threshold: float = 0.05
    keep_best: bool = True

    def __post_init__(self) -> None:
        require(self.targets in ("train", "teacher"), "`targets` in {'train', 'teacher'}", "Pick one.", targets=self.targets)
        require(self.start in ("nodes", "partition"), "`start` in {'nodes', 'partition'}", "Pick one.", start=self.start)
        require(min(self.rounds, self.steps) >= 1, "positive counts", "At least one step is needed.", rounds=self.rounds, steps=self.steps)
        require(min(self.lr_x, self.lr_edges) > 0, "positive learning rates", "0.02 and 0.01 are usual.", rates=(self.lr_x, self.lr_edges))
        require(0 <= self.threshold < 1, "`threshold` in [0, 1)", "Edge weights lie in [0, 1].", threshold=self.threshold)
        make_adjacency(self.adjacency)

    def part(self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None) -> tuple[Data, list[Record]]:
        """Return one condensed graph and the mean loss of every round."""
        rule = make_adjacency(self.adjacency)
        graph, members = Origin(self.start, self.targets, rule)(data, part, count, self.seed)
        seed = derive(self.seed, type(self).__name__, part)
        learner = Learner(graph, Rates(self.lr_x, self.lr_edges), type(self).__name__)
        loss = self._loss(data, members, graph, seed)

        def play(number: int) -> float:
            total = 0.0
            for step in range(number * self.steps, (number + 1) * self.steps):
                value = loss(graph.x, graph.weight(derive(seed, "edges", step)), step)
                total += learner.update(value, f"step {step}")
            return total / self.steps

        best, history = learner.run(self.rounds, play, data if part == "train" and self.keep_best else None, checkpoint)
        return best.to_data(self.threshold), history

    @abstractmethod
    def _loss(self, data: Data, members: Members, graph: SyntheticGraph, seed: int) -> Loss:
        """Prepare what is constant and return the loss."""


def thinned(members: Members, most: int, seed: int) -> Members:
    """Return at most ``most`` members, drawn at random, so that their features fit."""
    if len(members.nodes) <= most:
        return members
    index = torch.randperm(len(members.nodes), generator=generator(seed, "thin"))[:most].to(members.nodes.device)
    return Members(members.nodes[index], members.labels[index], members.weight[index])
