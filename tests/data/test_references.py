"""The dense references themselves, against PyG and by hand."""

from __future__ import annotations

import torch
from torch_geometric.nn import GCNConv
from torch_geometric.nn.models import LightGCN

from graphcond.testing import (
    awkward_graph,
    awkward_interactions,
    small_graph,
    small_interactions,
)
from tests import dense


def test_adjacency_passes_messages_from_row_0_to_row_1() -> None:
    matrix = dense.adjacency(torch.tensor([[0, 0, 1], [1, 1, 2]]), 3, torch.tensor([1.0, 2.0, 3.0]))
    assert matrix.tolist() == [[0, 0, 0], [3, 0, 0], [0, 3, 0]]


def test_gcn_norm_is_pyg_s() -> None:
    graph = small_graph()
    layer = GCNConv(8, 8, bias=False)
    torch.nn.init.eye_(layer.lin.weight)
    wanted = layer(graph.x, graph.edge_index)
    found = dense.gcn_norm(dense.adjacency(graph.edge_index, 120)) @ graph.x.double()
    torch.testing.assert_close(found.float(), wanted)


def test_chebyshev_follows_the_recurrence() -> None:
    graph = small_graph()
    operator = dense.scaled_laplacian(dense.adjacency(graph.edge_index, 120))
    assert float(torch.linalg.eigvalsh(operator).abs().max()) <= 1 + 1e-9
    zero, one, two, three = dense.chebyshev(operator, graph.x.double(), 3)
    torch.testing.assert_close(zero, graph.x.double())
    torch.testing.assert_close(one, operator @ zero)
    torch.testing.assert_close(two, 2 * operator @ one - zero)
    torch.testing.assert_close(three, 2 * operator @ two - one)


def test_lightgcn_is_pyg_s() -> None:
    pairs = small_interactions()["user", "interacts", "item"].edge_index
    model = LightGCN(100, 8, num_layers=2)
    both = torch.cat(
        [pairs + torch.tensor([[0], [40]]), (pairs + torch.tensor([[0], [40]])).flip(0)], dim=1
    )
    wanted = model.get_embedding(both)
    weight = model.embedding.weight.detach()
    users, items = dense.lightgcn(pairs, weight[:40], weight[40:], 2)
    torch.testing.assert_close(torch.cat([users, items]).float(), wanted.detach())


def test_ranking_by_hand() -> None:
    scores = torch.tensor([[-1.0, -2.0, -3.0, -4.0], [0.0, 1.0, 2.0, 3.0]])
    train = torch.tensor([[1], [3]])
    relevant = torch.tensor([[0, 0, 1], [0, 3, 2]])
    recall, ndcg = dense.ranking(scores, train, relevant, 2)
    ideal = 1 + 1 / torch.log2(torch.tensor(3.0)).item()
    assert recall == (0.5 + 1.0) / 2
    assert abs(ndcg - (1 / ideal + 1.0) / 2) < 1e-6
    data = awkward_interactions()
    assert dense.bipartite(data["user", "interacts", "item"].edge_index, 6, 7).sum() == 9


def test_rows_without_edges_stay_zero() -> None:
    graph = awkward_graph()
    matrix = dense.gcn_norm(dense.adjacency(graph.edge_index, 12), self_loops=False)
    assert bool(torch.isfinite(matrix).all())
    assert matrix[10:].abs().sum() == 0
