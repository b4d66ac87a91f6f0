"""What the coreset condensers share: real nodes are chosen class by class, and their induced subgraphs are kept."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from graphcond.condensers.base import Draft, NodeCondenser
from graphcond.data import Checkpoint, union
from graphcond.errors import require
from graphcond.nn.synthetic import synthetic_labels
from graphcond.seeding import generator
from graphcond.sparse import CSR, gcn_norm, powers


@dataclass(frozen=True, kw_only=True)
class NodeSelection(NodeCondenser):
    """Base of condensers that keep real nodes, in the original's class proportions, with the edges among them.

    Training nodes are chosen among the training nodes and validation nodes among the validation nodes, each part apart; edges
    between the parts are dropped.
    """

    def _condense(self, data: Data, checkpoint: Checkpoint | None) -> Draft:
        budget, graphs = self.budget(data), []
        for part, count in (("train", budget.num_train), ("val", budget.num_val)):
            nodes = data[f"{part}_mask"].nonzero().squeeze(1)
            embedding = self._embed(data, nodes)
            wanted = torch.bincount(synthetic_labels(data.y[nodes], count), minlength=int(data.y.max()) + 1)
            chosen = []
            for label, number in enumerate(wanted.tolist()):
                members = (data.y[nodes] == label).nonzero().squeeze(1)
                stream = generator(self.seed, type(self).__name__, part, label)
                chosen.append(nodes[members[self._choose(embedding[members], min(number, members.numel()), stream)]])
            graphs.append(_induced(data, torch.cat(chosen)))
        return Draft(union(*graphs))

    def _embed(self, data: Data, nodes: Tensor) -> Tensor:
        """Return what the choice looks at, one row per node [m, e]; raw features unless a subclass knows better."""
        rows: Tensor = data.x[nodes]
        return rows

    @abstractmethod
    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        """Return ``count`` of the m points of one class [m, e], as distinct row ids [count]."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedSelection(NodeSelection):
    """Base of selections that look at propagated features Â^hops X."""

    hops: int = 2

    def __post_init__(self) -> None:
        require(self.hops >= 0, "`hops` >= 0", "0 means raw features.", hops=self.hops)

    def _embed(self, data: Data, nodes: Tensor) -> Tensor:
        return propagated(data, nodes, self.hops)


def propagated(data: Data, nodes: Tensor, hops: int) -> Tensor:
    """Return rows of Â^hops X, Â the symmetrically normalised adjacency with self-loops, features in blocks.

    Args:
        data: The graph.
        nodes: Rows to keep [m].
        hops: Number of propagations, >= 0.

    Returns:
        Features [m, d].
    """
    operator = gcn_norm(CSR.from_edge_index(data.edge_index, int(data.num_nodes or 0), data.get("edge_weight")))
    if operator.value is not None and operator.value.dtype != data.x.dtype:
        operator = operator.with_value(operator.value.to(data.x.dtype))
    return torch.cat([powers(operator, block.contiguous(), hops)[-1][nodes] for block in data.x.split(512, 1)], 1)


def _induced(data: Data, nodes: Tensor) -> Data:
    weight = data.get("edge_weight")
    edges, kept = subgraph(nodes, data.edge_index, weight, relabel_nodes=False, num_nodes=data.num_nodes)
    place = torch.full((int(data.num_nodes or 0),), -1, device=nodes.device)
    place[nodes] = torch.arange(nodes.numel(), device=nodes.device)
    graph = Data(x=data.x[nodes].clone(), y=data.y[nodes].clone(), edge_index=place[edges])
    if kept is not None:
        graph.edge_weight = kept
    return graph
