"""Inputs that users bring by mistake end in a sentence with the right cure."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

from graphcond import condensers, nn
from graphcond.data import (
    EDGE,
    check_interactions,
    check_nodes,
    from_hetero,
    k_core,
    planted_graph,
    planted_interactions,
    split_interactions,
    split_nodes,
)
from graphcond.data.plain import plain
from graphcond.errors import InputError
from graphcond.evaluation import evaluate_recommender
from graphcond.training import BPR, fit_recommender


@pytest.fixture
def graph() -> Data:
    return planted_graph(num_nodes=240, num_classes=3, num_features=8)


def split() -> HeteroData:
    return split_interactions(planted_interactions(60, 80, 1000), seed=0)


CURES: dict[str, tuple[str, Any, str]] = {
    "ids as a mask": ("train_mask", lambda g: g.train_mask.nonzero()[:, 0], "index_to_mask"),
    "ids as many as nodes": ("val_mask", lambda g: torch.arange(240), "index_to_mask"),
    "a mask of 0 and 1": ("train_mask", lambda g: g.train_mask.long(), r"\.bool\(\)"),
    "real labels": ("y", lambda g: torch.rand(240), "bins"),
    "whole numbers as floats": ("y", lambda g: g.y.double(), r"data\.y\.long\(\)"),
    "NaN as no label": (
        "y",
        lambda g: torch.where(g.test_mask, torch.nan, g.y.double()),
        r"torch\.where\(y\.isnan\(\), -1, y\)\.long\(\)",
    ),
    "y of [n, 1]": ("y", lambda g: g.y[:, None], r"squeeze\(1\)"),
    "one feature": ("x", lambda g: g.x[:, 0], r"data\.x\[:, None\]"),
    "a label per mille": ("y", lambda g: g.y * 50_000, r"return_inverse=True"),
    "labels of NumPy": ("y", lambda g: g.y.numpy(), r"torch\.as_tensor\(data\.y\)"),
    "-100 for no label": ("y", lambda g: torch.where(g.test_mask, -100, g.y), r"y < 0, -1"),
    "a mask of NumPy": ("train_mask", lambda g: g.train_mask.numpy(), r"as_tensor\(data\.train_m"),
    "a list as a mask": ("test_mask", lambda g: g.test_mask.tolist(), r"as_tensor\(data\.test_m"),
    "a range as a mask": ("val_mask", lambda g: range(40), r"mask\[ids\] = True"),
    "a short mask": ("val_mask", lambda g: g.val_mask[:50], "for each node of these data"),
    "masks of many splits": ("val_mask", lambda g: g.val_mask[:, None], r"mask\[:, 0\]"),
    "complex features": ("x", lambda g: g.x.cfloat(), "view_as_real"),
    "features nowhere": ("x", lambda g: g.x.to("meta"), "a meta tensor"),
    "edges as rows": ("edge_index", lambda g: g.edge_index.t(), r"edge_index\.t\(\)"),
    "a sparse matrix": (
        "edge_index",
        lambda g: torch.sparse_coo_tensor(g.edge_index, torch.ones(g.num_edges), (240, 240)),
        r"indices\(\)",
    ),
    "weights of NumPy": ("edge_weight", lambda g: torch.ones(g.num_edges).numpy(), "as_tensor"),
    "one weight for all": ("edge_weight", lambda g: 1.0, "Give every edge a number"),
    "another number of nodes": ("num_nodes", lambda g: 250, r"data\.num_nodes = None"),
    "a card of one's own": ("card", lambda g: "ace of hearts", "another name"),
}


@pytest.mark.parametrize("fault", CURES)
def test_the_cure_is_the_right_one(graph: Data, fault: str) -> None:
    name, value, cure = CURES[fault]
    graph[name] = value(graph)
    with pytest.raises(InputError, match=cure):
        check_nodes(graph)


def test_the_cure_of_each_fault_cures_it(graph: Data) -> None:
    cured = copy.copy(graph)
    cured.y = torch.where(graph.test_mask, torch.nan, graph.y.double())
    cured.y = torch.where(cured.y.isnan(), -1, cured.y).long()
    cured.test_mask = cured.val_mask & False
    del cured["test_mask"]
    check_nodes(cured)
    cured.y = torch.unique(graph.y * 50_000, return_inverse=True)[1]
    assert torch.equal(cured.y, graph.y)


def test_adj_t_is_undone_by_the_cure(graph: Data) -> None:
    from torch_geometric.transforms import ToSparseTensor
    from torch_geometric.utils import sort_edge_index, to_edge_index

    directed = copy.copy(graph)
    directed.edge_index = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    sparse = ToSparseTensor(layout=torch.sparse_csr)(copy.copy(directed))
    with pytest.raises(InputError, match="adj_t"):
        check_nodes(sparse)
    back = to_edge_index(sparse.adj_t.t())[0]
    assert torch.equal(sort_edge_index(back), sort_edge_index(directed.edge_index))


def test_a_data_set_in_place_of_its_graph_is_named() -> None:
    from torch_geometric.datasets import FakeDataset

    dataset = FakeDataset(num_graphs=2)
    for call in (check_nodes, condensers.RandomNodes(num_nodes=9), split_nodes):
        with pytest.raises(InputError, match=r"dataset\[0\]"):
            call(dataset)
    for call in (check_interactions, condensers.RandomInteractions(ratio=0.5), from_hetero):
        with pytest.raises(InputError, match=r"dataset\[0\]"):
            call(dataset)


def test_few_nodes_of_many_classes_pass_once_condensed(graph: Data) -> None:
    graph.y = graph.y * 700
    with pytest.raises(InputError, match="without gaps"):
        check_nodes(graph)
    graph.card = {"condenser": "made elsewhere"}
    check_nodes(graph)


@pytest.mark.parametrize("seed", [1.5, "a", None, float("nan")])
def test_seeds_are_whole_numbers_everywhere(graph: Data, seed: Any) -> None:
    pairs = planted_interactions(60, 80, 1000)
    for call in (
        lambda: split_nodes(graph, seed=seed),
        lambda: split_interactions(pairs, seed=seed),
        lambda: condensers.RandomInteractions(ratio=0.5, seed=seed)(split()),
    ):
        with pytest.raises(InputError, match="`seed` must be a whole number"):
            call()


def test_numbers_of_numpy_are_numbers() -> None:
    pairs = planted_interactions(60, 80, 1000)
    assert torch.equal(
        k_core(pairs, np.int64(3))[EDGE].edge_index, k_core(pairs, 3)[EDGE].edge_index
    )
    assert nn.PolynomialFilterNet(np.int64(3), 4, 2).num_features == 3
    with pytest.raises(InputError, match="`ratios` must be numbers"):
        split_interactions(pairs, ratios=None)  # type: ignore[arg-type]


def _no_items(data: HeteroData) -> None:
    del data["item"]


HAND_MADE: dict[str, Any] = {
    "no items": _no_items,
    "no pairs": lambda data: data[EDGE].pop("edge_index"),
    "pairs as a list": lambda data: data[EDGE].__setitem__("edge_index", [[0], [1]]),
    "sizes as text": lambda data: data["user"].__setattr__("num_nodes", "sixty"),
    "sizes as a tensor": lambda data: data["user"].__setattr__("num_nodes", torch.ones(2)),
    "too few users": lambda data: data["user"].__setattr__("num_nodes", 5),
    "float pairs": lambda data: data[EDGE].__setitem__("edge_index", torch.rand(2, 9)),
}


@pytest.mark.parametrize("fault", HAND_MADE)
def test_hand_made_interactions_end_in_a_sentence(fault: str) -> None:
    broken = split()
    HAND_MADE[fault](broken)
    judge = partial(nn.MF, dim=4)
    recipe = BPR(rounds=1, min_steps=1)
    for call in (
        lambda: check_interactions(broken),
        lambda: condensers.RandomInteractions(ratio=0.5)(broken),
        lambda: evaluate_recommender(judge, broken, split(), seeds=[0], recipe=recipe),
        lambda: evaluate_recommender(judge, split(), broken, seeds=[0], recipe=recipe),
        lambda: fit_recommender(judge, broken, torch.empty(2, 0, dtype=torch.long), recipe=recipe),
    ):
        with pytest.raises(InputError):
            call()


def test_a_models_ids_are_checked() -> None:
    model = nn.MF(3, 5, dim=4)
    with pytest.raises(InputError, match=r"items must lie in \[0, 5\)"):
        model(torch.tensor([[0], [5]]))
    assert model(torch.tensor([[0, 2], [4, 1]], dtype=torch.uint8)).shape == (2,)
    net = nn.GraphNet(3, 2, hidden=8)
    x, edges = torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]])
    for bad, match in (
        ((x, edges + 3), r"nodes must lie in \[0, 4\)"),
        ((x[:, :2], edges), r"features \[n, 3\]"),
        ((x.double(), edges), "float64"),
        ((x, edges.float()), "whole numbers"),
        ((x, edges, torch.ones(3)), "an entry for each of the 2 edges"),
    ):
        with pytest.raises(InputError, match=match):
            net(*bad)
    assert torch.equal(net.eval()(x, edges.int()), net(x, edges))


def test_plain_changes_what_it_must_and_nothing_else(graph: Data) -> None:
    assert plain(graph) is graph
    with torch.inference_mode():
        made = graph.x * 1
    given = copy.copy(graph)
    given.x, given.y, given.edge_index = made, graph.y.to(torch.uint8), graph.edge_index.int()
    got = plain(given)
    assert got.y.dtype == got.edge_index.dtype == torch.int64
    assert not got.x.is_inference()
    assert given.x.is_inference()
    given.x = graph.x.clone().requires_grad_()
    assert not plain(given).x.requires_grad
    assert given.x.requires_grad


@pytest.mark.parametrize("how", ["grad", "inference", "narrow"])
def test_condensing_is_the_same_for_parameters_inference_tensors_and_narrow_ids(
    graph: Data, how: str
) -> None:
    given = copy.copy(graph)
    if how == "grad":
        given.x = torch.nn.Parameter(graph.x)
    elif how == "narrow":
        given.y, given.edge_index = graph.y.to(torch.int8), graph.edge_index.int()
    else:
        with torch.inference_mode():
            given.x = graph.x * 1
    condense = condensers.KernelInducingPoints(num_nodes=9)
    want, got = condense(graph), condense(given)
    assert torch.equal(want.x, got.x)
    assert torch.equal(want.y, got.y)
