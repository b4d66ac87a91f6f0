"""Splits of nodes and interactions, and taking the test part away."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from graphcond.data import (
    EDGE,
    check_interactions,
    check_nodes,
    load,
    make_interactions,
    num_items,
    num_users,
    planted_interactions,
    split_interactions,
    split_nodes,
    test_edges,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.errors import InputError


def _keys(pairs: torch.Tensor, data: Any) -> torch.Tensor:
    return (pairs[0] * num_items(data) + pairs[1]).sort().values


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_a_random_split_is_a_partition_per_user(seed: int, degrees: list[int]) -> None:
    pairs = torch.tensor(
        [(user, item) for user, degree in enumerate(degrees) for item in range(degree)]
    ).t()
    data = make_interactions(pairs, len(degrees) + 1, 12)
    out = split_interactions(data, seed=seed)
    parts = [train_edges(out), val_edges(out), test_edges(out)]
    assert torch.equal(_keys(torch.cat(parts, 1), data), _keys(pairs, data))
    held = torch.bincount(torch.cat(parts[1:], 1)[0], minlength=len(degrees))
    for user, degree in enumerate(degrees):
        assert int(held[user]) <= degree - 1, "every user keeps a training interaction"
        assert abs(int(held[user]) - 0.2 * degree) <= 1.0


def test_the_shares_are_right_on_average_for_small_users_too() -> None:
    pairs = torch.stack([torch.arange(3000).repeat_interleave(4), torch.arange(4).repeat(3000)])
    out = split_interactions(make_interactions(pairs, 3000, 4), seed=0)
    # 3,000 users with 0.4 expected each; five standard deviations of a Bernoulli sum is 0.0112 of
    # all interactions.
    assert abs(val_edges(out).size(1) / 12_000 - 0.1) < 0.0112
    assert abs(test_edges(out).size(1) / 12_000 - 0.1) < 0.0112


def test_a_user_with_one_interaction_keeps_it_for_training() -> None:
    data = make_interactions(
        torch.stack([torch.arange(50), torch.zeros(50, dtype=torch.long)]), 50, 1
    )
    out = split_interactions(data, ratios=(0.2, 0.4, 0.4))
    assert train_edges(out).size(1) == 50


def test_equal_seeds_give_equal_splits_and_the_global_generator_is_left_alone() -> None:
    data = planted_interactions(60, 50, 600)
    before = copy.deepcopy(data)
    state = torch.random.get_rng_state()
    first, second, other = (split_interactions(data, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(test_edges(first), test_edges(second))
    assert not torch.equal(_keys(test_edges(first), data), _keys(test_edges(other), data))
    assert torch.equal(before[EDGE].edge_index, data[EDGE].edge_index)
    assert "val_edge_index" not in data[EDGE], "the input is left as it is"
    record = first.card["split"]
    assert (record["strategy"], record["seed"], record["ratios"]) == (
        "per-user",
        1,
        [0.8, 0.1, 0.1],
    )
    assert record["cold_users"] == {"validation": 0, "test": 0}, "everybody trains"
    check_interactions(first)


def test_per_edge_values_follow_the_training_part() -> None:
    data = planted_interactions(60, 50, 600, useless=0.3)
    truth = dict(zip(map(tuple, data[EDGE].edge_index.t().tolist()), data[EDGE].useless.tolist()))
    out = split_interactions(data)
    assert [truth[tuple(pair)] for pair in train_edges(out).t().tolist()] == out[
        EDGE
    ].useless.tolist()


def test_the_published_split_is_taken_and_missing_validation_is_drawn_from_train() -> None:
    pairs = torch.stack([torch.arange(40).repeat_interleave(10), torch.arange(10).repeat(40)])
    given_split = torch.arange(10).repeat(40) // 4
    out = split_interactions(
        make_interactions(pairs, 40, 10, split=given_split), strategy="published"
    )
    assert [part.size(1) for part in (train_edges(out), val_edges(out), test_edges(out))] == [
        160,
        160,
        80,
    ]
    drawn = split_interactions(
        make_interactions(pairs, 40, 10, split=given_split // 2 * 2), strategy="published"
    )
    assert test_edges(drawn).size(1) == 80
    assert 0 < val_edges(drawn).size(1) < 80
    assert "split" not in drawn[EDGE]


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"ratios": (0.8, 0.1, 0.2)}, "sum to 1"),
        ({"ratios": (1.2, -0.1, -0.1)}, "at least 0"),
        ({"ratios": (0.0, 0.5, 0.5)}, "training part"),
        ({"strategy": "random"}, "`strategy` must be one of"),
        ({"strategy": "published"}, "gives no split"),
        ({"strategy": "temporal"}, "needs time stamps"),
        ({"strategy": "leave-last-out"}, "needs time stamps"),
        ({"strategy": "leave-last-out", "ratios": (0.6, 0.2, 0.2)}, "mean nothing"),
        ({"ratios": ("a", "b", "c")}, "must be numbers"),
    ],
)
def test_bad_splits_are_named(change: dict[str, Any], law: str) -> None:
    with pytest.raises(InputError, match=law):
        split_interactions(load("southern-women"), **change)


def test_data_are_split_once() -> None:
    with pytest.raises(InputError, match="split already"):
        split_interactions(split_interactions(load("southern-women")))


def _graph(count: int = 200) -> Data:
    y = torch.arange(count) % 5
    y[:20] = -1
    return Data(x=torch.ones(count, 1), edge_index=torch.empty(2, 0, dtype=torch.long), y=y)


def test_nodes_are_split_by_class_counts() -> None:
    out = split_nodes(_graph(), seed=3, train=4, val=30)
    assert torch.bincount(out.y[out.train_mask]).tolist() == [4] * 5
    assert int(out.val_mask.sum()) == 30
    assert int(out.test_mask.sum()) == 180 - 20 - 30
    assert not bool((out.train_mask | out.val_mask | out.test_mask)[:20].any()), (
        "unlabelled nodes are in no part"
    )
    assert int((out.train_mask.int() + out.val_mask.int() + out.test_mask.int()).max()) == 1
    assert torch.equal(out.train_mask, split_nodes(_graph(), seed=3, train=4, val=30).train_mask)
    assert not torch.equal(
        out.train_mask, split_nodes(_graph(), seed=4, train=4, val=30).train_mask
    )


def test_nodes_are_split_by_shares() -> None:
    out = split_nodes(_graph(), train=0.5, val=0.25, test=0.1)
    assert [int(out[f"{part}_mask"].sum()) for part in ("train", "val", "test")] == [90, 45, 18]
    check_nodes(out)


@pytest.mark.parametrize(
    "change", [{"train": 36}, {"val": 0}, {"val": 500}, {"test": 0}, {"train": 0}]
)
def test_empty_or_too_large_parts_are_named(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="every part"):
        split_nodes(_graph(), **{"train": 4, "val": 30, **change})  # type: ignore[arg-type]


def test_what_is_left_of_training_is_all_that_can_be_held_out() -> None:
    data = Data(x=torch.ones(30, 1), y=torch.arange(30) % 3)
    out = split_nodes(data, train=5, val=10, test=5)
    assert int((out.train_mask | out.val_mask | out.test_mask).sum()) == 30
    with pytest.raises(InputError, match="no more than there are"):
        split_nodes(data, train=5, val=10, test=6)
    out = split_nodes(data, train=2, val=0.26, test=0.26)  # 7.8 of 30 nodes
    assert (int(out.val_mask.sum()), int(out.test_mask.sum())) == (8, 8)


@pytest.mark.parametrize("part", [math.inf, -1, "all"])
def test_parts_are_finite_numbers(part: Any) -> None:
    for name in ("train", "val", "test"):
        with pytest.raises(InputError, match="Whole ones are counts"):
            split_nodes(_graph(), **{"train": 4, "val": 30, name: part})
    for name in ("train", "val"):
        with pytest.raises(InputError, match="Whole ones are counts"):
            split_nodes(_graph(), **{"train": 4, "val": 30, name: None})


def test_labels_are_needed_for_a_split() -> None:
    with pytest.raises(InputError, match="`y`"):
        split_nodes(Data(x=torch.ones(3, 1)))
    for y, law in (
        (torch.full((200,), -1), "labelled nodes"),
        (torch.zeros(200), "of an integer type"),
    ):
        data = _graph()
        data.y = y
        with pytest.raises(InputError, match=law):
            split_nodes(data)
    with pytest.raises(InputError, match="numbers as `train`"):
        split_nodes(_graph(), train="5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Node data"):
        split_nodes(load("southern-women"))
    with pytest.raises(InputError, match="Interactions are a PyG"):
        split_interactions(_graph())


def test_without_test_hides_labels_and_mask() -> None:
    data = load("karate")
    before = data.y.clone()
    out = without_test(data)
    assert "test_mask" not in out
    assert bool((out.y[data.test_mask] == -1).all())
    assert torch.equal(out.y[~data.test_mask], before[~data.test_mask])
    assert torch.equal(data.y, before)
    assert "test_mask" in data
    assert out.x is data.x


def test_without_test_hides_interactions() -> None:
    data = split_interactions(planted_interactions(60, 50, 600))
    out = without_test(data)
    assert test_edges(out).size(1) == 0
    assert test_edges(data).size(1) > 0
    assert out[EDGE].edge_index is data[EDGE].edge_index
    published = make_interactions(
        torch.tensor([[0, 0, 1], [0, 1, 1]]), 2, 2, split=torch.tensor([0, 2, 1])
    )
    assert without_test(published)[EDGE].edge_index.tolist() == [[0, 1], [0, 1]]
    assert num_users(without_test(published)) == 2


def test_unequal_shares_go_to_the_parts_they_name() -> None:
    pairs = torch.stack([torch.arange(300).repeat_interleave(10), torch.arange(10).repeat(300)])
    data = make_interactions(pairs, 300, 10)
    out = split_interactions(data, ratios=(0.5, 0.1, 0.4))
    assert val_edges(out).size(1) / 3000 == pytest.approx(0.1, abs=0.02)
    assert test_edges(out).size(1) / 3000 == pytest.approx(0.4, abs=0.02)
    published = make_interactions(
        pairs, 300, 10, split=(torch.arange(10) == 9).long().repeat(300) * 2
    )
    drawn = split_interactions(published, ratios=(0.4, 0.4, 0.2), strategy="published")
    assert val_edges(drawn).size(1) / 2700 == pytest.approx(0.5, abs=0.03)
    assert test_edges(drawn).size(1) == 300
    other = split_interactions(published, 1, (0.4, 0.4, 0.2), "published")
    assert not torch.equal(_keys(val_edges(drawn), data), _keys(val_edges(other), data))


def test_every_seeded_strategy_draws_other_parts_for_another_seed() -> None:
    pairs = torch.stack([torch.arange(60).repeat_interleave(6), torch.arange(6).repeat(60)])
    data = make_interactions(pairs, 60, 6, timestamp=torch.zeros(360, dtype=torch.long))
    found = []
    for seed in (0, 0, 1):
        with pytest.warns(UserWarning, match="leak"):
            found.append(split_interactions(data, seed, strategy="leave-last-out"))
    assert torch.equal(test_edges(found[0]), test_edges(found[1]))
    assert not torch.equal(test_edges(found[0]), test_edges(found[2]))
