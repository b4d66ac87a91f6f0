"""networkx graphs and other people's HeteroData."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import networkx
import numpy
import pandas
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.utils import is_undirected

from graphcond.data import (
    EDGE,
    check_nodes,
    from_hetero,
    from_networkx,
    read,
    save,
    split_interactions,
    split_nodes,
    test_edges,
    to_hetero,
)
from graphcond.errors import InputError
from graphcond.testing import small_interactions


def test_an_undirected_graph_counts_both_ways() -> None:
    data = from_networkx(networkx.karate_club_graph(), label="club")
    assert is_undirected(data.edge_index)
    assert data.num_edges == 156
    assert data.edge_weight.shape == (156,), "networkx's karate club has weights"
    assert data.card["nodes"][:3] == [0, 1, 2]
    check_nodes(split_nodes(data, train=4, val=10))


def test_directed_edges_self_loops_and_parallel_edges() -> None:
    graph: Any = networkx.MultiDiGraph(name="small")
    graph.add_nodes_from(["a", "b", "c", "lonely"])
    graph.add_edges_from([("a", "b"), ("a", "b"), ("b", "b"), ("c", "a")], weight=2.0)
    data = from_networkx(graph)
    assert data.edge_index.tolist() == [[0, 1, 2], [1, 1, 0]]
    assert data.edge_weight.tolist() == [4.0, 2.0, 2.0]
    assert data.y.tolist() == [-1] * 4, "without a label attribute all nodes are unlabelled"
    assert data.card == {"name": "small", "classes": [], "nodes": ["a", "b", "c", "lonely"]}
    loop = networkx.Graph([(0, 0), (0, 1)])
    assert from_networkx(loop).edge_index.tolist() == [
        [0, 0, 1],
        [0, 1, 0],
    ], "an undirected self-loop counts once"


def test_labels_and_features_come_from_attributes() -> None:
    graph = networkx.path_graph(3)
    for node, kind in ((0, "z"), (2, "a")):
        graph.nodes[node]["kind"] = kind
    for node in graph:
        graph.nodes[node].update(size=node, place=[node, -node], x=[1.0, 2.0, 3.0])
    data = from_networkx(graph, label="kind", features=["size", "place"])
    assert data.y.tolist() == [1, -1, 0], "a node without the attribute is unlabelled"
    assert data.card["classes"] == ["a", "z"]
    assert data.x.tolist() == [[0, 0, 0], [1, 1, -1], [2, 2, -2]]
    assert from_networkx(graph).x.shape == (3, 3), "an attribute x is taken by default"
    assert "edge_weight" not in data
    plain = from_networkx(networkx.star_graph(3)).x
    assert plain.shape == (4, 2)
    assert plain[0, 1] > plain[1, 1]


def test_an_edgeless_graph_is_legal() -> None:
    assert from_networkx(networkx.empty_graph(3)).edge_index.shape == (2, 0)


def _labelled(labels: list[Any]) -> networkx.Graph:
    graph = networkx.Graph()
    graph.add_nodes_from((i, {"club": label}) for i, label in enumerate(labels))
    return graph


def test_a_label_that_is_missing_in_a_table_is_unknown() -> None:
    assert from_networkx(_labelled([1.0, float("nan"), 0.0]), label="club").y.tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("graph", "options", "law"),
    [
        (networkx.Graph(), {}, "a graph with nodes"),
        ([(0, 1)], {}, "must be a networkx graph, but it is a list"),
        (networkx.path_graph(3), {"label": "club"}, "an attribute 'club'"),
        (
            networkx.path_graph(3),
            {"features": ["size"]},
            "the attribute 'size', but 3 have none",
        ),
        (
            networkx.karate_club_graph(),
            {"features": ["club"]},
            "The node attribute 'club' must hold numbers",
        ),
        (
            networkx.Graph([(0, 1, {"weight": "heavy"})]),
            {},
            "The edge attribute 'weight' must hold numbers",
        ),
        (
            _labelled([["a"], ["b"]]),
            {"label": "club"},
            "The node attribute 'club' must hold numbers or texts",
        ),
    ],
)
def test_faulty_graphs_are_named(graph: Any, options: dict[str, Any], law: str) -> None:
    with pytest.raises(InputError, match=law):
        from_networkx(graph, **options)


def _books() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["book"].num_nodes = 3, 4
    data["user", "rates", "book"].edge_index = torch.tensor([[0, 1, 2], [0, 1, 2]])
    data["book", "rated_by", "user"].edge_index = torch.tensor([[0, 1, 2], [0, 1, 2]])
    return data


def test_amazon_book_style_becomes_interactions() -> None:
    data = _books()
    assert "split" not in from_hetero(data)[EDGE]
    data["user", "rates", "book"].edge_label_index = torch.tensor([[0, 1], [3, 3]])
    out = split_interactions(from_hetero(data), strategy="published", ratios=(0.9, 0.0, 0.1))
    assert test_edges(out).tolist() == [[0, 1], [3, 3]]
    assert out["item"].num_nodes == 4


def test_link_split_negatives_are_left_out() -> None:
    data = _books()
    data["user", "rates", "book"].edge_label_index = torch.tensor([[0, 1], [3, 3]])
    data["user", "rates", "book"].edge_label = torch.tensor([1.0, 0.0])
    assert from_hetero(data)[EDGE].split.tolist() == [0, 2, 0, 0]
    data["user", "rates", "book"].edge_label = torch.tensor([5, 4, 3])
    assert "split" not in from_hetero(data)[EDGE], "one label per edge is a rating, as in MovieLens"


def test_unclear_edge_types_are_named() -> None:
    data = _books()
    data["user", "buys", "pen"].edge_index = torch.tensor([[0], [0]])
    data["pen"].num_nodes = 1
    with pytest.raises(InputError, match="one edge type from users to items"):
        from_hetero(data)
    assert from_hetero(data, ("user", "buys", "pen"))[EDGE].edge_index.tolist() == [[0], [0]]
    with pytest.raises(InputError, match="no edge type"):
        from_hetero(data, ("user", "reads", "pen"))


def test_to_hetero_and_back() -> None:
    data = small_interactions()
    out = to_hetero(data)
    assert torch.equal(
        out["item", "rev_interacts", "user"].edge_index, data[EDGE].edge_index.flip(0)
    )
    back = from_hetero(out)
    assert int((back[EDGE].split == 2).sum()) == test_edges(data).size(1)
    assert int((back[EDGE].split == 0).sum()) == data[EDGE].edge_index.size(1)


@pytest.mark.parametrize("kind", [numpy.int64, numpy.uint8, numpy.float32, torch.tensor, Decimal])
def test_numbers_of_other_libraries_are_classes_like_pythons(kind: Any) -> None:
    graph, labels = networkx.path_graph(6), [10, 9, 2, 10, 9, 2]
    for node, label in enumerate(labels):
        graph.nodes[node]["label"] = kind(label)
    data = from_networkx(graph, label="label")
    assert data.y.tolist() == [2, 1, 0, 2, 1, 0]
    assert data.card["classes"] == [2, 9, 10]


def test_numpys_ids_are_kept_and_what_is_missing_is_no_class(tmp_path: Path) -> None:
    graph = networkx.Graph()
    missing = [numpy.float64("nan"), float("nan"), None, pandas.NA, numpy.int32(3), "3"]
    for number, label in enumerate(missing):
        graph.add_node(numpy.int64(number * 7), label=label, x=torch.tensor([1.0, number]))
    data = from_networkx(graph, label="label")
    assert data.y.tolist() == [-1, -1, -1, -1, 0, 1]
    assert data.x.shape == (6, 2)
    save(tmp_path / "g.safetensors", data)
    assert read(tmp_path / "g.safetensors").card["nodes"] == [0, 7, 14, 21, 28, 35]
    graph.nodes[0]["label"] = torch.tensor([1, 2])
    with pytest.raises(InputError, match="one class per node"):
        from_networkx(graph, label="label")
