"""Gradient matching: GCond, GCond-X and DosCond."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import final

from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.nodes.backbones import (
    Backbone,
    Distance,
    ModuleBackbone,
    NetBackbone,
    SGCBackbone,
    gradient_distance,
)
from graphcond.condensers.nodes.learner import Learner, Origin, Rates, Start, Targets
from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint
from graphcond.errors import require
from graphcond.nn.adjacency import Adjacency, AdjacencyName, Identity, make_adjacency
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.typing import NodeModelFactory, Record


@dataclass(frozen=True)
class GradientCondenser(NodeSynthesis):
    r"""Base of the condensers that match training gradients; they differ in their defaults.

    min_S Σ_inits Σ_t Σ_c w_c D(∇_θ L_c(θ_t; S), ∇_θ L_c(θ_t; T)), θ_{t+1} trained on S, L_c the
    loss of class c and w_c its share.

    Args:
        net: What is trained and matched. None is SGC (linear on Â² X), in closed form and by far
            the cheapest; a :class:`~graphcond.nn.PolynomialFilterNet`; or what makes any other
            classifier, say ``partial(nn.GraphNet, kind="gin-0")``, with identity as adjacency.
        adjacency: ``"learned"``, ``"mlp"``, ``"bernoulli"``, ``"identity"``, or an
            :class:`~graphcond.nn.adjacency.Adjacency`.
        space: With a ``net``: filters to draw λ from for every initialisation; None is one GCN-like
            filter.
        distance: ``"cosine"`` per column, ``"l2"`` or ``"both"``.
        targets: ``"train"``: labelled nodes; ``"teacher"``: all nodes, with classes by a
            closed-form teacher that learns from training labels (validation labels choose its
            setting). Stated in the card.
        start: ``"nodes"`` or ``"partition"``.
        inits: Initialisations of θ, >= 1. Under 40 nodes 20 of them gained one to two points over
            10.
        steps: Matching steps per initialisation, >= 1.
        inner: Training steps on S between two matching steps, >= 0.
        lr_x: Adam's step for features, as a share of mean |x|, > 0: the scale of features does not
            matter.
        lr_edges: Adam's step for edge parameters, > 0.
        batch: Most nodes of the original that an SGC step looks at, >= 1.
        threshold: Edges of weight <= threshold are cut in the result, in [0, 1).
        keep_best: Keep the graph, over initialisations, that teaches a linear model best on the
            original's validation nodes (training part only; their labels choose one of ``inits +
            1`` graphs).
    """

    net: PolynomialFilterNet | NodeModelFactory | None = None
    _: KW_ONLY
    adjacency: AdjacencyName | Adjacency = "mlp"
    space: PolynomialFilters | None = None
    distance: Distance = "cosine"
    targets: Targets = "train"
    start: Start = "nodes"
    inits: int = 20
    steps: int = 30
    inner: int = 5
    lr_x: float = 0.1
    lr_edges: float = 0.01
    batch: int = 1024
    threshold: float = 0.05
    keep_best: bool = True

    def __post_init__(self) -> None:
        choices = (
            ("distance", self.distance, ("cosine", "l2", "both")),
            ("targets", self.targets, ("train", "teacher")),
            ("start", self.start, ("nodes", "partition")),
        )
        for name, value, known in choices:
            require(
                value in known,
                f"`{name}` must be one of {', '.join(known)}, but it is {value!r}. Pick one.",
            )
        for name, count in (("inits", self.inits), ("steps", self.steps), ("batch", self.batch)):
            require(
                count >= 1,
                f"`{name}` must be at least 1, but it is {count}. Take at least one step.",
            )
        require(
            self.inner >= 0,
            f"`inner` must be at least 0, but it is {self.inner}. 0 never trains the backbone.",
        )
        require(
            min(self.lr_x, self.lr_edges) > 0,
            f"`lr_x` and `lr_edges` must be positive, but they are {self.lr_x} and"
            f" {self.lr_edges}. 0.1 and 0.01 are usual.",
        )
        require(
            isinstance(self.net, PolynomialFilterNet) or self.space is None,
            f"`space` needs a filter network as `net`, but `net` is {self.net!r}. Only its filters"
            " have a λ.",
        )
        require(
            0 <= self.threshold < 1,
            f"`threshold` must be in [0, 1), but it is {self.threshold}."
            " Edge weights lie in [0, 1].",
        )
        rule = make_adjacency(self.adjacency)
        require(
            self.net is None
            or isinstance(self.net, PolynomialFilterNet)
            or isinstance(rule, Identity),
            f"A module as `net` is matched without edges, but `adjacency` is {self.adjacency!r}."
            ' Take adjacency="identity", or GCondX.',
        )

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return one condensed graph and the mean distance of every initialisation."""
        rule = make_adjacency(self.adjacency)
        graph, members = Origin(self.start, self.targets, rule)(data, part, count, self.seed)
        seed = derive(self.seed, "matching", part)
        backbone = self._backbone(data, members, graph.y, seed)
        learner = Learner(graph, Rates(self.lr_x, self.lr_edges), type(self).__name__)
        play = partial(self._play, learner, backbone, seed)
        best, history = learner.run(
            self.inits, play, data if part == "train" and self.keep_best else None, checkpoint
        )
        return best.to_data(self.threshold), history

    def _backbone(self, data: Data, members: LabelledNodes, y: Tensor, seed: int) -> Backbone:
        if self.net is None:
            return SGCBackbone(data, members, y, self.batch, seed)
        if isinstance(self.net, PolynomialFilterNet):
            return NetBackbone(self.net, self.space, data, members, y)
        return ModuleBackbone(self.net, data, members, y)

    def _play(self, learner: Learner, backbone: Backbone, seed: int, init: int) -> float:
        graph = learner.graph
        total = 0.0
        params = backbone.fresh(derive(seed, "init", init))
        for step in range(self.steps):
            number = init * self.steps + step
            real = backbone.real(params, number)
            weight = graph.weight(derive(seed, "edges", number))
            ours = backbone.synthetic(params, graph.x, weight)
            distance = gradient_distance(ours, real, self.distance, learner.class_weight)
            total += learner.update(distance, f"initialisation {init}, step {step}")
            if self.inner:
                params = backbone.train(params, graph.x.detach(), weight.detach(), self.inner)
        return total / self.steps


@final
@dataclass(frozen=True)
class GradientMatching(GradientCondenser):
    """Learn features and edges whose training gradients are the original's, with settings of your
    own; see :class:`GradientCondenser`.

    Source: GCond (Jin et al., ICLR 2022), algorithm 1. Deviations: features and edges step
    together, not in turns; step sizes are relative to the features; edges start sparse and
    homophilous; SGC has one weight matrix.

    Example:
        >>> from graphcond.data import load
        >>> sizes = {"num_nodes": 4, "num_val": 2}
        >>> condense = GradientMatching(adjacency="identity", inits=1, steps=2, **sizes)
        >>> condense(load("karate")).num_nodes
        6
    """


@final
@dataclass(frozen=True)
class GCond(GradientCondenser):
    """Features and an MLP on pairs of them, by SGC's gradients along training.

    Source: GCond (Jin et al., ICLR 2022); deviations as in :class:`GradientMatching`.
    """


@final
@dataclass(frozen=True)
class GCondX(GradientCondenser):
    """Features alone, A' = I.

    Source: GCond (Jin et al., ICLR 2022), variant GCond-X.
    """

    _: KW_ONLY
    adjacency: AdjacencyName | Adjacency = "identity"


@final
@dataclass(frozen=True)
class DosCond(GradientCondenser):
    """Bernoulli edges, one matching step for each of many initialisations.

    Edges likelier than not are kept.

    Source: DosCond (Jin et al., KDD 2022); deviations as in :class:`GradientMatching`.
    """

    _: KW_ONLY
    adjacency: AdjacencyName | Adjacency = "bernoulli"
    inits: int = 300
    steps: int = 1
    inner: int = 0
    threshold: float = 0.5
