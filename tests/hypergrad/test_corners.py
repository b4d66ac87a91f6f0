"""Corners of solvers and hypergradients: tiny and huge right-hand sides, λ in neither loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from graphcond.errors import InputError
from graphcond.hypergrad import (
    BilevelProblem,
    ClosedForm,
    Hypergradient,
    Implicit,
    Unrolled,
    pearson_distance,
    sensitivity,
)
from graphcond.linalg import CG, Dense, Exact, LinearSolver, Neumann

MATRIX = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
RIGHT = torch.tensor([3.0, -1.0])


@pytest.mark.parametrize(
    "solver", [CG(), Neumann(terms=200), Exact()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("size", [1e-38, 1e-25, 1e-3, 1.0, 1e20, 1e25, 1e37])
def test_the_size_of_the_right_hand_side_changes_nothing_but_the_size(
    solver: LinearSolver, size: float
) -> None:
    want = torch.linalg.solve(MATRIX, RIGHT)
    found = solver(Dense(MATRIX), {"w": RIGHT * size})
    assert bool(found.converged)
    torch.testing.assert_close(found.value["w"] / size, want, rtol=1e-4, atol=1e-5)


def test_each_block_of_a_batch_has_its_own_size() -> None:
    sizes = torch.tensor([1e-25, 0.0, 1e25])
    found = CG()(Dense(MATRIX.expand(3, 2, 2)), {"w": sizes[:, None] * RIGHT})
    want = sizes[:, None] * torch.linalg.solve(MATRIX, RIGHT)
    assert found.converged.all()
    torch.testing.assert_close(found.value["w"], want, rtol=1e-4, atol=0)


def test_scaling_by_powers_of_two_changes_no_digit() -> None:
    one = CG(max_steps=1)(Dense(MATRIX), {"w": RIGHT}).value["w"]
    other = CG(max_steps=1)(Dense(MATRIX), {"w": RIGHT * 2.0**70}).value["w"]
    assert torch.equal(one * 2.0**70, other)


METHODS = [Implicit(), Unrolled(steps=2), ClosedForm(lambda lam: {"w": torch.ones(2)})]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("outer", ["of θ", "constant"])
def test_a_hyperparameter_in_neither_loss_has_gradient_zero(
    method: Hypergradient, outer: str
) -> None:
    problem = BilevelProblem(
        lambda params, lam: (params["w"] ** 2).sum(),
        lambda params, lam: (params["w"] ** 2).sum() if outer == "of θ" else torch.zeros(()),
    )
    lam = torch.tensor([0.5, 2.0, 1.0])
    assert torch.equal(method(problem, {"w": torch.ones(2)}, lam), torch.zeros(3))


def test_two_values_have_a_correlation_and_one_has_none() -> None:
    found = pearson_distance(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([2.0, 2.0]))
    with pytest.raises(InputError, match="at least 2"):
        pearson_distance(torch.ones(3, 1), torch.ones(3, 1))


def test_a_negative_damping_is_refused() -> None:
    with pytest.raises(InputError, match="`damping` must be at least 0"):
        Implicit(damping=-0.5)


def test_what_no_hyperparameter_touches_does_not_move(ridge: Any) -> None:
    ridge.lam = ridge.lam[:2]
    optimum = ridge.optimum(ridge.lam)
    still = BilevelProblem(lambda p, lam: (p["w"] ** 2).sum(-1), ridge.outer)
    found = sensitivity(still, optimum, ridge.lam)
    assert len(found.columns) == ridge.lam.size(1)
    for column in found.columns:
        assert torch.equal(column["w"], torch.zeros_like(optimum["w"]))
    some = found.rows(torch.tensor([1]))
    assert some.solutions == ()
    assert some.columns[0]["w"].shape == (1, 3)


def test_the_callers_hyperparameters_are_left_as_they_were(ridge: Any) -> None:
    optimum = ridge.optimum(ridge.lam)
    for how in (Unrolled(steps=2), Implicit(), ClosedForm(ridge.optimum)):
        how(ridge.problem, optimum, ridge.lam)
        assert not ridge.lam.requires_grad
        assert not optimum["w"].requires_grad


def test_a_caller_without_gradients_gets_the_same_hypergradient(ridge: Any) -> None:
    optimum, lam = ridge.optimum(ridge.lam), ridge.lam

    def found() -> list[torch.Tensor]:
        moved = sensitivity(ridge.problem, optimum, lam)
        by_hand = [how(ridge.problem, optimum, lam) for how in (Unrolled(steps=2), Implicit())]
        return [
            *by_hand,
            ClosedForm(ridge.optimum)(ridge.problem, {}, lam),
            *moved.hypergradient(ridge.outer, optimum, lam),
        ]

    with torch.no_grad():
        without = found()
    for one, other in zip(without, found(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_sensitivity_is_of_as_many_hyperparameters_and_leaves_the_value_its_graph(
    ridge: Any,
) -> None:
    optimum = ridge.optimum(ridge.lam)
    found = sensitivity(ridge.problem, optimum, ridge.lam)
    value, grad = found.hypergradient(ridge.outer, optimum, ridge.lam)
    for each in (value, grad):  # the outer design is what a condensed graph would be
        (moved,) = torch.autograd.grad(each.sum(), ridge.x_val, retain_graph=True)
        assert float(moved.abs().sum()) > 0
    with pytest.raises(InputError, match="as many hyperparameters as columns"):
        found.hypergradient(ridge.outer, optimum, ridge.lam[:, :2])
