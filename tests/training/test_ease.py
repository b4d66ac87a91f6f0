import pytest
import torch

from graphcond.data import load, make_interactions, num_items, num_users, train_edges
from graphcond.errors import InputError
from graphcond.training import Fitted, Ranker, Recommender, fit_ease


def dense(data):
    out = torch.zeros(num_users(data), num_items(data), dtype=torch.float64)
    out[tuple(train_edges(data))] = 1
    return out


def test_every_column_is_the_ridge_regression_on_the_other_items():
    data = load("southern-women")
    met = dense(data)
    weights = fit_ease(data, ridge=3.0).weights.double()
    for item in range(num_items(data)):
        others = [other for other in range(num_items(data)) if other != item]
        left = met[:, others]
        want = torch.linalg.solve(
            left.T @ left + 3.0 * torch.eye(len(others), dtype=torch.float64), left.T @ met[:, item]
        )
        torch.testing.assert_close(weights[others, item], want, rtol=1e-4, atol=1e-5)
        assert weights[item, item] == 0


def test_scores_are_a_users_items_times_the_weights(monkeypatch):
    data = load("southern-women")
    model = fit_ease(data)
    want = dense(data) @ model.weights.double()
    torch.testing.assert_close(model.scores(0, num_users(data)).double(), want)
    torch.testing.assert_close(model.scores(3, 7).double(), want[3:7])
    monkeypatch.setattr("graphcond.training.ranker._BLOCK", 5)
    monkeypatch.setattr("graphcond.training.ease._BLOCK", 3)
    torch.testing.assert_close(fit_ease(data).weights, model.weights)
    scores = want.clone()
    scores[tuple(train_edges(data))] = -torch.inf
    best, ids = model.rank(4, train_edges(data))
    value = scores.topk(4, dim=1).values
    torch.testing.assert_close(best.double(), value)
    assert ((ids == -1) == value.isinf()).all()
    picked = scores.gather(1, ids.clamp(min=0))
    torch.testing.assert_close(picked[ids >= 0], value[ids >= 0])


def test_factors_rank_as_any_other_ranker():
    draw = torch.Generator().manual_seed(0)
    model = Recommender(
        torch.randn(6, 3, generator=draw), torch.randn(9, 3, generator=draw), Fitted()
    )
    assert isinstance(model, Ranker)
    out = torch.tensor([[0, 0, 5], [1, 2, 8]])
    want = model.users @ model.items.T
    want[tuple(out)] = -torch.inf
    assert torch.equal(model.rank(9, out)[0], want.sort(dim=1, descending=True).values)
    with pytest.raises(InputError, match="length of the lists"):
        model.rank(10)


def test_refuses_what_cannot_be_learnt():
    with pytest.raises(InputError, match="ridge"):
        fit_ease(load("southern-women"), ridge=0)
    with pytest.raises(InputError, match="no interaction"):
        fit_ease(make_interactions(torch.empty(2, 0, dtype=torch.long), 3, 4))
