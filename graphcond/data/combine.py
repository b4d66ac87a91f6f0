"""A condensed node set is one graph: the disjoint union of its train and validation graphs."""

from __future__ import annotations

import copy

import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from graphcond.errors import require


def union(train_graph: Data, val_graph: Data) -> Data:
    """Return the disjoint union of two graphs, the train graph's nodes first.

    Message passing on the union equals message passing on each graph alone. It does not for layers
    that look at all nodes at once (BatchNorm over nodes, global attention): take :func:`parts` for
    these.

    Args:
        train_graph: Graph with ``x`` [a, d] and ``y`` [a]. Without ``train_mask`` every node is a
            training node.
        val_graph: Graph with ``x`` [b, d] and ``y`` [b]. Without ``val_mask`` every node is a
            validation node.

    Returns:
        One graph of a + b nodes with ``edge_weight``, ``train_mask``, ``val_mask`` and the train
        graph's card.

    Raises:
        InputError: If the feature widths differ.
    """
    a = int(train_graph.num_nodes)
    b = int(val_graph.num_nodes)
    require(
        train_graph.x.size(1) == val_graph.x.size(1),
        "This needs the same number of features in both graphs, but found train ="
        f" {train_graph.x.size(1)!r}, val = {val_graph.x.size(1)!r}. Both graphs must come from one"
        " data set.",
    )
    x = train_graph.x
    out = Data(
        x=torch.cat([x, val_graph.x]),
        edge_index=torch.cat([train_graph.edge_index, val_graph.edge_index + a], dim=1),
        edge_weight=torch.cat([_weight(train_graph), _weight(val_graph)]),
        y=torch.cat([train_graph.y, val_graph.y]),
        train_mask=torch.cat(
            [_mask(train_graph, "train_mask"), torch.zeros(b, dtype=torch.bool, device=x.device)]
        ),
        val_mask=torch.cat(
            [torch.zeros(a, dtype=torch.bool, device=x.device), _mask(val_graph, "val_mask")]
        ),
    )
    out.card = dict(train_graph.get("card", {}))
    return out


def parts(data: Data) -> tuple[Data, Data]:
    """Return the train graph and the validation graph of a disjoint union.

    A connected component with validation nodes belongs to the validation graph, every other one to
    the train graph.

    Args:
        data: A graph with ``train_mask`` and ``val_mask``.

    Returns:
        ``(train_graph, val_graph)``, nodes in the order of ``data``.

    Raises:
        InputError: If a component holds training and validation nodes: then it is no union.
    """
    edge_index = data.edge_index.cpu()
    count = int(data.num_nodes)
    ones = torch.ones(edge_index.size(1), dtype=torch.int8).numpy()
    adjacency = coo_array(
        (ones, (edge_index[0].numpy(), edge_index[1].numpy())), shape=(count, count)
    )
    number, label = connected_components(adjacency, directed=False)
    component = torch.from_numpy(label).long().to(data.edge_index.device)
    trains, validates = (
        torch.zeros(number, dtype=torch.bool, device=component.device) for _ in range(2)
    )
    trains[component[data.train_mask]] = True
    validates[component[data.val_mask]] = True
    require(
        not bool((trains & validates).any()),
        "This needs no path between training and validation nodes, but found mixed_components ="
        f" {int((trains & validates).sum())!r}. Only a disjoint union has parts; use the masks of a"
        " connected graph as they are.",
    )
    belongs = validates[component]
    return _keep(data, ~belongs), _keep(data, belongs)


def _weight(graph: Data) -> Tensor:
    weight: Tensor | None = graph.get("edge_weight")
    if weight is None:
        return torch.ones(graph.edge_index.size(1), dtype=graph.x.dtype, device=graph.x.device)
    return weight


def _mask(graph: Data, name: str) -> Tensor:
    mask: Tensor | None = graph.get(name)
    if mask is None:
        return torch.ones(int(graph.num_nodes), dtype=torch.bool, device=graph.x.device)
    return mask


def _keep(data: Data, nodes: Tensor) -> Data:
    out = copy.copy(data)
    edge_index, _, kept = subgraph(
        nodes, data.edge_index, relabel_nodes=True, num_nodes=data.num_nodes, return_edge_mask=True
    )
    for name in data.node_attrs():
        out[name] = data[name][nodes]
    for name in data.edge_attrs():
        if name != "edge_index":
            out[name] = data[name][kept]
    out.edge_index = edge_index
    return out
