"""The planted set of the size benchmark is what its page says it is."""

import torch

from benchmarks.recommender.size import GROUP, planted
from graphcond.data import num_items, num_users, train_edges


def test_planted_interactions_have_a_long_tail_and_groups() -> None:
    data = planted(200_000, seed=1)
    users, items = train_edges(data)
    assert (num_users(data), num_items(data)) == (4_000, 2_000)
    assert 120_000 < users.numel() <= 200_000
    degree = torch.bincount(items, minlength=2_000).sort(descending=True).values
    assert degree[:200].sum() > 1.5 * degree[-1_000:].sum()
    # Two of four groups are a user's own and hold nine of ten draws.
    group = torch.bincount(users * 4 + items // GROUP, minlength=16_000).view(4_000, 4)
    best = group.sort(dim=1, descending=True).values[:, :2].sum()
    assert best > 0.8 * users.numel()


def test_planted_interactions_follow_their_seed() -> None:
    first, again, other = (train_edges(planted(5_000, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
