"""Gradient matching: GCond, GCond-X and DosCond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, final

import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from graphcond.condensers.matching import Backbone, Distance, NetBackbone, SGCBackbone, gradient_distance
from graphcond.condensers.partition import Members, Partition, labelled_members, taught_members
from graphcond.condensers.selection import propagated
from graphcond.condensers.synthesis import NodeSynthesis, linear_accuracy
from graphcond.data import load_state, save_state
from graphcond.errors import NumericalError, require
from graphcond.nn.adjacency import Adjacency, AdjacencyName, Identity, make_adjacency
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.synthetic import SyntheticGraph, class_samples, gcn_norm_dense, synthetic_labels
from graphcond.nn.teacher import RidgeTeacher
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.typing import Record, Tensors

Start = Literal["nodes", "partition"]
Targets = Literal["train", "teacher"]


def start_graph(
    data: Data, part: str, count: int, start: Start, targets: Targets, adjacency: Adjacency, seed: int
) -> tuple[SyntheticGraph, Members]:
    """Return the first synthetic graph and the nodes it shall stand for.

    Args:
        data: The original.
        part: ``"train"`` or ``"val"``.
        count: Condensed nodes.
        start: ``"nodes"``: random nodes of ``part`` with twice propagated features where there are no edges; ``"partition"``: class-wise
            clusters (:class:`Partition`).
        targets: ``"train"``: the labelled nodes of ``part``; ``"teacher"``: all nodes with a closed-form teacher's classes (training
            part only).
        adjacency: Of the synthetic graph.
        seed: Of every draw.

    Returns:
        The graph, and nodes with classes and weights.
    """
    taught = targets == "teacher" and part == "train"
    members = taught_members(data, RidgeTeacher()) if taught else labelled_members(data, part)
    if start == "partition":
        graph, _ = Partition(labels="teacher" if taught else "train", num_nodes=count, seed=seed).part(data, part, count)
        return SyntheticGraph.start(graph.x, graph.y, adjacency, derive(seed, part)), members
    labels = synthetic_labels(members.labels, count)
    own = labelled_members(data, part)
    rows = class_samples(own.nodes[:, None], own.labels, labels, derive(seed, part))[:, 0]
    x = propagated(data, rows, 2) if isinstance(adjacency, Identity) else data.x[rows]
    return SyntheticGraph.start(x, labels, adjacency, derive(seed, part)), members


@final
@dataclass(frozen=True)
class GradientMatching(NodeSynthesis):
    r"""Learn features and edges whose training gradients are those of the original, along training on the condensed graph.

    min_S Σ_inits Σ_t Σ_c w_c D(∇_θ L_c(θ_t; S), ∇_θ L_c(θ_t; T)), θ_{t+1} trained on S, L_c the loss of class c and w_c its share.

    Presets: ``GCond`` (adjacency "mlp"), ``GCondX`` ("identity"), ``DosCond`` ("bernoulli", one matching step for each initialisation).

    Args:
        net: Backbone whose gradients are matched; None is SGC (linear on Â² X), in closed form and by far the cheapest.
        adjacency: ``"learned"``, ``"mlp"``, ``"bernoulli"``, ``"identity"``, or an :class:`~graphcond.nn.adjacency.Adjacency`.
        space: With a ``net``: filters to draw λ from for every initialisation; None is one GCN-like filter.
        distance: ``"cosine"`` per column, ``"l2"`` or ``"both"``.
        targets: ``"train"``: labelled nodes; ``"teacher"``: all nodes, with classes by a closed-form teacher that learns from training
            labels (validation labels choose its setting). Stated in the card.
        start: ``"nodes"`` or ``"partition"``.
        inits: Initialisations of θ, >= 1.
        steps: Matching steps per initialisation, >= 1.
        inner: Training steps on S between two matching steps, >= 0.
        lr_x: Adam's step for features, as a share of mean |x|, > 0: the scale of features does not matter.
        lr_edges: Adam's step for edge parameters, > 0.
        batch: Most nodes of the original that an SGC step looks at, >= 1.
        threshold: Edges of weight <= threshold are cut in the result, in [0, 1).
        keep_best: Keep the graph, over initialisations, that teaches a linear model best on the original's validation nodes
            (training part only; their labels choose one of ``inits + 1`` graphs).

    Source: GCond (Jin et al., ICLR 2022), algorithm 1; DosCond (Jin et al., KDD 2022). Deviations: features and edges step together, not
    in turns; step sizes are relative to the features; edges start sparse and homophilous; SGC has one weight matrix.

    Example:
        >>> from graphcond.data import load
        >>> GradientMatching(adjacency="identity", num_nodes=4, num_val=2, inits=1, steps=2)(load("karate")).num_nodes
        6
    """

    net: PolynomialFilterNet | None = None
    _: KW_ONLY
    adjacency: AdjacencyName | Adjacency = "mlp"
    space: PolynomialFilters | None = None
    distance: Distance = "cosine"
    targets: Targets = "train"
    start: Start = "nodes"
    inits: int = 10
    steps: int = 30
    inner: int = 5
    lr_x: float = 0.1
    lr_edges: float = 0.01
    batch: int = 1024
    threshold: float = 0.05
    keep_best: bool = True

    def __post_init__(self) -> None:
        require(self.distance in ("cosine", "l2", "both"), "`distance` in {'cosine', 'l2', 'both'}", "Pick one.", distance=self.distance)
        require(self.targets in ("train", "teacher"), "`targets` in {'train', 'teacher'}", "Pick one.", targets=self.targets)
        require(self.start in ("nodes", "partition"), "`start` in {'nodes', 'partition'}", "Pick one.", start=self.start)
        counts = {name: getattr(self, name) for name in ("inits", "steps", "batch")}
        require(
            min(counts.values()) >= 1 and self.inner >= 0, "positive counts", "At least one step is needed.", inner=self.inner, **counts
        )
        rates = {"lr_x": self.lr_x, "lr_edges": self.lr_edges}
        require(min(rates.values()) > 0, "positive learning rates", "0.1 and 0.01 are usual.", **rates)
        require(self.net is not None or self.space is None, "a `net` where a `space` is given", "SGC has no λ.", space=repr(self.space))
        make_adjacency(self.adjacency)

    def part(self, data: Data, part: str, count: int, checkpoint: Path | None = None) -> tuple[Data, list[Record]]:
        """Return one condensed graph and the mean distance of every initialisation."""
        rule = make_adjacency(self.adjacency)
        graph, members = start_graph(data, part, count, self.start, self.targets, rule, self.seed)
        seed = derive(self.seed, "matching", part)
        backbone: Backbone = (
            SGCBackbone(data, members, graph.y, self.batch, seed)
            if self.net is None
            else NetBackbone(self.net, self.space, data, members, graph.y)
        )
        run = Run(self, backbone, graph, seed)
        judge = data if part == "train" and self.keep_best else None
        best, history = run.all(judge, checkpoint, part)
        return best.to_data(self.threshold), history


class Run:
    """One matching run over one graph, which a checkpoint can continue."""

    def __init__(self, settings: GradientMatching, backbone: Backbone, graph: SyntheticGraph, seed: int) -> None:
        self.settings, self.backbone, self.graph, self.seed = settings, backbone, graph, seed
        features = {"params": [graph.x], "lr": settings.lr_x * float(graph.x.detach().abs().mean())}
        edges = {"params": list(graph.edge_params.values()), "lr": settings.lr_edges}
        self.optimizer = torch.optim.Adam([features, edges] if edges["params"] else [features])
        counts = (graph.y[:, None] == graph.y.unique()).sum(0).to(graph.x)
        self.class_weight = counts / counts.sum()

    def all(self, judge: Data | None, checkpoint: Path | None, part: str) -> tuple[SyntheticGraph, list[Record]]:
        """Run every initialisation; return the last graph, or the best one by a linear model on ``judge``'s validation nodes."""
        first, best, history = 0, {name: value.detach().clone() for name, value in self.graph.params.items()}, list[Record]()
        score = -1.0 if judge is None else self._judge(judge)
        if checkpoint is not None and checkpoint.exists():
            tensors, record = load_state(checkpoint)
            best, first, score, history = self._restore(tensors), int(record["inits"]), float(record["score"]), list(record["history"])
        for init in tqdm(range(first, self.settings.inits), disable=None, desc=f"matching {part}"):
            distance = self._init(init)
            now = score if judge is None else self._judge(judge)
            if judge is None or now > score:
                score, best = now, {name: value.detach().clone() for name, value in self.graph.params.items()}
            history.append({"step": init, "distance": distance, **({} if judge is None else {"linear_accuracy": now})})
            if checkpoint is not None and (init % 10 == 9 or init + 1 == self.settings.inits):
                save_state(checkpoint, self._tensors(best), {"inits": init + 1, "score": score, "history": history})
        return self.graph.with_params(best), history

    def _init(self, init: int) -> float:
        settings, graph, total = self.settings, self.graph, 0.0
        params = self.backbone.fresh(derive(self.seed, "init", init))
        for step in range(settings.steps):
            number = init * settings.steps + step
            real = self.backbone.real(params, number)
            self.optimizer.zero_grad()
            weight = graph.weight(derive(self.seed, "edges", number))
            ours = self.backbone.synthetic(params, graph.x, weight)
            distance = gradient_distance(ours, real, settings.distance, self.class_weight)
            if not torch.isfinite(distance):
                raise NumericalError(f"GradientMatching diverged at initialisation {init}, step {step}. Lower lr_x or lr_edges.")
            distance.backward()
            self.optimizer.step()
            total += float(distance.detach())
            if settings.inner:
                params = self.backbone.train(params, graph.x.detach(), weight.detach(), settings.inner)
        return total / settings.steps

    @torch.no_grad()
    def _judge(self, data: Data) -> float:
        operator = gcn_norm_dense(self.graph.weight())
        return linear_accuracy(data, operator @ (operator @ self.graph.x), self.graph.y)

    def _tensors(self, best: Mapping[str, Tensor]) -> Tensors:
        out = {f"best.{name}": value for name, value in best.items()}
        for name, value in self.graph.params.items():
            state = self.optimizer.state[value]
            out |= {f"now.{name}": value.detach(), **{f"adam.{name}.{key}": torch.as_tensor(entry) for key, entry in state.items()}}
        return out

    def _restore(self, tensors: Tensors) -> Tensors:
        with torch.no_grad():
            for name, value in self.graph.params.items():
                value.copy_(tensors[f"now.{name}"])
                start = f"adam.{name}."
                self.optimizer.state[value] = {key.removeprefix(start): entry for key, entry in tensors.items() if key.startswith(start)}
        return {name: tensors[f"best.{name}"] for name in self.graph.params}


GCond = partial(GradientMatching, adjacency="mlp")
"""GCond: features and an MLP on pairs of them, SGC gradients along training."""

GCondX = partial(GradientMatching, adjacency="identity")
"""GCond-X: features alone, A' = I."""

DosCond = partial(GradientMatching, adjacency="bernoulli", inits=300, steps=1, inner=0, threshold=0.5)
"""DosCond: Bernoulli edges, one matching step for each of many initialisations; edges likelier than not are kept."""
