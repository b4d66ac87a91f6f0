from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers.budget import interaction_budget, node_budget
from graphcond.errors import BudgetError


@pytest.fixture
def data() -> Data:
    n = 2708
    mask = torch.zeros(3, n, dtype=torch.bool)
    mask[0, :140], mask[1, 140:640], mask[2, 1708:] = True, True, True
    y = torch.arange(n) % 7
    return Data(
        x=torch.ones(n, 2),
        edge_index=torch.empty(2, 0, dtype=torch.long),
        y=y,
        train_mask=mask[0],
        val_mask=mask[1],
        test_mask=mask[2],
    )


@pytest.mark.parametrize(("ratio", "count"), [(0.009, 24), (0.018, 49), (0.036, 97)])
def test_the_papers_ratios_count_against_all_nodes(data: Data, ratio: float, count: int) -> None:
    budget = node_budget(data, ratio=ratio, num_nodes=None, of="nodes", num_val=None)
    assert (budget.num_train, budget.num_val) == (count, count)
    assert budget.ratio_train == pytest.approx(count / 140)


def test_ratio_of_training_nodes(data: Data) -> None:
    assert node_budget(data, ratio=0.5, num_nodes=None, of="train", num_val=30).num_train == 70


@pytest.mark.parametrize(
    ("ratio", "num_nodes", "num_val", "words"),
    [
        (1.4, None, None, r"`ratio` must be in \(0, 1\].*1.4"),
        (0, None, None, r"`ratio` must be in \(0, 1\]"),
        (float("nan"), None, None, r"`ratio` must be in \(0, 1\]"),
        (None, None, None, "exactly one"),
        (0.1, 10, None, "exactly one"),
        (None, 6, None, "has 7 classes"),
        (0.2, None, None, "140 training nodes"),
        (None, 141, None, "140 training nodes"),
        (None, 49, 501, "num_val"),
        (None, 49, 0, "num_val"),
        (None, 49, 6, "between 7, one per class"),
        (None, 49.5, None, "`num_nodes` must be a whole number.*49.5"),
        (None, 49, 49.5, "`num_val` must be a whole number"),
        (None, True, None, "`num_nodes` must be a whole number"),
        (True, None, None, r"`ratio` must be in \(0, 1\]"),
    ],
)
def test_counts_are_refused_not_clamped(
    data: Data, ratio: float | None, num_nodes: int | None, num_val: int | None, words: str
) -> None:
    with pytest.raises(BudgetError, match=words):
        node_budget(data, ratio=ratio, num_nodes=num_nodes, of="nodes", num_val=num_val)


def test_numpys_numbers_are_numbers(data: Data) -> None:
    assert (
        node_budget(
            data, ratio=None, num_nodes=np.int64(49), of="nodes", num_val=np.int32(30)
        ).num_val
        == 30
    )
    assert interaction_budget(100, np.float32(0.5)) == 50


def test_interactions_are_rounded_down_and_never_zero() -> None:
    assert interaction_budget(42_000, 0.25) == 10_500
    assert interaction_budget(10, 0.3) == 3
    with pytest.raises(BudgetError, match="at least one interaction"):
        interaction_budget(3, 0.25)
    with pytest.raises(BudgetError, match="share of the original"):
        interaction_budget(100, -0.1)


def test_bounds_of_a_budget_can_be_met(data: Data) -> None:
    for train, val in ((7, 7), (140, 500)):
        budget = node_budget(data, ratio=None, num_nodes=train, of="nodes", num_val=val)
        assert (budget.num_train, budget.num_val) == (train, val)
    assert node_budget(data, ratio=1, num_nodes=None, of="train", num_val=None).num_train == 140
    with pytest.raises(BudgetError, match="`of` must be"):
        node_budget(
            data,
            ratio=0.02,
            num_nodes=None,
            of="edges",  # type: ignore[arg-type]
            num_val=None,
        )


def test_a_class_is_wanted_where_its_labels_are(data: Data) -> None:
    data.y = data.y.clone()
    data.y[data.train_mask & (data.y == 6)] = 0
    assert node_budget(data, ratio=None, num_nodes=6, of="nodes", num_val=7).num_train == 6
    with pytest.raises(BudgetError, match="between 7, one per class"):
        node_budget(data, ratio=None, num_nodes=6, of="nodes", num_val=6)


def test_a_share_is_rounded_down_but_for_rounding_of_floats() -> None:
    assert 0.29 * 100 < 29
    assert interaction_budget(100, 0.29) == 29
    assert interaction_budget(1000, 0.999995) == 999
    assert interaction_budget(1000, 1) == 1000
