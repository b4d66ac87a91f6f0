"""Where exactly splits cut, worked out with numpy or by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphcond.data import (
    EDGE,
    make_interactions,
    split_interactions,
    split_nodes,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.data import test_edges as held_out
from graphcond.data.protocols import cold, per_user, temporal
from graphcond.errors import InputError
from graphcond.seeding import generator


@pytest.mark.parametrize("held", [(0.1, 0.1), (0.3, 0.2), (0.0, 0.4), (0.6, 0.4)])
def test_every_users_share_is_rounded_by_one_draw(held):
    draw = np.random.default_rng(0)
    user = torch.from_numpy(draw.integers(0, 25, 150))
    part = per_user(user, 27, held, seed=4)
    key = torch.rand(150, generator=generator(4, "split", "order"), dtype=torch.float64).numpy()
    dither = torch.rand(27, generator=generator(4, "split", "rounding"), dtype=torch.float64)
    for who in range(27):
        own = np.flatnonzero(user.numpy() == who)
        count, up = len(own), float(dither[who])
        most = max(count - 1, 0)
        both = min(int(np.floor(count * (held[0] + held[1]) + up)), most)
        last = min(int(np.floor(count * held[1] + up)), both)
        wanted = np.full(count, 0)
        order = np.argsort(key[own])
        wanted[order[:both]] = 1
        wanted[order[:last]] = 2
        assert part[own].tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("times", "ratios", "parts", "points"),
    [
        # Places 5 and 8 of ten.
        (range(10), (0.5, 0.3, 0.2), [0] * 5 + [1] * 3 + [2] * 2, [5, 8]),
        # Three of one second: the earlier end is nearer to place 5 than the later.
        ([0, 1, 2, 3, 4, 4, 4, 7, 8, 9], (0.5, 0.3, 0.2), [0] * 4 + [1] * 4 + [2] * 2, [4, 8]),
        # Now the later one is.
        ([0, 1, 2, 3, 3, 3, 6, 7, 8, 9], (0.5, 0.3, 0.2), [0] * 6 + [1] * 2 + [2] * 2, [6, 8]),
        # Both as near: the earlier.
        ([0, 1, 2, 3, 4, 4, 6, 7, 8, 9], (0.5, 0.3, 0.2), [0] * 4 + [1] * 4 + [2] * 2, [4, 8]),
        # Training cannot be empty: the first second is trained on, whatever its share.
        ([5, 5, 5, 5, 6, 7, 8, 9, 9, 9], (0.1, 0.5, 0.4), [0] * 4 + [1] * 2 + [2] * 4, [6, 8]),
        # Nothing is tested where nothing was asked to be.
        ([1, 2, 3, 4, 5], (0.6, 0.4, 0.0), [0] * 3 + [1] * 2, [4, 6]),
    ],
)
def test_time_is_cut_between_seconds_as_near_as_can_be(times, ratios, parts, points):
    time = torch.tensor(list(times))
    for order in (torch.arange(len(time)), torch.arange(len(time)).flip(0)):
        part, found = temporal(time[order], ratios)
        assert part.tolist() == torch.tensor(parts)[order].tolist()
        assert found == points


def test_a_temporal_split_without_a_test_part_is_refused():
    with pytest.raises(InputError, match="the test part .*would be empty|test part"):
        temporal(torch.tensor([1, 2, 3, 3, 3, 3, 3, 3, 3, 3]), (0.2, 0.6, 0.2))


def test_who_and_what_is_new_in_a_held_out_part_is_counted():
    pairs = torch.tensor([[0, 0, 1, 2, 2, 3], [0, 1, 2, 0, 3, 4]])
    data = make_interactions(pairs, 4, 6)
    part = torch.tensor([0, 1, 1, 2, 2, 2])
    assert cold(data, part) == {
        "cold_users": {"validation": 1, "test": 2},
        "cold_items": {"validation": 2, "test": 2},
    }


def test_a_published_split_is_left_as_it_is_where_no_validation_is_asked_for():
    pairs = torch.stack([torch.arange(20) % 4, torch.arange(20) // 4])
    split = (torch.arange(20) % 5 == 0).long() * 2
    data = make_interactions(pairs, 4, 5, split=split)
    out = split_interactions(data, ratios=(0.8, 0.0, 0.2), strategy="published")
    assert val_edges(out).size(1) == 0
    assert held_out(out).size(1) == 4
    own = split_interactions(data, ratios=(0.6, 0.2, 0.2), strategy="published")
    kept = torch.tensor([0, 1]).repeat(1, 8)
    assert kept.size(1) == val_edges(own).size(1) + train_edges(own).size(1)
    known = (data[EDGE].split == 0).nonzero()[:, 0]
    part = per_user(data[EDGE].edge_index[0][known], 4, (0.25, 0.0), 0)
    wanted = data[EDGE].edge_index[:, known[part == 1]]
    assert torch.equal(val_edges(own), wanted)
    assert own.card["split"]["strategy"] == "published"


def graph():
    """60, 30 and 10 nodes of three classes, ten without one."""
    y = torch.tensor([0] * 60 + [1] * 30 + [2] * 10 + [-1] * 10)
    y = y[torch.randperm(110, generator=torch.Generator().manual_seed(0))]
    return Data(x=torch.ones(110, 1), edge_index=torch.empty(2, 0, dtype=torch.long), y=y)


@pytest.mark.parametrize(
    ("train", "val", "test", "counts"),
    [
        (4, 20, None, ([4, 4, 4], 20, 68)),
        (0.1, 0.25, 0.5, ([6, 3, 1], 25, 50)),
        (0.02, 7, 0.1, ([1, 1, 1], 7, 10)),
        (0.26, 0.104, 3, ([16, 8, 3], 10, 3)),
        (30, 0.05, 2, ([30, 30, 10], 5, 2)),
    ],
)
def test_counts_are_per_class_and_shares_of_what_is_labelled(train, val, test, counts):
    data = graph()
    out = split_nodes(data, seed=3, train=train, val=val, test=test)
    assert torch.bincount(data.y[out.train_mask]).tolist() == counts[0]
    assert (int(out.val_mask.sum()), int(out.test_mask.sum())) == counts[1:]
    assert int((out.train_mask.int() + out.val_mask.int() + out.test_mask.int()).max()) == 1
    for mask in (out.train_mask, out.val_mask, out.test_mask):
        assert (data.y[mask] >= 0).all()
    record = {"source": "random", "seed": 3, "train": train, "val": val, "test": test}
    assert out.card["split"] == record
    assert "train_mask" not in data


def test_nodes_are_drawn_and_not_taken_in_order():
    data = graph()
    first, second = (split_nodes(data, seed=seed, train=4, val=20) for seed in (0, 1))
    for part in ("train_mask", "val_mask", "test_mask"):
        assert not torch.equal(first[part], second[part])
    held = first.val_mask.nonzero()[:, 0]
    assert held.max() > 80 > 30 > held.min()


def test_what_goes_with_test_interactions_goes_with_them():
    pairs = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    data = make_interactions(pairs, 2, 2, split=torch.tensor([0, 2, 1, 0]))
    data[EDGE].edge_weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    out = without_test(data)
    assert out[EDGE].edge_index.tolist() == [[0, 1, 1], [0, 0, 1]]
    assert out[EDGE].edge_weight.tolist() == [1, 3, 4]
    assert data[EDGE].edge_weight.numel() == 4
    plain = make_interactions(pairs, 2, 2)
    plain[EDGE].test_edge_index = pairs[:, :1]
    plain[EDGE].test_edge_weight = torch.ones(1)
    left = without_test(plain)
    assert not {"test_edge_index", "test_edge_weight"} & set(left[EDGE].keys())
    assert "test_edge_weight" in plain[EDGE]
