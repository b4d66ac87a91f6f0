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
from graphcond.condensers.nodes.learner import GraphLearning, Learner, Play, Start, Targets
from graphcond.errors import require, require_at_least
from graphcond.nn.adjacency import Adjacency, AdjacencyName, Identity, make_adjacency
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.typing import NodeModelFactory


@dataclass(frozen=True)
class GradientCondenser(GraphLearning):
    r"""Base of the condensers that match training gradients; they differ in their defaults.

    min_S Σ_seeds Σ_t Σ_c w_c D(∇_θ L_c(θ_t; S), ∇_θ L_c(θ_t; T)), θ_{t+1} trained on S, L_c the
    loss of class c and w_c its share. A round is one initialisation of θ. The settings not listed
    are those of :class:`~graphcond.condensers.nodes.learner.GraphLearning`.

    Args:
        net: What is trained and matched. None is SGC (linear on Â² X), in closed form and by far
            the cheapest; a :class:`~graphcond.nn.PolynomialFilterNet`; or what makes any other
            classifier, say ``partial(nn.GraphNet, kind="gin-0")``, with identity as adjacency.
        space: With a ``net``: filters to draw λ from for every initialisation; None is one GCN-like
            filter.
        distance: ``"cosine"`` per column, ``"l2"`` or ``"both"``.
        num_seeds: Initialisations of θ, >= 1. Under 40 nodes 20 of them gained one to two points
            over 10.
        inner: Training steps on S between two matching steps, >= 0.
        batch: Most nodes of the original that an SGC step looks at, >= 1.
    """

    net: PolynomialFilterNet | NodeModelFactory | None = None
    _: KW_ONLY
    adjacency: AdjacencyName | Adjacency = "mlp"
    space: PolynomialFilters | None = None
    distance: Distance = "cosine"
    targets: Targets = "train"
    start: Start = "nodes"
    num_seeds: int = 20
    inner: int = 5
    learning_rate: float = 0.1
    batch: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("cosine", "l2", "both")
        require(
            self.distance in known,
            f"`distance` must be one of {', '.join(known)}, but it is {self.distance!r}. Pick one.",
        )
        for name in ("num_seeds", "batch"):
            count = getattr(self, name)
            require(count >= 1, f"`{name}` must be at least 1, but it is {count}. Raise it.")
        require_at_least(0, "0 never trains the backbone.", inner=self.inner)
        require(
            isinstance(self.net, PolynomialFilterNet) or self.space is None,
            f"`space` needs a filter network as `net`, but `net` is {self.net!r}. Only its filters"
            " have a λ.",
        )
        rule = make_adjacency(self.adjacency)
        require(
            self.net is None
            or isinstance(self.net, PolynomialFilterNet)
            or isinstance(rule, Identity),
            f"A module as `net` is matched without edges, but `adjacency` is {self.adjacency!r}."
            ' Take adjacency="identity", or GCondX.',
        )

    @property
    def _rounds(self) -> int:
        return self.num_seeds

    def _play(self, data: Data, members: LabelledNodes, learner: Learner, part: str) -> Play:
        seed = derive(self.seed, "matching", part)
        backbone = self._backbone(data, members, learner.graph.y, seed)
        return partial(self._match, learner, backbone, seed)

    def _backbone(self, data: Data, members: LabelledNodes, y: Tensor, seed: int) -> Backbone:
        if self.net is None:
            return SGCBackbone(data, members, y, self.batch, seed)
        if isinstance(self.net, PolynomialFilterNet):
            return NetBackbone(self.net, self.space, data, members, y)
        return ModuleBackbone(self.net, data, members, y)

    def _match(self, learner: Learner, backbone: Backbone, seed: int, init: int) -> float:
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
        >>> condense = GradientMatching(adjacency="identity", num_seeds=1, steps=2, **sizes)
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
    num_seeds: int = 300
    steps: int = 1
    inner: int = 0
    threshold: float = 0.5
