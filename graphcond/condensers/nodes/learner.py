"""What condensers that learn nodes share: a start, a loop of rounds, and their settings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from graphcond.condensers.nodes.partition import Partition
from graphcond.condensers.synthesis import NodeSynthesis, linear_accuracy
from graphcond.data import Checkpoint
from graphcond.data.stateful import joined, part_of
from graphcond.errors import (
    NumericalError,
    require,
    require_at_least,
    require_positive,
    require_share,
)
from graphcond.nn.adjacency import Adjacency, AdjacencyName, Identity, make_adjacency
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.synthetic import SyntheticGraph, class_samples, gcn_norm_dense, synthetic_labels
from graphcond.nn.teacher import RidgeTeacher
from graphcond.seeding import derive
from graphcond.training.adam import Adam
from graphcond.typing import Record

Start: TypeAlias = Literal["nodes", "partition"]
Targets: TypeAlias = Literal["train", "teacher"]
Play: TypeAlias = Callable[[int], float]


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
            labels: Targets = self.targets if part == "train" else "train"
            clusters = Partition(labels=labels, num_nodes=count, seed=seed)
            graph, _ = clusters.part(data, part, count)
            return SyntheticGraph.start(graph.x, graph.y, self.adjacency, own), members
        y = synthetic_labels(members.labels, count)
        known = LabelledNodes.of_part(data, part)
        rows = class_samples(known.nodes[:, None], known.labels, y, own)[:, 0]
        x = data.x[rows]
        if isinstance(self.adjacency, Identity):
            # Nothing propagates on a graph without edges, so what is there has been propagated.
            x = propagated(data, rows, 2)
        return SyntheticGraph.start(x, y, self.adjacency, own), members


@final
class Learner:
    """A synthetic graph being learned round by round; a checkpoint can continue it.

    Args:
        graph: Where it starts; its parameters change in place.
        learning_rate: Adam's step for features, as a share of mean |x|.
        edge_learning_rate: Adam's step for edge parameters.
        name: Of the method, for messages.
    """

    def __init__(
        self, graph: SyntheticGraph, learning_rate: float, edge_learning_rate: float, name: str
    ) -> None:
        self.graph = graph
        self.name = name
        rates = dict.fromkeys(graph.params, edge_learning_rate)
        # A share of the features' size: word counts and pixels then take the same settings.
        rates["x"] = learning_rate * float(graph.x.detach().abs().mean())
        self.optimiser = Adam(graph.params, rates, fused=False)
        counts = (graph.y[:, None] == graph.y.unique()).sum(0).to(graph.x)
        self.class_weight = counts / counts.sum()

    def update(self, loss: Tensor, where: str) -> float:
        """Make one Adam step down ``loss`` and return its value; NaN stops with ``where`` and the
        cure.
        """
        if not torch.isfinite(loss):
            raise NumericalError(
                f"{self.name} diverged at {where}. Lower `learning_rate` or `edge_learning_rate`,"
                " or scale the features to about 1."
            )
        self.optimiser.descend(loss)
        return float(loss.detach())

    def run(
        self, rounds: int, play: Play, judge: Data | None, checkpoint: Checkpoint | None
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
            facts: dict[str, float] = {}
            if judge is not None:
                facts["linear_accuracy"] = self._judge(judge)
            # Without a judge the last graph is the one that is kept.
            if judge is None or facts["linear_accuracy"] > score:
                score = facts.get("linear_accuracy", score)
                best = {name: value.detach().clone() for name, value in self.graph.params.items()}
            history.append({"step": number, "loss": loss, **facts})
            if checkpoint is not None and (number % 10 == 9 or number + 1 == rounds):
                tensors = joined(now=self.optimiser.state_dict(), best=best)
                checkpoint.save(tensors, {"rounds": number + 1, "score": score, "history": history})
        return self.graph.with_params(best), history

    @torch.no_grad()
    def _judge(self, data: Data) -> float:
        operator = gcn_norm_dense(self.graph.weight())
        return linear_accuracy(data, operator @ (operator @ self.graph.x), self.graph.y)


@dataclass(frozen=True, kw_only=True)
class GraphLearning(NodeSynthesis):
    """Base of condensers that learn features and edges by Adam, round by round; a subclass writes
    :meth:`_rounds` and :meth:`_play`.

    Args:
        adjacency: ``"identity"``, ``"learned"``, ``"mlp"``, ``"bernoulli"`` or an
            :class:`~graphcond.nn.adjacency.Adjacency`.
        targets: ``"train"``: labelled nodes; ``"teacher"``: all nodes, with classes by a
            closed-form teacher that learns from training labels (validation labels choose its
            setting).
        start: ``"nodes"`` or ``"partition"``.
        steps: Steps of a round, >= 1; the graph is judged and saved between rounds.
        learning_rate: Adam's step for features, as a share of mean |x|, > 0: the scale of features
            does not matter.
        edge_learning_rate: Adam's step for edge parameters, > 0.
        threshold: Edges of weight <= threshold are cut in the result, in [0, 1).
        keep_best: Keep the graph, over rounds, that teaches a linear model best on the original's
            validation nodes (training part only; their labels choose one of ``rounds + 1`` graphs).
    """

    adjacency: AdjacencyName | Adjacency = "identity"
    targets: Targets = "teacher"
    start: Start = "partition"
    steps: int = 30
    learning_rate: float = 0.02
    edge_learning_rate: float = 0.01
    threshold: float = 0.05
    keep_best: bool = True

    def __post_init__(self) -> None:
        for name, known in (("targets", ("train", "teacher")), ("start", ("nodes", "partition"))):
            value = getattr(self, name)
            require(
                value in known,
                f"`{name}` must be one of {', '.join(known)}, but it is {value!r}. Pick one.",
            )
        require(
            isinstance(self.steps, Integral) and self.steps >= 1,
            f"`steps` must be at least 1, and whole, but it is {self.steps!r}. Raise it.",
        )
        for name in ("learning_rate", "edge_learning_rate"):
            rate = getattr(self, name)
            require_positive("0.01 is usual.", **{name: rate})
        require_share("Edge weights lie in [0, 1].", threshold=self.threshold)
        make_adjacency(self.adjacency)

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return one condensed graph and the mean loss of every round."""
        rule = make_adjacency(self.adjacency)
        graph, members = Origin(self.start, self.targets, rule)(data, part, count, self.seed)
        name = type(self).__name__
        learner = Learner(graph, self.learning_rate, self.edge_learning_rate, name)
        judge = None
        if part == "train" and self.keep_best:
            judge = data
        play = self._play(data, members, learner, part)
        best, history = learner.run(self._rounds, play, judge, checkpoint)
        return best.to_data(self.threshold), history

    @property
    @abstractmethod
    def _rounds(self) -> int:
        """How many rounds are played."""

    @abstractmethod
    def _play(self, data: Data, members: LabelledNodes, learner: Learner, part: str) -> Play:
        """Prepare what is constant and return what plays a round and returns its mean loss."""


Loss: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""Features [n', d], edge weights [n', n'] and the number of the step -> scalar to minimise."""


@dataclass(frozen=True, kw_only=True)
class LearnedNodes(GraphLearning):
    """Base of condensers that descend one loss over synthetic features and edges; a subclass writes
    :meth:`_loss`. The settings not listed are those of :class:`GraphLearning`.

    Args:
        rounds: Rounds of steps, >= 1; the graph is judged and saved between rounds.
    """

    rounds: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, "Raise it.", rounds=self.rounds)

    @property
    def _rounds(self) -> int:
        return self.rounds

    def _play(self, data: Data, members: LabelledNodes, learner: Learner, part: str) -> Play:
        graph = learner.graph
        seed = derive(self.seed, type(self).__name__, part)
        loss = self._loss(data, members, graph, seed)

        def play(number: int) -> float:
            total = 0.0
            for step in range(number * self.steps, (number + 1) * self.steps):
                value = loss(graph.x, graph.weight(derive(seed, "edges", step)), step)
                total += learner.update(value, f"step {step}")
            return total / self.steps

        return play

    @abstractmethod
    def _loss(self, data: Data, members: LabelledNodes, graph: SyntheticGraph, seed: int) -> Loss:
        """Prepare what is constant and return the loss."""
