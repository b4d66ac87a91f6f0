"""Synthetic graphs: labels with the original's class proportions, free features, an adjacency;
exported as PyG ``Data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.errors import BudgetError, require, require_share
from graphcond.nn.adjacency import Adjacency, AdjacencyName, make_adjacency
from graphcond.seeding import generator
from graphcond.typing import Tensors


def synthetic_labels(y: Tensor, num_nodes: int) -> Tensor:
    """Return labels for a small graph in the class proportions of ``y``: at least one a class,
    largest remainders first.

    Args:
        y: Classes [m] of labelled nodes; -1 (unlabelled) is left out.
        num_nodes: Size of the small graph, at least the number of classes that occur.

    Returns:
        Sorted classes [num_nodes].

    Raises:
        BudgetError: If there are fewer nodes than classes.

    Example:
        >>> synthetic_labels(torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2]), 4).tolist()
        [0, 0, 1, 2]
    """
    classes, counts = y[y >= 0].unique(return_counts=True)
    require(
        num_nodes >= len(classes) > 0,
        f"`num_nodes` must be at least the number of classes, but found num_nodes = {num_nodes!r},"
        f" classes = {len(classes)!r}. Every class needs one node: raise num_nodes or ratio.",
        error=BudgetError,
    )
    target = counts.double() / counts.sum() * num_nodes
    share = target.floor().clamp(min=1)
    # One node at a time: a class that was lifted to 1 takes its node from the class that is
    # furthest above its share.
    while share.sum() != num_nodes:
        if share.sum() < num_nodes:
            share[(target - share).argmax()] += 1
        else:
            share[(share - target).masked_fill(share <= 1, -torch.inf).argmax()] -= 1
    labels: Tensor = classes.repeat_interleave(share.long())
    return labels


def class_samples(x: Tensor, y: Tensor, labels: Tensor, seed: int = 0) -> Tensor:
    """Return for every label the features of a random node of that class, without repeats while the
    class lasts.

    Args:
        x: Features [m, d] of labelled nodes.
        y: Their classes [m].
        labels: Classes [n] wanted.
        seed: Chooses the nodes.

    Returns:
        Features [n, d], a copy.
    """
    random = generator(seed, "class_samples")
    rows = torch.empty(len(labels), dtype=torch.long, device=y.device)
    for label in labels.unique().tolist():
        members = (y == label).nonzero()[:, 0]
        wanted = (labels == label).nonzero()[:, 0]
        require(
            len(members) > 0,
            f"This needs every wanted class present in `y`, but found label = {label!r}. Leave out"
            " labels that no node has.",
        )
        rounds = -(-len(wanted) // len(members))
        order = torch.cat([torch.randperm(len(members), generator=random) for _ in range(rounds)])[
            : len(wanted)
        ]
        rows[wanted] = members[order.to(members.device)]
    return x[rows].clone()


def gcn_norm_dense(weight: Tensor) -> Tensor:
    r"""Return D^-1/2 (A + I) D^-1/2 of a dense adjacency, differentiable.

    Args:
        weight: Symmetric non-negative edge weights [n, n].

    Returns:
        The normalised adjacency [n, n].
    """
    looped = weight + torch.eye(weight.shape[0], dtype=weight.dtype, device=weight.device)
    scale = looped.sum(1).rsqrt()
    return scale[:, None] * looped * scale


def cut(weight: Tensor, threshold: float) -> Tensor:
    """Return edge weights with those at most ``threshold`` set to zero, which is what the exported
    graph holds.
    """
    if threshold:
        return weight * (weight > threshold)
    return weight


def export(x: Tensor, y: Tensor, weight: Tensor, threshold: float = 0.0) -> Data:
    """Return a dense synthetic graph as PyG ``Data`` with the edges above a threshold.

    Args:
        x: Features [n, d].
        y: Classes [n].
        weight: Symmetric edge weights [n, n]; the diagonal is left out, every model adds its own
            self-loops.
        threshold: Edges with weight <= threshold are cut, in [0, 1).

    Returns:
        ``Data(x, y, edge_index [2, m], edge_weight [m])`` without gradients.

    Raises:
        InputError: If the threshold is outside its range.
    """
    require_share("Edge weights lie in [0, 1].", threshold=threshold)
    weight = weight.detach()
    keep = (weight > threshold) & ~torch.eye(len(y), dtype=torch.bool, device=weight.device)
    edge_index = keep.nonzero().T.contiguous()
    return Data(x=x.detach().clone(), edge_index=edge_index, edge_weight=weight[keep], y=y.clone())


@dataclass(frozen=True)
class SyntheticGraph:
    """A small graph being learned: classes, an adjacency rule, and the parameters (``"x"`` and the
    adjacency's).

    Args:
        y: Classes [n].
        adjacency: How edges arise from parameters and features.
        params: ``{"x": [n, d], **adjacency.init(...)}``, leaves that want gradients.

    Example:
        >>> graph = SyntheticGraph.start(torch.eye(4), torch.tensor([0, 0, 1, 1]), "learned")
        >>> graph.weight().shape, graph.to_data(threshold=0.5).num_edges
        (torch.Size([4, 4]), 4)
    """

    y: Tensor
    adjacency: Adjacency
    params: Tensors

    @classmethod
    def start(
        cls, x: Tensor, y: Tensor, adjacency: AdjacencyName | Adjacency = "learned", seed: int = 0
    ) -> SyntheticGraph:
        """Return a graph that starts at features ``x`` [n, d] and classes ``y`` [n], its edges
        sparse and homophilous.
        """
        rule = make_adjacency(adjacency)
        features = x.detach().clone().requires_grad_()
        return cls(y, rule, {"x": features, **rule.init(features, y, seed)})

    @property
    def x(self) -> Tensor:
        """Features [n, d]."""
        return self.params["x"]

    @property
    def edge_params(self) -> Tensors:
        """The adjacency's parameters alone."""
        return {name: value for name, value in self.params.items() if name != "x"}

    def with_params(self, params: Mapping[str, Tensor]) -> SyntheticGraph:
        """Return the same graph at other parameters, for example ones read from a checkpoint."""
        return replace(
            self,
            params={
                name: value.detach().clone().requires_grad_() for name, value in params.items()
            },
        )

    def weight(self, seed: int | None = None) -> Tensor:
        """Return edge weights [n, n], differentiable; ``seed`` draws random edges, None gives their
        mean.
        """
        return self.adjacency(self.params, self.x, seed)

    def to_data(self, threshold: float = 0.0, seed: int | None = None) -> Data:
        """Return PyG ``Data`` (see :func:`export`), edges with weight <= ``threshold`` cut."""
        with torch.no_grad():
            return export(self.x, self.y, self.weight(seed), threshold)


@dataclass(frozen=True)
class DiffusedBases:
    """Nodes stored with their diffused features B_k = T_k(L) X instead of edges, for models linear
    in the filter.

    Args:
        bases: Diffused features [K + 1, n, d]; ``bases[0]`` are the features themselves.
        y: Classes [n].

    Example:
        >>> nodes = DiffusedBases(torch.ones(3, 2, 4), torch.tensor([0, 1]))
        >>> nodes.combine(torch.tensor([[1.0, 2.0, 3.0]]))[0, 0, 0].item()
        6.0
    """

    bases: Tensor
    y: Tensor

    def combine(self, lam: Tensor) -> Tensor:
        """Return C_λ X = Σ_k λ_k B_k [B, n, d] for filters ``lam`` [B, K + 1]."""
        require(
            lam.shape[-1] == len(self.bases),
            f"This needs as many coefficients as bases, but found coefficients = {lam.shape[-1]!r},"
            f" bases = {len(self.bases)!r}. Store bases up to the filter's order.",
        )
        return torch.einsum("bk,knd->bnd", lam.to(self.bases), self.bases)

    def rows(self, index: Tensor) -> DiffusedBases:
        """Return the nodes ``index`` alone: they keep the diffusion of the graph they came from."""
        return DiffusedBases(self.bases[:, index], self.y[index])

    def to_data(self) -> Data:
        """Return ``Data(x, y, bases [n, K + 1, d])`` without edges."""
        empty = torch.empty(2, 0, dtype=torch.long, device=self.y.device)
        return Data(
            x=self.bases[0].clone(),
            edge_index=empty,
            edge_weight=self.bases.new_empty(0),
            y=self.y.clone(),
            bases=self.bases.transpose(0, 1).clone(),
        )
