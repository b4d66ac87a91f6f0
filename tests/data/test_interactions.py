"""Making interactions: repeated pairs, bad ids, users without any."""

from __future__ import annotations

import pytest
import torch

from graphcond.data import (
    EDGE,
    k_core,
    make_interactions,
    num_items,
    num_users,
    numbered,
    split_interactions,
    statistics,
    test_edges,
    train_edges,
    val_edges,
)
from graphcond.errors import InputError

PAIRS = torch.tensor([[1, 0, 1, 1, 0], [2, 0, 2, 0, 0]])


def test_repeated_pairs_are_merged_and_counted() -> None:
    data = make_interactions(
        PAIRS,
        3,
        4,
        edge_weight=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]),
        split=torch.tensor([2, 1, 0, 2, 1]),
    )
    assert train_edges(data).tolist() == [[0, 1, 1], [0, 0, 2]]
    assert data[EDGE].edge_weight.tolist() == [7.0, 4.0, 4.0]
    assert data[EDGE].split.tolist() == [
        1,
        2,
        0,
    ], "the earliest part wins, so that no held-out pair is also a training pair"
    assert data.card["duplicates_merged"] == 2
    assert (num_users(data), num_items(data)) == (3, 4)


def test_ids_may_be_any_integer_type_and_come_back_as_int64() -> None:
    for dtype in (torch.int32, torch.int16, torch.uint8, torch.int64):
        assert torch.equal(
            train_edges(make_interactions(PAIRS.to(dtype), 2, 3)),
            train_edges(make_interactions(PAIRS, 2, 3)),
        )
    assert train_edges(make_interactions(PAIRS.int(), 2, 3)).dtype == torch.int64


def test_large_id_ranges_do_not_overflow() -> None:
    pairs = torch.tensor([[99_999, 0], [0, 99_999]], dtype=torch.int32)
    assert train_edges(make_interactions(pairs, 100_000, 100_000)).tolist() == [
        [0, 99_999],
        [99_999, 0],
    ]


def test_no_interactions_is_an_empty_set() -> None:
    data = make_interactions(torch.empty(2, 0, dtype=torch.long), 3, 4)
    assert train_edges(data).shape == val_edges(data).shape == test_edges(data).shape == (2, 0)


@pytest.mark.parametrize(
    ("pairs", "users", "items", "law"),
    [
        (torch.zeros(3, 2, dtype=torch.long), 2, 2, r"`edge_index` of shape \[2, E\]"),
        ([[0], [1]], 2, 2, r"`edge_index` of shape \[2, E\]"),
        (torch.zeros(2, 2), 2, 2, "integer type"),
        (torch.zeros(2, 2, dtype=torch.bool), 2, 2, "integer type"),
        (torch.tensor([[0, 2], [0, 0]]), 2, 2, r"largest_user = 2"),
        (torch.tensor([[0, 1], [0, 5]]), 2, 2, r"largest_item = 5"),
        (torch.tensor([[-1], [0]]), 2, 2, "smallest_user = -1"),
        (torch.zeros(2, 1, dtype=torch.long), 0, 2, "`num_users` must be at least 1"),
    ],
)
def test_bad_pairs_are_named(pairs: torch.Tensor, users: int, items: int, law: str) -> None:
    with pytest.raises(InputError, match=law) as caught:
        make_interactions(pairs, users, items)
    assert "but found" in str(caught.value) or "but it is" in str(caught.value)


def test_weights_must_fit() -> None:
    with pytest.raises(InputError, match=r"`edge_weight` of shape \[E\]"):
        make_interactions(PAIRS, 2, 3, edge_weight=torch.ones(4))
    with pytest.raises(InputError, match=r"`split` of shape \[E\]"):
        make_interactions(PAIRS, 2, 3, split=torch.ones(4))


def test_pairs_are_told_apart_where_their_product_overflows() -> None:
    pairs = torch.tensor([[2, 5, 2], [2**62, 7, 2**62]])
    data = make_interactions(pairs, 6, 2**62 + 1, timestamp=torch.tensor([4, 5, 3]))
    assert train_edges(data).tolist() == [[2, 5], [2**62, 7]]
    assert data[EDGE].timestamp.tolist() == [3, 5]


def test_large_ids_are_numbered_before_anything_is_as_long_as_they_are() -> None:
    pairs = torch.tensor([[0, 0, 1, 4_000_000_000], [5, 2**62, 5, 3]])
    data = make_interactions(pairs, 4_000_000_001, 2**62 + 1)
    small = numbered(data)
    assert (num_users(small), num_items(small)) == (3, 3)
    users, items = small["user"].original_id, small["item"].original_id
    found = {(int(users[u]), int(items[i])) for u, i in train_edges(small).t().tolist()}
    assert found == set(map(tuple, pairs.t().tolist()))
    assert num_users(data) == 4_000_000_001, "the input is left as it is"
    split = split_interactions(data)
    assert split["item"].original_id.tolist() == [3, 5, 2**62]
    assert num_users(k_core(data, 1)) == 3
    assert statistics(data)["items"] == 3
    sparse = make_interactions(PAIRS, 900, 4)
    assert numbered(sparse) is sparse, "small tables keep their numbers"
