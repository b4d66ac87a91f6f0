from functools import partial

import pytest
import torch

from graphcond.data import (
    load,
    make_interactions,
    num_items,
    num_users,
    planted_interactions,
    train_edges,
)
from graphcond.errors import InputError
from graphcond.training import (
    EASE,
    DenseItemWeights,
    GraphFilter,
    LeastSquares,
    Popularity,
    SparseItemWeights,
    fit_ease,
    fit_gfcf,
    fit_graph_filter,
    fit_least_squares,
    fit_sparse_ease,
)


def dense(data):
    out = torch.zeros(num_users(data), num_items(data), dtype=torch.float64)
    out[tuple(train_edges(data))] = 1
    return out


def test_sparse_ease_with_all_neighbours_is_ease():
    # Items without a common user are left out, so one user takes everything.
    everything = torch.tensor([[18] * 14, [*range(14)]])
    pairs = torch.cat([train_edges(load("southern-women")), everything], dim=1)
    whole = make_interactions(pairs, 19, 14)
    want = fit_ease(whole, 3.0)
    model = fit_sparse_ease(whole, 14, ridge=3.0)
    for start, stop in ((0, 19), (3, 7)):
        torch.testing.assert_close(
            model.scores(start, stop), want.scores(start, stop), rtol=1e-4, atol=1e-5
        )


def test_sparse_ease_solves_on_the_nearest_neighbours(monkeypatch):
    monkeypatch.setattr("graphcond.training.sparse_ease._BLOCK", 5)
    monkeypatch.setattr("graphcond.training.sparse_ease._SOLVED", 3)
    data = load("southern-women")
    met = dense(data)
    gram = met.T @ met
    length = met.sum(0).rsqrt()
    cosine = gram * length * length[:, None]
    cosine.fill_diagonal_(-1)
    want = torch.zeros(num_items(data), num_items(data), dtype=torch.float64)
    for item in range(num_items(data)):
        near = cosine[item].topk(4).indices
        system = gram[near][:, near] + 3.0 * torch.eye(4, dtype=torch.float64)
        want[near, item] = torch.linalg.solve(system, gram[near, item])
    model = fit_sparse_ease(data, 4, ridge=3.0)
    users = num_users(data)
    torch.testing.assert_close(model.scores(0, users).double(), met @ want, rtol=1e-4, atol=1e-5)


def test_items_without_a_common_user_have_no_weight():
    data = make_interactions(torch.tensor([[0, 0, 1, 1, 2], [0, 1, 2, 3, 0]]), 3, 5)
    scores = fit_sparse_ease(data, 4, ridge=1.0).scores(0, 3)
    assert scores[0, 2:].eq(0).all()
    assert scores[1, [0, 1, 4]].eq(0).all()
    assert scores[2, 1] > 0


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


def test_ease_is_dense_for_few_items_and_sparse_for_many():
    data = load("southern-women")
    assert isinstance(EASE().fit(data), DenseItemWeights)
    many = EASE(neighbours=3, dense_items=num_items(data) - 1).fit(data)
    assert isinstance(many, SparseItemWeights)
    assert many.weights.nnz <= 3 * num_items(data)


@pytest.mark.parametrize(
    "closed",
    [EASE(), EASE(dense_items=1, neighbours=4), LeastSquares(4), GraphFilter(4), Popularity()],
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


def test_every_setting_of_a_closed_form_reaches_its_solver():
    data = load("southern-women")
    pairs = [
        (
            LeastSquares(3, 0.4, 0.05, 2).fit(data, seed=5),
            fit_least_squares(data, 3, unobserved=0.4, ridge=0.05, sweeps=2, seed=5),
        ),
        (EASE(7.0).fit(data), fit_ease(data, 7.0)),
        (EASE(7.0, 3, 1).fit(data), fit_sparse_ease(data, 3, ridge=7.0)),
        (GraphFilter(3).fit(data, seed=5), fit_graph_filter(data, 3, seed=5)),
        (GraphFilter(3, 0.8).fit(data, seed=5), fit_gfcf(data, 3, ideal=0.8, seed=5)),
        (GraphFilter(3, 0.0).fit(data, seed=5), fit_gfcf(data, 3, ideal=0.0, seed=5)),
    ]
    plain = [LeastSquares(3), EASE(), EASE(dense_items=1), GraphFilter(), GraphFilter(ideal=0.3)]
    plain.append(GraphFilter(3))
    for (found, wanted), usual in zip(pairs, plain):
        assert torch.equal(found.scores(0, 5), wanted.scores(0, 5))
        assert not torch.equal(found.scores(0, 5), usual.fit(data).scores(0, 5))


def test_the_first_subspace_is_drawn_by_the_seed():
    """After one sweep it can still be seen, after sixty no longer."""
    data = planted_interactions(60, 50, 500, seed=0)
    for solve in (partial(fit_graph_filter, data, 3), partial(fit_gfcf, data, 3, ideal=0.9)):
        first, again, other = (solve(sweeps=1, seed=seed).scores(0, 60) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert (first - other).abs().max() > 0.1
        many = [solve(sweeps=60, seed=seed).scores(0, 60) for seed in (0, 1)]
        torch.testing.assert_close(*many, rtol=1e-4, atol=1e-4)


def test_ease_is_dense_up_to_its_limit_of_items():
    women = load("southern-women")
    assert isinstance(EASE(dense_items=14).fit(women), DenseItemWeights)
    assert isinstance(EASE(dense_items=13).fit(women), SparseItemWeights)
