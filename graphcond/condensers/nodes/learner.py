"""What distribution matching, trajectory matching and kernel inducing points share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from graphcond.condensers.nodes.partition import Partition
from graphcond.condensers.synthesis import NodeSynthesis, linear_accuracy
from graphcond.data import Checkpoint
from graphcond.data.stateful import joined, part_of
from graphcond.errors import NumericalError, require
from graphcond.nn.adjacency import Adjacency, AdjacencyName, Identity, make_adjacency
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.synthetic import SyntheticGraph, class_samples, gcn_norm_dense, synthetic_labels
from graphcond.nn.teacher import RidgeTeacher
from graphcond.seeding import derive
from graphcond.training.adam import Adam
from graphcond.typing import Record

Start: TypeAlias = Literal["nodes", "partition"]
Targets: TypeAlias = Literal["train", "teacher"]


@dataclass(frozen=True)
class Origin:
    """Where a synthetic graph starts and what it shall stand for.

    Args:
        start: ``"nodes"``: random nodes of the part, with twice propagated features where there are
            no edges; ``"partition"``: class-wise clusters (:class:`Partition`).
        targets: ``"train"``: the labelled nodes of the part; ``"teacher"``: all nodes with a
            closed-form teacher's classes (training part only).
        adjacency: Of the synthetic graph.
    """

    start: Start
    targets: Targets
    adjacency: Adjacency

    def __call__(
        self, data: Data, part: str, count: int, seed: int
    ) -> tuple[SyntheticGraph, LabelledNodes]:
        """Return the first synthetic graph, and the nodes, classes and weights it shall stand for.

        Args:
            data: The original.
            part: ``"train"`` or ``"val"``.
            count: Condensed nodes.
            seed: Of every draw.
        """
        taught = self.targets == "teacher" and part == "train"
        members = LabelledNodes.of_part(data, part)
        if taught:
            members = LabelledNodes.taught(data, RidgeTeacher())
        own = derive(seed, part)
        if self.start == "partition":
            graph, _ = Partition(
                labels="teacher" if taught else "train", num_nodes=count, seed=seed
            ).part(data, part, count)
            return SyntheticGraph.start(graph.x, graph.y, self.adjacency, own), members
        labels = synthetic_labels(members.labels, count)
        known = LabelledNodes.of_part(data, part)
        rows = class_samples(known.nodes[:, None], known.labels, labels, own)[:, 0]
        if isinstance(self.adjacency, Identity):
            x = propagated(data, rows, 2)
        else:
            x = data.x[rows]
        return SyntheticGraph.start(x, labels, self.adjacency, own), members


@dataclass(frozen=True)
class Rates:
    """Adam's steps: ``x`` for features, as a share of mean |x|, and ``edges`` for edge
    parameters.
    """

    x: float
    edges: float


@final
class Learner:
    """A synthetic graph being learned round by round; a checkpoint can continue it.

    Args:
        graph: Where it starts; its parameters change in place.
        rates: Step sizes.
        name: Of the method, for messages.
    """

    def __init__(self, graph: SyntheticGraph, rates: Rates, name: str) -> None:
        self.graph = graph
        self.name = name
        steps = dict.fromkeys(graph.params, rates.edges)
        steps["x"] = rates.x * float(graph.x.detach().abs().mean())
        self.optimiser = Adam(graph.params, steps, fused=False)
        counts = (graph.y[:, None] == graph.y.unique()).sum(0).to(graph.x)
        self.class_weight = counts / counts.sum()

    def update(self, loss: Tensor, where: str) -> float:
        """Make one Adam step down ``loss`` and return its value; NaN stops with ``where`` and the
        cure.
        """
        if not torch.isfinite(loss):
            raise NumericalError(
                f"{self.name} diverged at {where}. Lower lr_x or lr_edges, or scale the features to"
                " about 1."
            )
        self.optimiser.descend(loss)
        return float(loss.detach())

    def run(
        self,
        rounds: int,
        play: Callable[[int], float],
        judge: Data | None,
        checkpoint: Checkpoint | None,
    ) -> tuple[SyntheticGraph, list[Record]]:
        """Play every round.

        Args:
            rounds: How many.
            play: Plays round r and returns its mean loss.
            judge: Where to test a linear model, on validation nodes, after every round; None keeps
                the last graph.
            checkpoint: Written every tenth round and at the end; continued from where it exists.

        Returns:
            The last graph, or the best one on ``judge``; one record per round.
        """
        first = 0
        best = {name: value.detach().clone() for name, value in self.graph.params.items()}
        history = list[Record]()
        score = -1.0
        if judge is not None:
            score = self._judge(judge)
        if checkpoint is not None and (found := checkpoint.load()) is not None:
            tensors, record = found
            self.optimiser.load_state_dict(part_of(tensors, "now"))
            best = part_of(tensors, "best")
            first = int(record["rounds"])
            score = float(record["score"])
            history = list(record["history"])
        for number in tqdm(range(first, rounds), disable=None, desc=self.name):
            loss = play(number)
            if judge is None:
                now = score
            else:
                now = self._judge(judge)
            if judge is None or now > score:
                score = now
                best = {name: value.detach().clone() for name, value in self.graph.params.items()}
            history.append(
                {
                    "step": number,
                    "loss": loss,
                    **({} if judge is None else {"linear_accuracy": now}),
                }
            )
            if checkpoint is not None and (number % 10 == 9 or number + 1 == rounds):
                tensors = joined(now=self.optimiser.state_dict(), best=best)
                checkpoint.save(tensors, {"rounds": number + 1, "score": score, "history": history})
        return self.graph.with_params(best), history

    @torch.no_grad()
    def _judge(self, data: Data) -> float:
        operator = gcn_norm_dense(self.graph.weight())
        return linear_accuracy(data, operator @ (operator @ self.graph.x), self.graph.y)


Loss: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""Features [n', d], edge weights [n', n'] and the number of the step -> scalar to minimise."""


@dataclass(frozen=True, kw_only=True)
class LearnedNodes(NodeSynthesis):
    """Base of condensers that descend one loss over synthetic features and edges; a subclass writes
    :meth:`_loss`.

    Args:
        adjacency: ``"identity"``, ``"learned"``, ``"mlp"``, ``"bernoulli"`` or an
            :class:`~graphcond.nn.adjacency.Adjacency`.
        targets: ``"train"``: labelled nodes; ``"teacher"``: all nodes, with classes by a
            closed-form teacher that learns from training labels (validation labels choose its
            setting).
        start: ``"nodes"`` or ``"partition"``.
        rounds: Rounds of steps, >= 1; the graph is judged and saved between rounds.
        steps: Steps of a round, >= 1.
        lr_x: Adam's step for features, as a share of mean |x|, > 0.
        lr_edges: Adam's step for edge parameters, > 0.
        threshold: Edges of weight <= threshold are cut in the result, in [0, 1).
        keep_best: Keep the graph, over rounds, that teaches a linear model best on the original's
            validation nodes (training part only; their labels choose one of ``rounds + 1`` graphs).
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
        require(
            self.targets in ("train", "teacher"),
            f"`targets` must be 'train' or 'teacher', but it is {self.targets!r}. Pick one.",
        )
        require(
            self.start in ("nodes", "partition"),
            f"`start` must be 'nodes' or 'partition', but it is {self.start!r}. Pick one.",
        )
        require(
            min(self.rounds, self.steps) >= 1,
            f"This needs positive counts, but found rounds = {self.rounds!r}, steps ="
            f" {self.steps!r}. At least one step is needed.",
        )
        require(
            min(self.lr_x, self.lr_edges) > 0,
            f"This needs positive learning rates, but found rates = {(self.lr_x, self.lr_edges)!r}."
            " 0.02 and 0.01 are usual.",
        )
        require(
            0 <= self.threshold < 1,
            f"`threshold` must be in [0, 1), but it is {self.threshold!r}. Edge weights lie in"
            " [0, 1].",
        )
        make_adjacency(self.adjacency)

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
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

        best, history = learner.run(
            self.rounds, play, data if part == "train" and self.keep_best else None, checkpoint
        )
        return best.to_data(self.threshold), history

    @abstractmethod
    def _loss(self, data: Data, members: LabelledNodes, graph: SyntheticGraph, seed: int) -> Loss:
        """Prepare what is constant and return the loss."""
