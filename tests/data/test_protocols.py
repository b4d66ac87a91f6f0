"""Splits by time, each user's last, and the k-core."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import (
    EDGE,
    check_interactions,
    k_core,
    load,
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
)
from graphcond.errors import InputError

HISTORIES = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=8), min_size=2, max_size=8)


def _timed(histories: list[list[int]]) -> tuple[HeteroData, dict[tuple[int, int], int]]:
    """One item per place in a user's history, and the time of each pair."""
    time = {(user, item): at for user, h in enumerate(histories) for item, at in enumerate(h)}
    pairs = torch.tensor(list(time)).t()
    stamp = torch.tensor(list(time.values()))
    return make_interactions(pairs, len(histories), 8, timestamp=stamp), time


def _times(pairs: Tensor, time: dict[tuple[int, int], int]) -> list[int]:
    return [time[user, item] for user, item in pairs.t().tolist()]


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_a_temporal_split_asks_only_for_what_came_later(histories: list[list[int]]) -> None:
    data, time = _timed(histories)
    times = sorted(time.values())
    # The parts may be empty then, which is refused.
    if len(set(times)) < 4 or times.count(times[-1]) > len(times) / 4:
        return
    out = split_interactions(data, strategy="temporal", ratios=(0.5, 0.25, 0.25))
    train, val, test = (_times(part(out), time) for part in (train_edges, val_edges, test_edges))
    assert sorted(train + val + test) == sorted(time.values()), "a partition"
    assert max(train) < min(val + test)
    if val:
        assert max(val) < min(test)
    first, second = out.card["split"]["time_points"]
    assert max(train) < first <= min(val + test)
    assert second <= min(test)


def test_a_split_by_equal_times_is_refused() -> None:
    data, _ = _timed([[5, 5], [5]])
    with pytest.raises(InputError, match="would be empty.*1970-01-01T00:00:05Z"):
        split_interactions(data, strategy="temporal")


def test_temporal_shares_are_met_where_times_are_distinct() -> None:
    pairs = torch.stack([torch.arange(1000) % 10, torch.arange(1000) // 10])
    data = make_interactions(pairs, 10, 100, timestamp=torch.arange(1000))
    out = split_interactions(data, strategy="temporal")
    assert [part(out).size(1) for part in (train_edges, val_edges, test_edges)] == [800, 100, 100]
    assert out.card["split"]["time_points"] == [800, 900]
    assert out.card["split"]["time_points_utc"][0] == "1970-01-01T00:13:20Z"
    assert out.card["split"]["cold_users"] == {"validation": 0, "test": 0}
    assert out.card["split"]["cold_items"] == {"validation": 10, "test": 10}, "items are new then"
    assert out[EDGE].timestamp.max() == 799, "the time stamps follow the training part"


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(0, 100))
def test_leave_last_out_takes_each_users_last(histories: list[list[int]], seed: int) -> None:
    data, time = _timed(histories)
    with pytest.warns(UserWarning, match="has seen what other users did later"):
        out = split_interactions(data, strategy="leave-last-out", seed=seed)
    for user, history in enumerate(histories):
        train, val, test = (
            _times(part(out)[:, part(out)[0] == user], time)
            for part in (train_edges, val_edges, test_edges)
        )
        assert len(test) == (len(history) >= 2)
        assert len(val) == (len(history) >= 3)
        assert all(max(train) <= later for later in val + test)
        assert all(earlier <= later for earlier in val for later in test)
    assert "temporal" in out.card["split"]["leak"]


def test_equal_times_are_ordered_by_the_seed() -> None:
    pairs = torch.stack([torch.arange(40).repeat_interleave(6), torch.arange(6).repeat(40)])
    data = make_interactions(pairs, 40, 6, timestamp=torch.zeros(240, dtype=torch.long))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, same, other = (
            test_edges(split_interactions(data, strategy="leave-last-out", seed=seed))
            for seed in (1, 1, 2)
        )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one[1].unique()) > 1, "not always the item with the largest number"


def test_a_repeated_pair_keeps_its_first_time_and_its_highest_rating() -> None:
    pairs = torch.tensor([[0, 1, 0], [1, 0, 1]])
    data = make_interactions(
        pairs, 2, 2, rating=torch.tensor([3.0, 1.0, 5.0]), timestamp=torch.tensor([9, 7, 4])
    )
    assert data[EDGE].timestamp.tolist() == [4, 7]
    assert data[EDGE].rating.tolist() == [5.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_the_core_is_the_largest(pairs: list[tuple[int, int]], k: int) -> None:
    data = make_interactions(torch.tensor(pairs).t(), 10, 10)
    left = set(pairs)
    while True:  # the definition, one user or item at a time
        few = [
            pair
            for pair in left
            if sum(other[0] == pair[0] for other in left) < k
            or sum(other[1] == pair[1] for other in left) < k
        ]
        if not few:
            break
        left.remove(few[0])
    if not left:
        with pytest.raises(InputError, match="No interaction is left"):
            k_core(data, k)
        return
    out = k_core(data, k)
    users, items = out["user"].original_id, out["item"].original_id
    back = {(int(users[u]), int(items[i])) for u, i in train_edges(out).t().tolist()}
    assert back == left
    assert (num_users(out), num_items(out)) == (
        len({u for u, _ in left}),
        len({i for _, i in left}),
    )
    assert out.card["k_core"]["interactions_dropped"] == len(set(pairs)) - len(left)


def test_the_core_keeps_names_and_values() -> None:
    data = load("southern-women")
    data[EDGE].timestamp = torch.arange(89)
    out = k_core(data, 3)
    assert set(out["user"].original_id) < set(data["user"].original_id)
    split = split_interactions(out, strategy="temporal")
    check_interactions(split)
    assert split.card["k_core"]["k"] == 3
    assert split.card["split"]["strategy"] == "temporal"
    with pytest.raises(InputError, match="Take the k-core first"):
        k_core(split, 2)
    with pytest.raises(InputError, match="at least 1"):
        k_core(data, 0)


@pytest.mark.dataset
def test_ciao_has_its_time_stamps(data_root: Path) -> None:
    data = load("ciao", root=data_root)
    out = split_interactions(data, strategy="temporal")
    assert out.card["split"]["time_points_utc"][0].startswith("200")
    shares = [part(out).size(1) / 257_406 for part in (train_edges, val_edges, test_edges)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
    assert out.card["split"]["cold_items"]["test"] > 0
