"""Counts and figures by hand."""

from __future__ import annotations

import math

import torch
from torch_geometric.data import Data

from graphcond.data import make_interactions, statistics
from graphcond.testing import awkward_graph, awkward_interactions


def test_figures_of_a_graph() -> None:
    figures = statistics(awkward_graph())
    assert (figures["nodes"], figures["edges"], figures["features"], figures["classes"]) == (
        12,
        21,
        12,
        2,
    )
    assert (
        figures["isolated"],
        figures["self_loops"],
        figures["unlabelled"],
        figures["max_degree"],
    ) == (2, 1, 1, 3)
    assert (figures["train"], figures["val"], figures["test"]) == (5, 3, 3)
    # Labels alternate along the ring, so of the edges between labelled nodes (18) only the
    # self-loop joins equals.
    assert math.isclose(figures["homophily"], 1 / 18, rel_tol=1e-6)
    assert math.isclose(figures["density"], 21 / 144)
    assert figures["mean_degree"] == 21 / 12
    assert figures["bytes"] == 12 * 12 * 4 + 2 * 21 * 8 + 12 * 8 + 3 * 12
    assert figures["nonzeros"] > 12


def test_figures_of_interactions() -> None:
    figures = statistics(awkward_interactions())
    assert (
        figures["users"],
        figures["items"],
        figures["edges"],
        figures["val"],
        figures["test"],
    ) == (6, 7, 9, 2, 2)
    assert (figures["users_without"], figures["items_without"], figures["users_below_5"]) == (
        1,
        2,
        6,
    )
    assert figures["max_user_degree"] == 3
    assert math.isclose(figures["density"], 9 / 42)
    assert math.isclose(
        figures["top_items_share"], 5 / 9, rel_tol=1e-6
    )  # the most popular of 7 items


def test_users_and_items_are_counted_by_their_interactions() -> None:
    degrees = torch.tensor([1, 1, 2, 4, 5, 9])
    users = torch.arange(6).repeat_interleave(degrees)
    items = torch.cat([torch.arange(int(count)) for count in degrees])
    data = make_interactions(torch.stack([users, items]), 6, 10)
    held = {"val": torch.tensor([[0, 1, 2], [5, 5, 5]]), "test": torch.tensor([[0], [6]])}
    for part, pairs in held.items():
        data["user", "interacts", "item"][f"{part}_edge_index"] = pairs
    figures = statistics(data)
    assert (figures["val"], figures["test"]) == (3, 1)
    # The lower of the two middle ones; five interactions are not below five.
    assert (figures["median_user_degree"], figures["users_below_5"]) == (2, 4)
    assert figures["mean_user_degree"] == 22 / 6
    # A fifth of ten items are two: the first, which all users have, and the second.
    assert math.isclose(figures["top_items_share"], (6 + 4) / 22, rel_tol=1e-6)


def test_gini_is_zero_for_equal_counts_and_near_one_for_a_hub() -> None:
    even = make_interactions(torch.arange(20).repeat(2, 1), 20, 20)
    assert abs(statistics(even)["item_gini"]) < 1e-9
    hub = make_interactions(
        torch.stack([torch.arange(20), torch.zeros(20, dtype=torch.long)]), 20, 20
    )
    assert math.isclose(statistics(hub)["item_gini"], 0.95)


def test_unlabelled_graphs_have_no_homophily() -> None:
    data = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([-1, -1]))
    figures = statistics(data)
    assert math.isnan(figures["homophily"])
    assert figures["classes"] == 0
    del data.y
    assert statistics(data)["unlabelled"] == 2
    data.x = torch.eye(2).to_sparse()
    assert statistics(data)["bytes"] == 2 * 2 * 8 + 2 * 4 + 2 * 8, (
        "indices and values of x, and one edge"
    )
