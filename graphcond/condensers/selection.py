"""Base of condensers that keep real nodes, in the original's class proportions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from graphcond.condensers.base import Draft, NodeCondenser
from graphcond.data import Checkpoint, union
from graphcond.nn.synthetic import synthetic_labels
from graphcond.seeding import generator


@dataclass(frozen=True, kw_only=True)
class NodeSelection(NodeCondenser):
    """Base of condensers that keep real nodes, in the original's class proportions, with the edges
    among them.

    Training nodes are chosen among the training nodes and validation nodes among the validation
    nodes, each part apart; edges between the parts are dropped.
    """

    def _condense(self, data: Data, checkpoint: Checkpoint | None) -> Draft:
        budget = self.budget(data)
        graphs = []
        for part, count in (("train", budget.num_train), ("val", budget.num_val)):
            nodes = data[f"{part}_mask"].nonzero().squeeze(1)
            embedding = self._embed(data, nodes)
            wanted = torch.bincount(
                synthetic_labels(data.y[nodes], count), minlength=int(data.y.max()) + 1
            )
            chosen = []
            for label, number in enumerate(wanted.tolist()):
                members = (data.y[nodes] == label).nonzero().squeeze(1)
                stream = generator(self.seed, type(self).__name__, part, label)
                count_here = min(number, members.numel())
                taken = self._choose(embedding[members], count_here, stream)
                chosen.append(nodes[members[taken]])
            graphs.append(self._graph(data, torch.cat(chosen), part))
        return Draft(union(*graphs), facts=self._facts(graphs))

    def _graph(self, data: Data, nodes: Tensor, part: str) -> Data:
        """Return the graph of one part: the chosen nodes and the edges among them, unless a
        subclass adds more.
        """
        return induced(data, nodes)

    def _facts(self, graphs: list[Data]) -> dict[str, float]:
        """Return what the card tells of the two graphs, besides sizes."""
        return {}

    def _embed(self, data: Data, nodes: Tensor) -> Tensor:
        """Return what the choice looks at, one row per node [m, e]; raw features unless a subclass
        knows better.
        """
        rows: Tensor = data.x[nodes]
        return rows

    @abstractmethod
    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        """Return ``count`` of the m points of one class [m, e], as distinct row ids [count]."""


def induced(data: Data, nodes: Tensor) -> Data:
    """Return the graph of some nodes and the edges among them.

    Args:
        data: The graph.
        nodes: Distinct nodes [m]; they come in this order.

    Returns:
        Their features, labels, edges and edge weights, copied.
    """
    weight = data.get("edge_weight")
    edges, kept = subgraph(
        nodes, data.edge_index, weight, relabel_nodes=False, num_nodes=data.num_nodes
    )
    place = torch.full((int(data.num_nodes or 0),), -1, device=nodes.device)
    place[nodes] = torch.arange(nodes.numel(), device=nodes.device)
    graph = Data(x=data.x[nodes].clone(), y=data.y[nodes].clone(), edge_index=place[edges])
    if kept is not None:
        graph.edge_weight = kept
    return graph
