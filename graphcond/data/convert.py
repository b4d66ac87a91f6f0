"""A user's own graphs: from networkx, and from any PyG ``HeteroData`` with user-item edges."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.ambient import steady
from graphcond.data.interactions import EDGE, make_interactions
from graphcond.errors import InputError, require

if TYPE_CHECKING:
    import networkx


@steady()
def from_networkx(
    graph: networkx.Graph, label: str | None = None, features: Sequence[str] | None = None
) -> Data:
    """Return node data from a networkx graph.

    Undirected edges count in both directions, directed ones in theirs; self-loops stay, parallel
    edges of a multigraph are merged and their weights added. An edge attribute ``weight``, where
    every edge has one, becomes ``edge_weight``. Nodes without the label attribute are unlabelled
    (-1). There is no split yet: see :func:`split_nodes`.

    Args:
        graph: Any networkx graph; nodes are numbered in its order.
        label: Node attribute with the class, of any type; classes are numbered in sorted order.
            None leaves all unlabelled.
        features: Node attributes with numbers, side by side as ``x``; by default the attribute
            ``"x"`` (a list per node) where all nodes have it, else 1 and log(1 + degree).

    Returns:
        ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], perhaps ``edge_weight`` [m];
        node names in ``card["nodes"]`` where they are texts or numbers, class names in
        ``card["classes"]``.

    Raises:
        InputError: If the graph is empty, a label or feature is nowhere, or a feature is missing at
            a node.

    Example:
        >>> import networkx
        >>> data = from_networkx(networkx.karate_club_graph(), label="club")
        >>> data.num_nodes, data.num_edges, data.card["classes"]
        (34, 156, ['Mr. Hi', 'Officer'])
    """
    require(
        hasattr(graph, "nodes") and hasattr(graph, "edges"),
        f"`graph` must be a networkx graph, but it is a {type(graph).__name__}. Make one, for"
        " example with `networkx.Graph(edges)`.",
    )
    place = {node: i for i, node in enumerate(graph.nodes)}
    require(len(place) > 0, "This needs a graph with nodes, but it is empty. Add nodes.")
    weights: dict[tuple[int, int], float] = {}
    weighted = graph.number_of_edges() > 0 and all(
        "weight" in content for _, _, content in graph.edges(data=True)
    )
    for source, target, content in graph.edges(data=True):
        ends = place[source], place[target]
        for pair in [ends] if graph.is_directed() or ends[0] == ends[1] else [ends, ends[::-1]]:
            weights[pair] = weights.get(pair, 0.0) + (
                _weight(content["weight"]) if weighted else 1.0
            )
    pairs = sorted(weights)
    edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).t().contiguous()
    y, classes = _labels(graph, label)
    data = Data(x=_features(graph, features), edge_index=edge_index, y=y)
    if weighted:
        data.edge_weight = torch.tensor([weights[pair] for pair in pairs])
    data.card = {"name": str(graph.name or "networkx"), "classes": classes}
    nodes = [_python(node) for node in place]
    if all(isinstance(node, (str, int)) for node in nodes):
        data.card["nodes"] = nodes
    return data


def _weight(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The edge attribute 'weight' must hold numbers, but it holds {value!r}. Mend or rename"
            " it."
        ) from error


def _python(value: Any) -> Any:
    """Return numbers of numpy and torch as Python's: as such they are equal, sorted and saved."""
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return value.tolist() if value.ndim and value.shape != (1,) else value.item()
    return value


def _labels(graph: networkx.Graph, label: str | None) -> tuple[Tensor, list[Any]]:
    values: list[Hashable] = [_python(content.get(label)) for _, content in graph.nodes(data=True)]
    odd = next((value for value in values if not isinstance(value, Hashable)), None)
    require(
        odd is None,
        f"The node attribute {label!r} must hold numbers or texts, but it holds {odd!r}. Give one"
        " class per node.",
    )
    # What is missing is NaN in a table, or pandas' NA, whose comparisons are NA.
    values = [value if (value != value) is False else None for value in values]
    known = {value for value in values if value is not None}
    require(
        label is None or len(known) > 0,
        f"No node has an attribute {label!r}. Name the attribute with the class.",
    )
    numeric = (numbers.Real, Decimal)
    classes = sorted(
        known,
        key=lambda value: (
            not isinstance(value, numeric),
            value if isinstance(value, numeric) else str(value),
        ),
    )
    place = {value: i for i, value in enumerate(classes)}
    return torch.tensor([place.get(value, -1) for value in values]), list(classes)


def _features(graph: networkx.Graph, names: Sequence[str] | None) -> Tensor:
    contents = [content for _, content in graph.nodes(data=True)]
    if names is None and all("x" in content for content in contents):
        names = ("x",)
    if names is None:
        degree = torch.tensor([float(count) for _, count in graph.degree()])
        return torch.stack([torch.ones_like(degree), degree.log1p()], dim=1)
    columns = []
    for name in names:
        missing = sum(name not in content for content in contents)
        require(
            missing == 0,
            f"Every node must have the attribute {name!r}, but {missing} have none. Fill it in or"
            " leave it out.",
        )
        try:
            columns.append(
                torch.tensor(
                    [_python(content[name]) for content in contents], dtype=torch.float
                ).reshape(len(contents), -1)
            )
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"The node attribute {name!r} must hold numbers: {error}. Encode texts first."
            ) from error
    return torch.cat(columns, dim=1)


def from_hetero(data: HeteroData, edge_type: tuple[str, str, str] | None = None) -> HeteroData:
    """Return interactions from any ``HeteroData`` with one edge type from users to items, such as
    PyG's AmazonBook or MovieLens.

    The reverse edge type is ignored. ``edge_label_index`` without ``edge_label`` is the test part,
    as in AmazonBook; with ``edge_label`` of 0 and 1 (``RandomLinkSplit``) its ones are.

    Args:
        data: The graph.
        edge_type: The edges that are interactions; needed where there are several that are no
            reverses of each other.

    Returns:
        All interactions as :func:`make_interactions` gives them, with ``split`` where there is a
        test part.

    Raises:
        InputError: If the edge type is missing or unclear.
    """
    require(
        isinstance(data, HeteroData),
        f"Interactions must be a PyG `HeteroData`, but they are a {type(data).__name__}. A data set"
        " holds one: pass `dataset[0]`.",
    )
    forward = [
        kind
        for i, kind in enumerate(data.edge_types)
        if kind[::-1][0::2] not in [other[0::2] for other in data.edge_types[:i]]
    ]
    if edge_type is None:
        require(
            len(forward) == 1,
            f"This needs one edge type from users to items, but found {data.edge_types}. Name it"
            " as `edge_type`.",
        )
        edge_type = forward[0]
    require(
        edge_type in data.edge_types,
        f"There is no edge type {edge_type}, only {data.edge_types}. Choose one of them.",
    )
    store = data[edge_type]
    train = store.get("edge_index")
    for kind in edge_type[0::2]:
        require(
            kind in data.node_types and data[kind].num_nodes is not None,
            f"`data[{kind!r}].num_nodes` must be a number, but there is none. Set it.",
        )
    for name in ("edge_index", "edge_label_index"):
        pairs = store.get(name)
        require(
            isinstance(pairs, Tensor) or pairs is None and name != "edge_index",
            f"`data[{edge_type}].{name}` must be a tensor [2, E], but it is a"
            f" {type(pairs).__name__}. Set it.",
        )
    held = store.get("edge_label_index")
    label = store.get("edge_label")
    if held is not None and label is not None:
        held = held[:, label > 0] if label.numel() == held.size(1) else None
    sizes = int(data[edge_type[0]].num_nodes), int(data[edge_type[2]].num_nodes)
    card = {"name": str(data.get("card", {}).get("name", "interactions"))}
    used = {"edge_index", "edge_weight"}
    if held is not None:
        used = {"edge_index", "edge_label_index", "edge_label"}
    odd = [name for name, value in store.items() if isinstance(value, Tensor) and name not in used]
    if odd:
        warnings.warn(
            f"{' and '.join(odd)} of {edge_type} are not taken over. Interactions here have pairs"
            " and weights; `make_interactions` also takes ratings and times.",
            stacklevel=3,
        )
    if held is None:
        return make_interactions(train, *sizes, edge_weight=store.get("edge_weight"), card=card)
    split = (
        torch.cat([torch.zeros(train.size(1)), torch.full((held.size(1),), 2.0)])
        .to(torch.uint8)
        .to(train.device)
    )
    return make_interactions(torch.cat([train, held], dim=1), *sizes, split=split, card=card)


def to_hetero(data: HeteroData) -> HeteroData:
    """Return interactions in the style of PyG's AmazonBook: training edges, their reverses, and the
    test edges as ``edge_label_index``.

    Args:
        data: Split interactions or a condensed set.

    Returns:
        ``HeteroData`` with ``("user", "interacts", "item")`` and ``("item", "rev_interacts",
        "user")``.
    """
    out = HeteroData()
    for kind in ("user", "item"):
        out[kind].num_nodes = data[kind].num_nodes
    store, reverse = data[EDGE], (EDGE[2], f"rev_{EDGE[1]}", EDGE[0])
    out[EDGE].edge_index, out[reverse].edge_index = store.edge_index, store.edge_index.flip(0)
    if "edge_weight" in store:
        out[EDGE].edge_weight = out[reverse].edge_weight = store.edge_weight
    if "test_edge_index" in store:
        out[EDGE].edge_label_index = store.test_edge_index
    return out
