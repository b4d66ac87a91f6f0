import pytest
import torch

from graphcond.condensers.interactions.item_prices import best_of_each, candidates, item_prices
from graphcond.training import Fitted, Recommender


def teacher(num_users, num_items, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Recommender(
        torch.randn(num_users, 8, generator=draw),
        torch.randn(num_items, 8, generator=draw),
        Fitted(),
    )


def test_candidates_are_the_observed_and_the_best_unobserved():
    model, edges = teacher(4, 9), torch.tensor([[0, 0, 2, 3], [1, 5, 5, 0]])
    found = candidates(model, edges, 3)
    scores = model.users @ model.items.T
    torch.testing.assert_close(found.scores, scores[found.pairs[0], found.pairs[1]])
    assert torch.equal(found.pairs[0], found.pairs[0].sort().values)
    assert set(zip(*found.pairs[:, found.observed].tolist())) == set(zip(*edges.tolist()))
    scores[edges[0], edges[1]] = -torch.inf
    best = {(user, item) for user in (0, 2, 3) for item in scores[user].topk(3).indices.tolist()}
    assert set(zip(*found.pairs[:, ~found.observed].tolist())) == best
    assert candidates(model, edges, 0).observed.all()


def test_best_of_each_is_each_users_sort():
    draw = torch.Generator().manual_seed(0)
    users = torch.randint(20, (300,), generator=draw).sort().values
    keys, count = (
        1e3 * torch.randn(300, generator=draw),
        torch.randint(0, 25, (20,), generator=draw),
    )
    want = []
    for user in range(20):
        own = (users == user).nonzero().squeeze(1)
        want += own[keys[own].argsort(descending=True)][: count[user]].tolist()
    assert best_of_each(users, keys, count).tolist() == want


@pytest.mark.parametrize("seed", range(3))
def test_prices_share_the_budget_as_asked(seed):
    model = teacher(400, 30, seed)
    options = candidates(
        model, torch.stack([torch.arange(400), torch.zeros(400, dtype=torch.int64)]), 29
    )
    count, target = torch.full((400,), 3), torch.full((30,), 40.0, dtype=torch.float64)
    share = []
    for rounds in (0, 40):
        price = item_prices(options, options.scores, count, target, rounds=rounds)
        chosen = best_of_each(options.pairs[0], options.scores - price[options.pairs[1]], count)
        share.append(torch.bincount(options.pairs[1, chosen], minlength=30).double().std())
    assert share[1] < 0.35 * share[0]
