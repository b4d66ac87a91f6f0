"""Disjoint unions of condensed train and validation graphs."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from graphcond.data import check_nodes, parts, read, save, union
from graphcond.errors import InputError
from graphcond.testing import small_graph


def _graph(nodes: int, seed: int) -> Data:
    stream = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes, (2, 3 * nodes), generator=stream)
    x, weight = torch.randn(nodes, 4, generator=stream), torch.rand(3 * nodes, generator=stream)
    data = Data(x=x, edge_index=edge_index, edge_weight=weight, y=torch.arange(nodes) % 3)
    data.card = {"name": f"graph-{seed}"}
    return data


def test_parts_undo_a_union() -> None:
    train, val = _graph(7, 0), _graph(5, 1)
    both = union(train, val)
    check_nodes(both)
    assert both.card == {"name": "graph-0"}
    assert both.train_mask.tolist() == [True] * 7 + [False] * 5
    for given, found in zip((train, val), parts(both)):
        for name in ("x", "edge_index", "edge_weight", "y"):
            assert torch.equal(given[name], found[name])
    assert "val_mask" in both
    assert both.num_nodes == 12


def test_parts_survive_a_permutation_and_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    both = union(_graph(7, 0), _graph(5, 1))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    place = order.argsort()
    mixed = Data(edge_index=place[both.edge_index], edge_weight=both.edge_weight)
    for name in ("x", "y", "train_mask", "val_mask"):
        mixed[name] = both[name][order]
    save(tmp_path / "a.safetensors", mixed)
    train, val = parts(read(tmp_path / "a.safetensors"))
    assert (train.num_nodes, val.num_nodes) == (7, 5)
    assert bool(train.train_mask.all())
    assert bool(val.val_mask.all())
    assert (train.num_edges, val.num_edges) == (21, 15)


def test_unlabelled_neighbours_stay_with_their_component() -> None:
    train, val = _graph(4, 0), _graph(4, 1)
    train.edge_index = torch.tensor([[0, 1, 2], [1, 2, 3]])
    val.edge_index = torch.tensor([[0, 1, 2], [1, 2, 3]])
    train.edge_weight = val.edge_weight = torch.ones(3)
    train.train_mask = torch.tensor([True, False, False, False])
    val.val_mask = torch.tensor([False, False, True, False])
    first, second = parts(union(train, val))
    assert (first.num_nodes, second.num_nodes) == (4, 4)
    assert int(first.train_mask.sum()) == int(second.val_mask.sum()) == 1


def test_message_passing_on_the_union_is_message_passing_on_each_part() -> None:
    train, val = _graph(7, 0), _graph(5, 1)
    both = union(train, val)
    layer = GCNConv(4, 3)
    apart = torch.cat(
        [layer(graph.x, graph.edge_index, graph.edge_weight) for graph in (train, val)]
    )
    torch.testing.assert_close(layer(both.x, both.edge_index, both.edge_weight), apart)


def test_weights_default_to_one() -> None:
    train, val = _graph(3, 0), _graph(2, 1)
    del train.edge_weight
    assert union(train, val).edge_weight[:9].tolist() == [1.0] * 9


def test_what_is_no_union_is_named() -> None:
    with pytest.raises(InputError, match="no path between training and validation nodes"):
        parts(small_graph())
    narrow = _graph(3, 1)
    narrow.x = narrow.x[:, :2]
    with pytest.raises(InputError, match="the same number of features"):
        union(_graph(3, 0), narrow)
