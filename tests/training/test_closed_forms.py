import pytest
import torch

from graphcond.data import load, make_interactions, num_items, num_users, train_edges
from graphcond.errors import InputError
from graphcond.training import (
    EASE,
    DenseItemWeights,
    GraphFilter,
    LeastSquares,
    Popularity,
    Recommender,
    fit_ease,
    fit_gfcf,
    fit_low_rank_ease,
)


def dense(data):
    out = torch.zeros(num_users(data), num_items(data), dtype=torch.float64)
    out[tuple(train_edges(data))] = 1
    return out


def test_low_rank_ease_with_all_directions_scores_new_items_as_ease_does():
    data = load("southern-women")
    new = dense(data) == 0
    want = fit_ease(data, 3.0).scores(0, num_users(data))
    found = fit_low_rank_ease(data, 100, ridge=3.0, sweeps=30).scores(0, num_users(data))
    torch.testing.assert_close(found[new], want[new], rtol=1e-3, atol=1e-4)


def test_low_rank_ease_comes_nearer_with_more_directions():
    data = load("southern-women")
    new = dense(data) == 0
    want = fit_ease(data, 3.0).scores(0, num_users(data))[new]

    def gap(rank):
        model = fit_low_rank_ease(data, rank, ridge=3.0, sweeps=30)
        return (model.scores(0, num_users(data))[new] - want).norm()

    assert gap(12) < 0.5 * gap(6) < 0.5 * gap(1)


def test_gfcf_is_the_dense_formula():
    data = load("southern-women")
    met = dense(data)
    users, items = met.sum(1).clamp(min=1).rsqrt(), met.sum(0).clamp(min=1).rsqrt()
    normal = users[:, None] * met * items
    vectors = torch.linalg.svd(normal).Vh[:4]
    low_pass = items[:, None] * (vectors.T @ vectors) / items
    want = met @ (normal.T @ normal + 0.7 * low_pass)
    model = fit_gfcf(data, 4, ideal=0.7, sweeps=30)
    torch.testing.assert_close(
        model.scores(0, num_users(data)).double(), want, rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(model.scores(2, 5).double(), want[2:5], rtol=1e-3, atol=1e-4)


def test_popularity_shows_the_most_taken_items():
    data = make_interactions(torch.tensor([[0, 1, 2, 2], [1, 1, 1, 0]]), 3, 3)
    assert Popularity().fit(data).rank(3)[1].tolist() == [[1, 0, 2]] * 3


def test_ease_is_dense_for_few_items_and_of_low_rank_for_many():
    data = load("southern-women")
    assert isinstance(EASE().fit(data), DenseItemWeights)
    many = EASE(rank=3, dense_items=num_items(data) - 1).fit(data)
    assert isinstance(many, Recommender)
    assert many.items.shape == (num_items(data), 3)


@pytest.mark.parametrize(
    "closed", [EASE(), EASE(dense_items=1, rank=4), LeastSquares(4), GraphFilter(4), Popularity()]
)
def test_without_interactions_they_say_so(closed):
    nothing = make_interactions(torch.empty(2, 0, dtype=torch.long), 3, 4)
    with pytest.raises(InputError, match="interaction"):
        closed.fit(nothing)


def test_seeds_draw_other_factors_and_repeat():
    data = load("southern-women")
    first, again, other = (LeastSquares(4, sweeps=1).fit(data, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.scores(0, 5), again.scores(0, 5))
    assert not torch.equal(first.scores(0, 5), other.scores(0, 5))
