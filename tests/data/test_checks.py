"""Each fault a user can bring has an error that names law, facts and cure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from graphcond.data import (
    EDGE,
    check_interactions,
    check_nodes,
    load,
    make_interactions,
    split_interactions,
)
from graphcond.errors import InputError
from graphcond.testing import awkward_graph, awkward_interactions, small_graph, small_interactions


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda data: data.__setattr__(name, value(data) if callable(value) else value)


def _poke(name: str, index: Any, value: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        data[name][index] = value

    return change


NODE_FAULTS = {
    "no features": (_set("x", None), "a tensor `x`"),
    "no edges": (_set("edge_index", None), "a tensor `edge_index`"),
    "no labels": (_set("y", None), "a tensor `y`"),
    "no split": (_set("train_mask", None), r"a tensor `train_mask`.*split_nodes"),
    "no validation": (_set("val_mask", None), "a tensor `val_mask`"),
    "flat features": (_set("x", lambda data: data.x[:, 0]), r"`x` must be of shape \[n, d\]"),
    "no columns": (_set("x", lambda data: data.x[:, :0]), r"`x` must be of shape \[n, d\]"),
    "integer features": (_set("x", lambda data: data.x.long()), "float32 or float64"),
    "sparse features": (_set("x", lambda data: data.x.to_sparse()), "dense features `x`"),
    "NaN feature": (
        _poke("x", (7, 2), float("nan")),
        r"finite features `x`, but 1 are not, first among them nodes \[7\]",
    ),
    "infinite feature": (_poke("x", (8, 0), float("inf")), r"nodes \[8\]"),
    "transposed edges": (
        _set("edge_index", lambda data: data.edge_index.t()),
        r"`edge_index` must be of shape \[2, m\]",
    ),
    "float edges": (
        _set("edge_index", lambda data: data.edge_index.float()),
        "`edge_index` must be of an integer type",
    ),
    "id too large": (
        _poke("edge_index", (0, 0), 120),
        r"node ids of `edge_index` in \[0, n\).*largest = 120, n = 120",
    ),
    "negative id": (_poke("edge_index", (1, 3), -1), "smallest = -1"),
    "short weights": (
        _set("edge_weight", lambda data: torch.ones(3)),
        r"`edge_weight` must have one entry per edge",
    ),
    "NaN weight": (
        _set("edge_weight", lambda data: torch.full((data.num_edges,), float("nan"))),
        "finite edge weights",
    ),
    "one-hot labels": (
        _set("y", lambda data: torch.nn.functional.one_hot(data.y)),
        r"abels `y` must be of shape \[n\]",
    ),
    "short labels": (_set("y", lambda data: data.y[:5]), r"abels `y` must be of shape \[n\]"),
    "float labels": (_set("y", lambda data: data.y.float()), "must be of an integer type"),
    "label -2": (_poke("y", 0, -2), "smallest is -2"),
    "mask of indices": (
        _set("train_mask", lambda data: torch.arange(5)),
        "`train_mask` must be of type bool",
    ),
    "ten splits": (
        _set("val_mask", lambda data: data.val_mask.repeat(10, 1).t()),
        r"`val_mask` of shape \[n\]",
    ),
    "empty training": (
        _set("train_mask", lambda data: torch.zeros(120, dtype=torch.bool)),
        "a node in `train_mask`",
    ),
    "empty validation": (
        _set("val_mask", lambda data: torch.zeros(120, dtype=torch.bool)),
        "a node in `val_mask`",
    ),
    "empty test": (
        _set("test_mask", lambda data: torch.zeros(120, dtype=torch.bool)),
        "a node in `test_mask`",
    ),
    "unlabelled training": (
        _set("y", lambda data: torch.full((120,), -1)),
        "labelled nodes in `train_mask`",
    ),
    "overlap": (_set("val_mask", lambda data: data.train_mask), "no node in both"),
    "trained on the test part": (
        _set("test_mask", lambda data: data.train_mask),
        "both `train_mask` and `test_mask`",
    ),
    "half features": (_set("x", lambda data: data.x.half()), "float32 or float64"),
    "weights of another type": (
        _set("edge_weight", lambda data: torch.ones(data.num_edges).double()),
        "`edge_weight` must be of the type of `x`",
    ),
    "negative weight": (
        _set("edge_weight", lambda data: -torch.ones(data.num_edges)),
        "edge weights ≥ 0",
    ),
}


@pytest.mark.parametrize("fault", NODE_FAULTS)
def test_faults_of_node_data_are_named(fault: str) -> None:
    change, law = NODE_FAULTS[fault]
    data = small_graph()
    check_nodes(data)
    change(data)
    with pytest.raises(InputError, match=law) as caught:
        check_nodes(data)
    words = (" must ", "No node", "This needs")
    assert any(word in str(caught.value) for word in words)
    assert str(caught.value).endswith(".")


def _edge(name: str, value: Any) -> Callable[[Any], None]:
    return lambda data: data[EDGE].__setattr__(
        name, value(data[EDGE]) if callable(value) else value
    )


def _no_users(data: Any) -> None:
    data["user"].num_nodes = None


INTERACTION_FAULTS = {
    "no number of users": (_no_users, "a number of users"),
    "float ids": (
        _edge("edge_index", lambda store: store.edge_index.double()),
        "`edge_index` of an integer type",
    ),
    "three rows": (
        _edge("edge_index", lambda store: store.edge_index[[0, 1, 1]]),
        r"`edge_index` of shape \[2, E\]",
    ),
    "rows swapped": (
        _edge("edge_index", lambda store: store.edge_index.flip(0)),
        "row 0 holds users and row 1 items",
    ),
    "held-out id": (_edge("val_edge_index", torch.tensor([[40], [0]])), "`val_edge_index`"),
    "held-out type": (_edge("test_edge_index", [[0], [0]]), r"`test_edge_index` of shape"),
    "nothing to train on": (
        _edge("edge_index", torch.empty(2, 0, dtype=torch.long)),
        "at least one training interaction",
    ),
    "nothing to validate on": (
        _edge("val_edge_index", torch.empty(2, 0, dtype=torch.long)),
        "at least one validation interaction",
    ),
    "repeated pair": (
        _edge(
            "edge_index", lambda store: torch.cat([store.edge_index, store.edge_index[:, :2]], 1)
        ),
        "repeated = 2",
    ),
    "leaking validation": (
        _edge("val_edge_index", lambda store: store.edge_index[:, :3]),
        "both the training and the validation part.*shared = 3",
    ),
    "repeated test pair": (
        _edge("test_edge_index", lambda store: store.test_edge_index.repeat(1, 2)),
        "distinct test interactions",
    ),
    "validated on the test part": (
        _edge("val_edge_index", lambda store: store.test_edge_index),
        "both the validation and the test part",
    ),
    "leaking test": (_edge("test_edge_index", lambda store: store.edge_index[:, :1]), "shared = 1"),
    "short weights": (
        _edge("edge_weight", torch.ones(2)),
        "`edge_weight` must have one entry per edge",
    ),
    "NaN weights": (
        _edge("edge_weight", lambda store: torch.full((store.edge_index.size(1),), float("nan"))),
        "finite edge weights",
    ),
}


@pytest.mark.parametrize("fault", INTERACTION_FAULTS)
def test_faults_of_interactions_are_named(fault: str) -> None:
    change, law = INTERACTION_FAULTS[fault]
    data = small_interactions()
    check_interactions(data)
    change(data)
    with pytest.raises(InputError, match=law) as caught:
        check_interactions(data)
    words = (" must ", "No node", "This needs")
    assert any(word in str(caught.value) for word in words)


def test_unsplit_and_foreign_data_are_named() -> None:
    with pytest.raises(InputError, match="a validation part.*split_interactions"):
        check_interactions(load("southern-women"))
    with pytest.raises(InputError, match="Interactions must be a PyG `HeteroData`"):
        check_interactions(small_graph())
    with pytest.raises(InputError, match="Node data must be a PyG `Data`"):
        check_nodes(small_interactions())
    from torch_geometric.data import HeteroData

    with pytest.raises(InputError, match="an edge type"):
        check_interactions(HeteroData())


def test_awkward_but_legal_data_pass() -> None:
    check_nodes(awkward_graph())
    check_interactions(awkward_interactions())
    lonely = split_interactions(
        make_interactions(torch.tensor([[0, 1, 1, 1, 1, 1], [0, 0, 1, 2, 3, 4]]), 9, 9),
        ratios=(0.5, 0.25, 0.25),
    )
    check_interactions(lonely)
    graph = copy.copy(small_graph())
    graph.edge_index = graph.edge_index.int()
    check_nodes(graph)
    graph.edge_index = graph.edge_index[:, :0]
    check_nodes(graph)
