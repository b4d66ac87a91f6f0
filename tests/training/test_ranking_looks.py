"""What early stopping looks at: NDCG@10 of users with held-out interactions, by plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from graphcond.training import RankingLooks

SIZE = (12, 15)


def some_pairs(seed, share):
    met = torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) < share
    return met.nonzero().T


def ndcg_at_10(scores, held, out):
    order = [item for item in scores.argsort(descending=True).tolist() if item not in out]
    gain = sum(1 / math.log2(place + 2) for place, i in enumerate(order[:10]) if i in held)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(10, len(held))))


@pytest.mark.parametrize("most", [100, 4])
def test_a_look_is_the_mean_ndcg_of_users_with_held_interactions(most):
    draw = torch.Generator().manual_seed(0)
    users, items = torch.randn(12, 3, generator=draw), torch.randn(15, 3, generator=draw)
    held, out = some_pairs(1, 0.15), some_pairs(2, 0.3)
    held, out = held[:, held[0] % 5 != 0], out[:, out[0] != 4]
    looks = RankingLooks(held, out, SIZE, most)
    asked = looks.users.tolist()
    assert len(set(asked)) == len(asked) == min(most, len(held[0].unique()))
    assert set(asked) <= set(held[0].tolist())
    each = [
        ndcg_at_10(items @ users[u], held[1, held[0] == u].tolist(), out[1, out[0] == u].tolist())
        for u in asked
    ]
    assert looks(users, items) == pytest.approx(sum(each) / len(each), rel=1e-5)
    items[3, 1] = torch.nan
    assert math.isnan(looks(users, items))


def test_the_users_looked_at_are_a_random_sample_that_stays():
    held = torch.arange(40).repeat(2, 1)
    first, again = (RankingLooks(held, held[:, :0], (40, 40), 8).users.tolist() for _ in range(2))
    assert first == again == sorted(first)
    assert max(first) > 15
