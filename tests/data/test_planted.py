"""Planted sets hold what they say is planted."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.utils import contains_self_loops, is_undirected

from graphcond.data import (
    EDGE,
    check_interactions,
    check_nodes,
    planted_graph,
    planted_interactions,
    split_interactions,
    statistics,
)
from graphcond.errors import InputError


def test_the_graph_has_its_homophily_degree_and_class_features() -> None:
    data = planted_graph(num_nodes=2000, homophily=0.7, degree=10, seed=1)
    check_nodes(data)
    figures = statistics(data)
    # 10,000 pairs: five standard deviations of a share of 0.7 are 0.023; merged repeats add a
    # little.
    assert abs(figures["homophily"] - 0.7) < 0.04
    assert 9.0 < figures["mean_degree"] <= 10.0
    assert is_undirected(data.edge_index)
    assert not contains_self_loops(data.edge_index)
    means = torch.stack([data.x[data.y == label].mean(0) for label in range(4)])
    nearest = torch.cdist(data.x, means).argmin(1)
    assert float((nearest == data.y).float().mean()) > 0.6


def test_equal_seeds_give_equal_sets() -> None:
    for make in (planted_graph, planted_interactions):
        first, second, other = make(seed=1), make(seed=1), make(seed=2)
        pick = (
            (lambda data: data.edge_index)
            if make is planted_graph
            else (lambda data: data[EDGE].edge_index)
        )
        assert torch.equal(pick(first), pick(second))
        assert pick(first).shape != pick(other).shape or not torch.equal(pick(first), pick(other))


def test_the_split_of_a_graph_is_drawn_anew_with_the_seed() -> None:
    """Classes are given in turn, whatever the seed: so only the split's own seed tells."""
    first, second = (planted_graph(num_nodes=200, seed=seed) for seed in (1, 2))
    assert torch.equal(first.y, second.y)
    assert not torch.equal(first.train_mask, second.train_mask)
    assert not torch.equal(first.val_mask, second.val_mask)


def test_interactions_follow_their_factors_and_are_long_tailed() -> None:
    data = planted_interactions(seed=0)
    check_interactions(split_interactions(data))
    user, item = data[EDGE].edge_index
    affinity = data["user"].factor @ data["item"].factor.t()
    chance = (affinity @ (data["item"].popularity / data["item"].popularity.sum())).mean()
    assert float(affinity[user, item].mean()) > float(chance) + 0.2
    figures = statistics(data)
    assert abs(figures["edges"] - 12_000) < 600
    assert figures["top_items_share"] > 0.5
    assert not bool(data[EDGE].useless.any())


def test_useless_interactions_are_marked_and_follow_nothing() -> None:
    data = planted_interactions(useless=0.3, seed=0)
    flag = data[EDGE].useless
    assert abs(float(flag.float().mean()) - 0.3) < 0.05
    user, item = data[EDGE].edge_index
    affinity = (data["user"].factor[user] * data["item"].factor[item]).sum(1)
    assert float(affinity[flag].mean()) < float(affinity[~flag].mean()) - 0.2
    assert abs(float(affinity[flag].mean())) < 0.05


@pytest.mark.parametrize("change", [{"num_classes": 1}, {"homophily": 1.5}, {"num_nodes": 20}])
def test_impossible_graphs_are_named(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must|needs"):
        planted_graph(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"useless": 1.0}, {"num_interactions": 10}, {"num_interactions": 10**6}]
)
def test_impossible_interactions_are_named(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must|needs"):
        planted_interactions(**change)  # type: ignore[arg-type]
