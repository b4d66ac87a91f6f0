"""Full trainings compute what the published networks compute, a few times as fast."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from benchmarks.node.nas_full import KEY, logits, reach, train_in_full
from benchmarks.node.nas_page import OTHERS, ceiling_row
from benchmarks.node.nas_table import PROTOCOLS, SPACE, Table
from benchmarks.store import Store
from graphcond.metrics import spearman
from graphcond.nn import ForestGraph
from graphcond.seeding import generator
from graphcond.spaces import TreeChoice
from graphcond.sparse import CSR

TREES = SPACE.decode(SPACE.sample(30, seed=3))
N, D, C = 40, 6, 3


@pytest.fixture
def data() -> Data:
    stream = generator(0, "full")
    # As the citation graphs: both ways, without loops and repeats; one node has no neighbour.
    edges = to_undirected(torch.randint(N - 1, (2, 90), generator=stream))
    edges = edges[:, edges[0] != edges[1]]
    y = torch.arange(N) % C
    x = (torch.rand(N, D, generator=stream) < 0.4).float() + 2 * torch.eye(C, D)[y]
    mask = torch.arange(N) % 4 == 0
    return Data(x=x, edge_index=edges, y=y, train_mask=mask, val_mask=~mask)


@pytest.mark.parametrize("train", [True, False])
def test_logits_and_gradients_are_those_of_the_network(data: Data, train: bool) -> None:
    data.x = data.x.double()
    graph = ForestGraph(data.x, data.edge_index)
    row, column = data.x.nonzero(as_tuple=True)
    words = CSR.from_edges(row, column, (N, D), data.x[row, column])
    rows = data.train_mask.nonzero()[:, 0]
    reached = [reach(graph, words, nodes) for nodes in (torch.arange(N), rows)]
    operations = set()
    for tree in TREES:
        # Without dropout, which draws otherwise here.
        net = tree(D, C, hidden=8, dropout=0.0, post=len(operations) % 2 == 0)
        net = net.double().train(train)
        expected = net(data.x, data.edge_index)[rows]
        found = logits(net, words, *reached)
        assert torch.allclose(found, expected, atol=1e-8)
        slopes = [
            torch.autograd.grad(
                cross_entropy(each, data.y[rows]), list(net.parameters()), allow_unused=True
            )
            for each in (expected, found)
        ]
        for one, other in zip(*slopes):
            assert (one is None) == (other is None)
            assert one is None or torch.allclose(one, other, atol=1e-8)
        operations |= set(tree.operations)
    assert len(operations) == 9


def test_a_training_learns_and_repeats(data: Data) -> None:
    protocol = replace(PROTOCOLS["cora"], hidden=8, dropout=0.2, epochs=60)
    tree = TreeChoice((0, 1, 0, 3), ("fc", "fc", "sage", "gcn"))
    first = train_in_full(tree, data, protocol, seed=1)
    assert first == train_in_full(tree, data, protocol, seed=1)
    assert first > 0.6
    data.y = data.y[torch.randperm(N, generator=generator(1, "full"))]
    assert train_in_full(tree, data, protocol, seed=1) < first


def test_the_row_of_a_ceiling(tmp_path: Path) -> None:
    count = len(SPACE.all())
    stream = generator(0, "table")
    valid = {name: torch.rand(count, generator=stream).double() for name in OTHERS}
    place = {choice: row for row, choice in enumerate(SPACE.decode(SPACE.all()))}
    table = Table(valid, valid, place)
    store = Store(tmp_path / "full.json", KEY, "none")
    every = SPACE.decode(SPACE.sample(12, seed=0))
    scores = torch.rand(12, generator=stream)
    for network, score in enumerate(scores.tolist()):
        key = {"dataset": "cora", "sample": 0, "network": network}
        assert ceiling_row(store, table, "cora", 10.0) is None or network >= 10
        store.add(key | {"valid": score, "cpu_train": 2.0}, code=())
    row = ceiling_row(store, table, "cora", 10.0)
    assert row is not None
    assert row["ranking"] == "full training, one seed (12 networks)"
    truth = valid["cora"][table.rows(every)]
    assert row["spearman"] == pytest.approx(spearman(truth, scores), abs=1e-5)
    assert row["low"] < row["spearman"] < row["high"]
    assert (row["cpu_own"], row["cpu_full"]) == (2.0, 10.0)
    assert ceiling_row(store, table, "pubmed", 10.0) is None
