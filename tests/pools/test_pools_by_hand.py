"""Who gets how many pseudo interactions, and where a tail ends, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
import torch

from graphcond import nn, pools
from graphcond.data import make_interactions, val_edges
from graphcond.pools import proxy as proxy_module
from graphcond.pools.proxy import apportion, best_overall, best_per_user, fit_proxies
from graphcond.seeding import derive
from graphcond.training import BPR, Fitted, Recommender


def uneven():
    """Users with 9, 4, 1 and 0 of 30 items."""
    pairs = [(user, item) for user, count in enumerate((9, 4, 1, 0)) for item in range(count)]
    return make_interactions(torch.tensor(pairs).T, 4, 30)


@pytest.mark.parametrize(
    ("quota", "counts"),
    [("degree", [18, 8, 2, 0]), ("sqrt", [14, 9, 5, 0]), ("uniform", [9, 9, 10, 0])],
)
def test_every_quota_shares_in_its_own_proportion(quota, counts):
    draw = torch.Generator().manual_seed(0)
    proxy = Recommender(
        torch.randn(4, 3, generator=draw), torch.randn(30, 3, generator=draw), Fitted()
    )
    builder = pools.ProxyTopK(partial(nn.MF, dim=3), ratio=2.0, quota=quota)
    pairs = builder.select((proxy,), uneven())
    assert sorted(torch.bincount(pairs[0], minlength=4).tolist()) == sorted(counts)
    if quota != "uniform":
        assert torch.bincount(pairs[0], minlength=4).tolist() == counts
    scores = proxy.users @ proxy.items.T
    for user in range(3):
        own = scores[user, pairs[1, pairs[0] == user]]
        assert torch.equal(own, own.sort(descending=True).values)


def test_who_met_nearly_every_item_leaves_the_rest_of_its_share_to_others():
    pairs = torch.tensor([[0] * 9 + [1], [*range(9), 0]])
    proxy = Recommender(torch.ones(2, 1), torch.arange(10.0)[:, None], Fitted())
    made = pools.ProxyTopK(partial(nn.MF, dim=1), ratio=1.0)
    found = made.select((proxy,), make_interactions(pairs, 2, 10))
    assert found.tolist() == [[0] + [1] * 9, [9, *range(9, 0, -1)]]


@dataclass(frozen=True)
class Given(pools.PoolBuilder):
    """A pool that is there already."""

    pool: pools.DataPool

    def __call__(self, data, *, seed):
        """Return it."""
        return self.pool


def test_a_union_takes_pairs_origins_and_proxies_in_the_order_of_its_parts():
    proxies = [Recommender(torch.ones(4, 1), torch.ones(30, 1), Fitted()) for _ in range(2)]
    first, second = (
        Given(pools.make_pool(torch.tensor(pairs), torch.tensor(origin), (proxy,)))
        for pairs, origin, proxy in (
            ([[0, 1], [5, 2]], [1, 0], proxies[0]),
            ([[1, 2, 2], [2, 0, 7]], [1, 0, 1], proxies[1]),
        )
    )
    union = pools.Union(first, second)
    pool = union(uneven(), seed=0)
    assert pool.edges.tolist() == [[0, 1, 2, 2], [5, 2, 0, 7]]
    assert pool.origin.tolist() == [1, 0, 0, 1]
    assert all(found is made for found, made in zip(pool.proxies, proxies, strict=True))
    assert union == pools.Union(first, second)
    assert hash(union) == hash(pools.Union(first, second))
    assert union != pools.Union(second, first)


@pytest.mark.parametrize(
    ("share", "total", "room", "counts"),
    [
        ([6, 3, 1], 10, [9, 9, 9], [6, 3, 1]),
        ([6, 3, 1], 10, [4, 9, 9], [4, 3, 3]),  # what has no room goes where room is
        ([6, 3, 1], 3, [9, 9, 9], [1, 1, 1]),  # one each while it lasts
        ([6, 3, 1], 2, [9, 9, 9], [1, 1, 0]),
        ([6, 0, 1], 4, [9, 9, 9], [3, 0, 1]),
        ([1, 1], 9, [2, 3], [2, 3]),
        ([6, 3, 1], 10, [1, 9, 9], [1, 5, 4]),  # after their shares, by the room that is left
    ],
)
def test_shares_are_apportioned(share, total, room, counts):
    found = apportion(torch.tensor(share).double(), total, torch.tensor(room))
    assert found.tolist() == counts


def test_the_best_are_the_same_in_blocks_of_any_size():
    draw = torch.Generator().manual_seed(0)
    tables = torch.randn(9, 3, generator=draw), torch.randn(7, 3, generator=draw)
    seen = torch.stack([torch.arange(9).repeat(2), torch.arange(18) % 7])[:, :16]
    scores = tables[0] @ tables[1].T
    scores[tuple(seen)] = -torch.inf
    count = torch.tensor([3, 0, 1, 5, 2, 2, 6, 0, 1])
    wanted = [
        (user, item)
        for user, most in enumerate(count.tolist())
        for item in scores[user].topk(most).indices.tolist()
        if scores[user, item] > -torch.inf
    ]
    known = torch.bincount(seen[0], minlength=9) > 0
    scores[~known] = -torch.inf
    best = scores.flatten().topk(11).indices
    for block in (1, 2, 4, 9, 20):
        found = best_per_user(tables, seen, count, block)
        assert list(zip(*found.tolist())) == wanted
        pairs = best_overall(tables, seen, 11, block)
        assert set((pairs[0] * 7 + pairs[1]).tolist()) == set(best.tolist())
        assert best_overall(tables, seen, 0, block).shape == (2, 0)


def test_proxies_look_at_validation_and_have_seeds_of_their_own(monkeypatch):
    seen = []

    def fitted(factory, data, val, *, recipe, seed):
        seen.append((factory, data, val, recipe, seed))
        return Recommender(torch.ones(4, 1), torch.ones(30, 1), Fitted())

    monkeypatch.setattr(proxy_module, "fit_recommender", fitted)
    data, recipe = uneven(), BPR(rounds=3)
    data["user", "interacts", "item"].val_edge_index = torch.tensor([[3], [4]])
    made = fit_proxies(nn.MF, data, 2, recipe=recipe, seed=5)
    assert len(made) == 2
    assert [each[4] for each in seen] == [derive(5, "proxy", n) for n in range(2)]
    for factory, given, val, own, _ in seen:
        assert (factory, own) == (nn.MF, recipe)
        assert given is data
        assert torch.equal(val, val_edges(data))
    seen.clear()
    builder = pools.ProxyTopK(nn.MF, ratio=0.5, ensemble=2, recipe=recipe)
    pool = pools.Union(builder, pools.Observed())(data, seed=9)
    assert [each[3:] for each in seen] == [(recipe, derive(9, "proxy", n)) for n in range(2)]
    assert len(pool.proxies) == 2
    assert pool.num_pseudo == 7
    assert len(pool) == 7 + 14


@pytest.mark.parametrize(("limit", "kept", "used"), [(0, 0, 1), (1, 1, 2), (2, 1, 2), (3, 3, 3)])
def test_a_tail_is_the_largest_that_fits_its_limit(limit, kept, used):
    edges = torch.tensor([[0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 3, 3]])
    pool = pools.make_pool(edges, torch.tensor([0, 0, 1, 0, 1, 0]))
    found, threshold = pools.keep_tail(pool, 4, threshold=3, of="pool", limit=limit)
    assert (int(found.kept.sum()), threshold) == (kept, used)


def test_a_user_with_none_but_proposed_interactions_has_no_tail_of_its_own():
    pool = pools.make_pool(torch.tensor([[0, 2], [0, 1]]), torch.tensor([0, 1]))
    found, _ = pools.keep_tail(pool, 3, threshold=2, of="training")
    assert found.kept.tolist() == [True, False]


def test_a_pair_named_twice_has_its_first_origin_wherever_it_stands():
    edges = torch.tensor([[2, 0, 2, 0, 1], [1, 3, 1, 3, 0]])
    pool = pools.make_pool(edges, torch.tensor([1, 0, 0, 1, 1]))
    assert pool.edges.tolist() == [[0, 1, 2], [3, 0, 1]]
    assert pool.origin.tolist() == [0, 1, 1]


@pytest.mark.parametrize("seed", range(20))
def test_with_room_for_all_the_largest_remainders_decide(seed):
    """Shares that are worth one at least: whole parts first, then the rest by what is left."""
    draw = torch.Generator().manual_seed(seed)
    share = torch.rand(7, generator=draw).double() + 0.5
    ideal = share / share.sum() * 23
    wanted = ideal.floor().long()
    left = (ideal - wanted).argsort(descending=True)[: 23 - int(wanted.sum())]
    wanted[left] += 1
    assert apportion(share, 23, torch.full((7,), 99)).tolist() == wanted.tolist()


def test_a_pool_counts_what_nobody_observed_whether_it_is_always_kept_or_not():
    edges, origin = (
        torch.stack([torch.zeros(4).long(), torch.arange(4)]),
        torch.tensor([0, 1, 1, 0]),
    )
    for kept in ([False] * 4, [True, True, False, False]):
        assert pools.DataPool(edges, origin, torch.tensor(kept)).num_pseudo == 2
