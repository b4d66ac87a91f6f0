from functools import partial

import pytest
import torch

from graphcond import nn, pools
from graphcond.data import (
    EDGE,
    load,
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    train_edges,
    without_test,
)
from graphcond.errors import InputError
from graphcond.pools.proxy import apportion, best_overall, best_per_user
from graphcond.training import BPR

FAST = BPR(rounds=2)


@pytest.fixture(scope="module")
def data():
    draw = torch.Generator().manual_seed(0)
    edges = torch.stack(
        [torch.randint(0, 40, (600,), generator=draw), torch.randint(0, 60, (600,), generator=draw)]
    )
    return split_interactions(make_interactions(edges, 40, 60), seed=0)


def keys(edges, width=10_000):
    return set((edges[0] * width + edges[1]).tolist())


def test_observed_is_the_training_split(data):
    pool = pools.Observed()(data, seed=0)
    assert torch.equal(pool.edges, train_edges(data))
    assert len(pool) == train_edges(data).size(1)
    assert pool.num_pseudo == 0
    assert not pool.kept.any()


@pytest.mark.parametrize("quota", ["degree", "sqrt", "uniform", "global"])
@pytest.mark.parametrize("ensemble", [1, 2])
def test_proxy_top_k(data, quota, ensemble):
    builder = pools.ProxyTopK(
        partial(nn.MF, dim=8), ratio=0.5, quota=quota, ensemble=ensemble, recipe=FAST, block=7
    )
    pool = builder(without_test(data), seed=3)
    observed = train_edges(data)
    assert len(pool) == round(0.5 * observed.size(1)) == pool.num_pseudo
    assert not keys(pool.edges) & keys(observed)
    assert len(keys(pool.edges)) == len(pool)
    assert len(pool.proxies) == ensemble
    again = builder(without_test(data), seed=3)
    assert torch.equal(pool.edges, again.edges)
    scores = sum(proxy.users @ proxy.items.T for proxy in pool.proxies)
    scores[observed[0], observed[1]] = -torch.inf
    scores[torch.bincount(observed[0], minlength=40) == 0] = -torch.inf
    if quota == "global":
        reference = scores.flatten().topk(len(pool)).indices
        expected = torch.stack([reference // 60, reference % 60])
    else:
        count = torch.bincount(pool.edges[0], minlength=40)
        expected = torch.cat(
            [
                torch.stack([torch.full((n,), u), scores[u].topk(n).indices])
                for u, n in enumerate(count.tolist())
            ],
            dim=1,
        )
    assert keys(pool.edges) == keys(expected)


def test_lightgcn_as_proxy(data):
    pool = pools.ProxyTopK(partial(nn.LightGCN, dim=8, num_layers=2), ratio=0.1, recipe=FAST)(
        without_test(data), seed=0
    )
    assert len(pool) == round(0.1 * train_edges(data).size(1))


def test_union_keeps_the_first_origin_and_one_order(data):
    proxy = pools.ProxyTopK(partial(nn.MF, dim=8), ratio=0.3, recipe=FAST)
    pool = pools.Union(pools.Observed(), proxy, pools.Observed())(without_test(data), seed=0)
    key = pool.edges[0] * 60 + pool.edges[1]
    assert bool((key[1:] > key[:-1]).all())
    assert keys(pool.edges[:, pool.origin == pools.OBSERVED]) == keys(train_edges(data))
    assert pool.num_pseudo == round(0.3 * train_edges(data).size(1))
    shuffled = data.clone()
    shuffled[EDGE].edge_index = train_edges(data).flip(1)
    assert torch.equal(
        pools.Observed()(shuffled, seed=0).edges, pools.Observed()(data, seed=0).edges
    )
    assert pools.Union(pools.Observed(), proxy) == pools.Union(pools.Observed(), proxy)
    assert "ProxyTopK" in repr(pools.Union(pools.Observed(), proxy))


def test_the_held_out_splits_are_not_candidates_by_right(data):
    pool = pools.Observed()(data, seed=0)
    held = torch.cat([data[EDGE].val_edge_index, data[EDGE].test_edge_index], dim=1)
    assert not keys(pool.edges) & keys(held)


def test_apportion_sums_and_respects_room():
    draw = torch.Generator().manual_seed(0)
    for total in (0, 1, 17, 100, 399, 5000):
        share = torch.rand(30, generator=draw, dtype=torch.float64) * (torch.arange(30) % 5 > 0)
        room = torch.randint(0, 40, (30,), generator=draw)
        count = apportion(share, total, room)
        assert int(count.sum()) == min(total, int(room[share > 0].sum()))
        assert bool((count <= room).all())
        assert bool((count >= 0).all())
        assert int(count[share == 0].sum()) == 0
    even = apportion(torch.ones(4).double(), 10, torch.full((4,), 9))
    assert sorted(even.tolist()) == [2, 2, 3, 3]
    assert apportion(
        torch.tensor([100.0, 0.001]).double(), 10, torch.tensor([99, 99])
    ).tolist() == [9, 1]


def test_blocked_selection_runs_out_of_items_gracefully():
    tables = torch.randn(5, 3), torch.randn(4, 3)
    seen = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    pairs = best_per_user(tables, seen, torch.full((5,), 4), block=2)
    assert torch.bincount(pairs[0], minlength=5).tolist() == [2, 3, 3, 4, 4]
    assert not keys(pairs) & keys(seen)
    assert torch.equal(best_per_user(tables, seen, torch.full((5,), 9), block=2), pairs)
    assert best_overall(tables, seen, 100, block=2).size(1) == 8
    assert best_per_user(tables, seen, torch.zeros(5, dtype=torch.int64), block=2).shape == (2, 0)


def test_tail_from_the_pool_or_the_training_set():
    edges = torch.tensor([[0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 3, 3]])
    pool = pools.make_pool(edges, torch.tensor([0, 0, 1, 0, 1, 0]))
    kept, used = pools.keep_tail(pool, 4, threshold=3, of="pool")
    assert (kept.kept.tolist(), used) == ([False, False, False, True, True, True], 3)
    kept, _ = pools.keep_tail(pool, 4, threshold=2, of="training")
    assert kept.kept.tolist() == [False, False, False, True, False, True]
    kept, used = pools.keep_tail(pool, 4, threshold=3, of="pool", limit=2)
    assert (int(kept.kept.sum()), used) == (1, 2)
    kept, _ = pools.keep_tail(pool, 4, threshold=0, of="pool")
    assert not kept.kept.any()


def test_bad_arguments(data):
    mf = partial(nn.MF, dim=8)
    for wrong in ({"ratio": 0.0}, {"quota": "some"}, {"ensemble": 0}, {"block": 0}):
        with pytest.raises(InputError, match="must be"):
            pools.ProxyTopK(mf, **wrong)
    with pytest.raises(InputError, match="at least one pool"):
        pools.Union()
    with pytest.raises(InputError, match="`threshold` must be at least 0"):
        pools.keep_tail(pools.Observed()(data, seed=0), 40, threshold=-1, of="pool")
    with pytest.raises(InputError, match="must be"):
        pools.keep_tail(pools.Observed()(data, seed=0), 40, threshold=1, of="test")
    for wrong in ({"threshold": -1}, {"of": "test"}, {"budget": "free"}):
        with pytest.raises(InputError, match="must be"):
            pools.Tail(**wrong)
    for origin, kept in ((2, 3), (3, 2)):
        with pytest.raises(InputError, match="edges"):
            pools.DataPool(torch.zeros(2, 3), torch.zeros(origin), torch.zeros(kept))


def test_real_graph():
    data = split_interactions(load("southern-women"), seed=0)
    pool = pools.Union(
        pools.Observed(), pools.ProxyTopK(partial(nn.MF, dim=4), ratio=0.2, recipe=FAST)
    )(without_test(data), seed=0)
    assert int(pool.edges[0].max()) < num_users(data)
    assert int(pool.edges[1].max()) < num_items(data)
