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
