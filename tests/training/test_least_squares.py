import pytest
import torch

from graphcond.data import (
    load,
    num_items,
    num_users,
    planted_interactions,
    split_interactions,
    train_edges,
)
from graphcond.errors import InputError
from graphcond.seeding import generator
from graphcond.training import fit_least_squares, least_squares


def dense(data):
    out = torch.zeros(num_users(data), num_items(data), dtype=torch.float64)
    out[tuple(train_edges(data))] = 1
    return out


def objective(data, model, alpha, ridge):
    met, scores = dense(data), model.users.double() @ model.items.double().T
    users = (met.sum(1) + alpha * met.size(1)) @ model.users.double().square().sum(1)
    items = (met.sum(0) + alpha * met.size(0)) @ model.items.double().square().sum(1)
    return (met * (scores - 1) ** 2).sum() + alpha * scores.square().sum() + ridge * (users + items)


def solved(met, factors, alpha, ridge):
    """Return each row's ridge regression on the other side's factors, one row at a time."""
    rows = []
    for own in met:
        decay = ridge * (own.sum() + alpha * len(factors)) * torch.eye(factors.size(1)).double()
        system = (factors.T * own) @ factors + alpha * factors.T @ factors + decay
        rows.append(torch.linalg.solve(system, factors.T @ own))
    return torch.stack(rows)


def test_both_sides_solve_their_normal_equations_in_turn():
    """From small random items on; users are solved once more at the end."""
    data = split_interactions(load("southern-women"), seed=0)
    met = dense(data)
    draw = generator(5, "least-squares")
    items = torch.randn(num_items(data), 4, generator=draw).double() * 0.1 / 2
    for sweeps in (1, 2):
        items = solved(met.T, solved(met, items, 0.3, 0.05), 0.3, 0.05)
        model = fit_least_squares(data, 4, unobserved=0.3, ridge=0.05, sweeps=sweeps, seed=5)
        torch.testing.assert_close(model.items.double(), items, rtol=1e-3, atol=1e-4)
        users = solved(met, items, 0.3, 0.05)
        torch.testing.assert_close(model.users.double(), users, rtol=1e-3, atol=1e-4)


def test_sweeps_lower_the_objective():
    data = split_interactions(load("southern-women"), seed=0)
    losses = [
        objective(data, fit_least_squares(data, 4, sweeps=sweeps), 0.1, 0.003)
        for sweeps in (1, 3, 12)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_blocks_do_not_change_the_answer(monkeypatch):
    data = split_interactions(planted_interactions(80, 60, 900, seed=0), seed=0)
    whole = fit_least_squares(data, 8, sweeps=2)
    monkeypatch.setattr(least_squares, "_BUFFER", 1000)
    torch.testing.assert_close(
        fit_least_squares(data, 8, sweeps=2).users, whole.users, rtol=1e-3, atol=1e-4
    )


def test_arguments():
    data = load("southern-women")
    for wrong in ({"dim": 0}, {"ridge": 0.0}, {"unobserved": -1.0}, {"sweeps": 0}):
        with pytest.raises(InputError, match="must|needs"):
            fit_least_squares(data, **wrong)
