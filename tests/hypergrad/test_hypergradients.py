import warnings

import numpy as np
import pytest
import torch

from graphcond.errors import InputError
from graphcond.hypergrad import (
    BilevelProblem,
    ClosedForm,
    Implicit,
    Unrolled,
    cosine_distance,
    euclidean_distance,
    pearson_distance,
    sensitivity,
)
from graphcond.linalg import CG, Damped, Dense, Exact, GaussNewton, Neumann

TIGHT = CG(max_steps=60, tolerance=1e-13)


def test_implicit_is_the_closed_form_on_ridge(ridge):
    exact = ClosedForm(ridge.optimum)(ridge.problem, {}, ridge.lam)
    optimum = ridge.optimum(ridge.lam)
    for solver in (TIGHT, Neumann(terms=3000, tolerance=1e-13), Exact()):
        torch.testing.assert_close(
            Implicit(solver)(ridge.problem, optimum, ridge.lam), exact, rtol=1e-8, atol=1e-9
        )


def test_implicit_is_finite_differences_of_the_network(softplus):
    lam, eps = softplus.lam, 1e-4
    optimum = softplus.optimum(lam, softplus.start)
    found = Implicit(TIGHT)(softplus.problem, optimum, lam)
    for h in range(lam.shape[1]):
        step = torch.zeros_like(lam)
        step[:, h] = eps
        ends = [
            softplus.outer(softplus.optimum(lam + s * step, optimum), lam + s * step)
            for s in (1, -1)
        ]
        torch.testing.assert_close(
            found[:, h], (ends[0] - ends[1]) / (2 * eps), rtol=1e-4, atol=1e-6
        )


def test_forward_sensitivity_gives_the_same_hypergradient_and_is_dtheta_dlam(ridge):
    optimum = ridge.optimum(ridge.lam)
    forward = sensitivity(ridge.problem, optimum, ridge.lam, TIGHT)
    value, grad = forward.hypergradient(ridge.outer, optimum, ridge.lam)
    torch.testing.assert_close(value, ridge.outer(optimum, ridge.lam))
    torch.testing.assert_close(
        grad, ClosedForm(ridge.optimum)(ridge.problem, {}, ridge.lam), rtol=1e-8, atol=1e-9
    )
    jacobian = torch.autograd.functional.jacobian(
        lambda lam: ridge.optimum(lam)["w"].sum(0), ridge.lam
    )
    columns = torch.stack([column["w"] for column in forward.columns], dim=-1)
    torch.testing.assert_close(columns, jacobian.permute(1, 0, 2), rtol=1e-8, atol=1e-9)


def test_a_formula_goes_before_the_parameters_that_are_given(ridge):
    closed = ClosedForm(ridge.optimum)
    stale = {"w": torch.ones_like(ridge.lam)}
    torch.testing.assert_close(
        closed(ridge.problem, stale, ridge.lam), closed(ridge.problem, {}, ridge.lam)
    )


def test_a_loss_is_a_number_for_each_hyperparameter(ridge):
    optimum = ridge.optimum(ridge.lam)
    wide = BilevelProblem(ridge.inner, lambda p, lam: p["w"] * lam)
    with pytest.raises(InputError, match="Sum or average"):
        Implicit(TIGHT)(wide, optimum, ridge.lam)


def test_a_sensitivity_takes_more_than_one_step_without_being_told_to(ridge):
    optimum = ridge.optimum(ridge.lam)
    exact, usual = (sensitivity(ridge.problem, optimum, ridge.lam, how) for how in (TIGHT, None))
    for one, other in zip(exact.columns, usual.columns, strict=True):
        torch.testing.assert_close(one["w"], other["w"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_i_neumann_terms_are_i_unrolled_steps_from_the_optimum(softplus, steps):
    optimum = softplus.optimum(softplus.lam, softplus.start)
    series = Implicit(Neumann(terms=steps, step=0.2, tolerance=0))(
        softplus.problem, optimum, softplus.lam
    )
    unrolled = Unrolled(steps=steps, learning_rate=0.2)(softplus.problem, optimum, softplus.lam)
    torch.testing.assert_close(series, unrolled, rtol=1e-5, atol=1e-7)


def test_one_hyperparameter_without_a_batch(ridge):
    alone = ridge.optimum(ridge.lam[0])
    batched = Implicit(TIGHT)(ridge.problem, ridge.optimum(ridge.lam), ridge.lam)
    torch.testing.assert_close(Implicit(TIGHT)(ridge.problem, alone, ridge.lam[0]), batched[0])
    _, grad = sensitivity(ridge.problem, alone, ridge.lam[0], TIGHT).hypergradient(
        ridge.outer, alone, ridge.lam[0]
    )
    torch.testing.assert_close(grad, batched[0])


def test_the_direct_term_is_kept_and_can_be_dropped_as_the_paper_does(ridge):
    optimum = ridge.optimum(ridge.lam)
    whole = Implicit(TIGHT)(ridge.problem, optimum, ridge.lam)
    paper = Implicit(TIGHT, direct=False)(ridge.problem, optimum, ridge.lam)
    lam = ridge.lam.clone().requires_grad_()
    (direct,) = torch.autograd.grad(ridge.outer(optimum, lam).sum(), lam)
    torch.testing.assert_close(whole - paper, direct)
    assert bool(direct.norm() > 0.1 * whole.norm())


@pytest.mark.parametrize("rows", [slice(None), 0], ids=["a batch", "one"])
@pytest.mark.parametrize(
    "kind", ["implicit", "implicit, indirect", "unrolled", "closed form", "sensitivity"]
)
def test_gradient_flows_to_the_validation_set(ridge, kind, rows):
    ridge.lam = ridge.lam[rows]
    optimum = ridge.optimum(ridge.lam)
    weight = torch.randn(
        ridge.lam.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4)
    )

    def value():
        if kind == "sensitivity":
            return (
                weight
                * sensitivity(ridge.problem, optimum, ridge.lam, TIGHT).hypergradient(
                    ridge.outer, optimum, ridge.lam
                )[1]
            ).sum()
        how = {
            "implicit": Implicit(TIGHT),
            "implicit, indirect": Implicit(TIGHT, direct=False),
            "unrolled": Unrolled(12, 0.1),
            "closed form": ClosedForm(ridge.optimum),
        }[kind]
        return (weight * how(ridge.problem, optimum, ridge.lam)).sum()

    (grad,) = torch.autograd.grad(value(), ridge.x_val)
    with torch.no_grad():
        plan = torch.randn(
            ridge.x_val.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
        )
        ridge.x_val += 1e-5 * plan
        up = value()
        ridge.x_val -= 2e-5 * plan
        down = value()
    torch.testing.assert_close(
        (grad * plan).sum(), ((up - down) / 2e-5).detach(), rtol=1e-5, atol=1e-7
    )


def test_gauss_newton_curvature_where_the_hessian_is_indefinite(softplus):
    far = {name: 3 * p for name, p in softplus.start.items()}

    def criterion(logits):
        return -logits.log_softmax(-1)[:, torch.arange(len(softplus.y)), softplus.y].mean(-1)

    def curvature(params, lam):
        return Damped(
            GaussNewton(lambda p: softplus.logits(p, lam, softplus.bases), criterion, params), 0.01
        )

    def loss(params, lam):
        return softplus.loss(params, lam, softplus.bases, softplus.y)

    plain = BilevelProblem(loss, softplus.outer)
    with pytest.warns(UserWarning, match="negative curvature in [12]"):
        Implicit(CG(max_steps=50))(plain, far, softplus.lam)
    _, solution = Implicit(CG(max_steps=200)).solve(
        BilevelProblem(loss, softplus.outer, curvature), far, softplus.lam
    )
    assert bool(solution.converged.all())
    assert not bool(solution.negative_curvature.any())


def test_distances():
    a = torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(cosine_distance(a, 5 * a), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(cosine_distance(a, -a), torch.full((2,), 2.0))
    torch.testing.assert_close(euclidean_distance(a, 2 * a), a.norm(dim=1))
    torch.testing.assert_close(pearson_distance(a[0], 7 - 2 * a[0]), torch.tensor(2.0))
    torch.testing.assert_close(
        pearson_distance(a[0], 7 + 2 * a[0]), torch.tensor(0.0), atol=1e-6, rtol=0
    )


def test_distances_go_row_by_row_and_by_their_formulas():
    a = torch.tensor([[[3.0, 0.0, 4.0], [1.0, 2.0, 2.0]], [[0.0, 0.0, 0.0], [1.0, -1.0, 3.0]]])
    b = torch.tensor([[[0.0, 0.0, 2.0], [2.0, 2.0, 1.0]], [[1.0, 0.0, 5.0], [-2.0, 2.0, 0.0]]])
    cosines = torch.tensor([[8 / 10, 8 / 9], [0, -4 / (11 * 8) ** 0.5]])
    torch.testing.assert_close(cosine_distance(a, b), 1 - cosines)
    lengths = torch.tensor([[13, 2], [26, 9 + 9 + 9]]).sqrt()
    torch.testing.assert_close(euclidean_distance(a, b), lengths)
    for one, other, found in zip(a[:, 1], b[:, 1], pearson_distance(a, b)[:, 1], strict=True):
        assert float(found) == pytest.approx(1 - np.corrcoef(one, other)[0, 1], abs=1e-6)
    tiny = 1e-3 * a[0]  # directions have no size
    torch.testing.assert_close(cosine_distance(tiny, b[0]), 1 - cosines[0])


@pytest.mark.parametrize("distance", [cosine_distance, euclidean_distance, pearson_distance])
def test_a_distance_has_a_gradient_in_either_of_its_sides(distance):
    stream = torch.Generator().manual_seed(0)
    sides = torch.randn(2, 3, 4, generator=stream, dtype=torch.float64).unbind()
    assert torch.autograd.gradcheck(distance, [side.requires_grad_() for side in sides])


def test_steps_from_where_it_stands_and_from_the_optimum_by_hand():
    """θ steps halfway to λ, so that three steps leave an eighth of the way."""
    problem = BilevelProblem(
        lambda p, lam: ((p["w"] - lam) ** 2).sum(-1) / 2,
        lambda p, lam: (p["w"] ** 2).sum(-1) / 2 + 7 * lam.sum(-1),
    )
    lam, start = torch.tensor([[1.0], [3.0]]), {"w": torch.tensor([[5.0], [-1.0]])}
    for steps, left in ((1, 1 / 2), (2, 1 / 4), (3, 1 / 8)):
        theta = lam + left * (start["w"] - lam)
        found = Unrolled(steps=steps, learning_rate=0.5)(problem, start, lam)
        torch.testing.assert_close(found, theta * (1 - left) + 7)
    at_optimum = {"w": lam}
    for found in (
        ClosedForm(lambda lam: {"w": lam})(problem, {}, lam),
        Implicit(Exact())(problem, at_optimum, lam),
        sensitivity(problem, at_optimum, lam).hypergradient(problem.outer_loss, at_optimum, lam)[1],
    ):
        torch.testing.assert_close(found, lam + 7)


def test_a_formula_for_some_parameters_leaves_the_others_as_given():
    problem = BilevelProblem(lambda p, lam: lam.sum(), lambda p, lam: (p["w"] * p["c"]).sum())
    given = {"w": torch.zeros(2), "c": torch.tensor([2.0, 5.0])}
    found = ClosedForm(lambda lam: {"w": lam**2})(problem, given, torch.tensor([1.0, 3.0]))
    assert found.tolist() == [2 * 2, 5 * 6]


def test_a_parameter_whose_slope_is_constant_takes_no_others_place():
    """The inner slope in a is 1 everywhere; b follows λ. The curvature is told: it is 1."""
    problem = BilevelProblem(
        lambda p, lam: p["a"].sum() + ((p["b"] - lam) ** 2).sum() / 2,
        lambda p, lam: 3 * p["a"].sum() + 5 * p["b"].sum(),
        lambda params, lam: Dense(torch.eye(4)),
    )
    lam = torch.tensor([1.0, 2.0])
    params = {"a": torch.zeros(2), "b": lam}
    assert Implicit()(problem, params, lam).tolist() == [5, 5]
    found = sensitivity(problem, params, lam)
    assert found.hypergradient(problem.outer_loss, params, lam)[1].tolist() == [5, 5]
    for column, solution, unit in zip(found.columns, found.solutions, torch.eye(2), strict=True):
        assert torch.equal(column["a"], torch.zeros(2))
        assert torch.equal(column["b"], unit)
        assert torch.equal(solution.value["b"], -unit)


def test_a_solve_is_told_for_each_hyperparameter_and_warned_of_where_one_is_indefinite(ridge):
    optimum = ridge.optimum(ridge.lam)
    _, solution = Implicit(TIGHT).solve(ridge.problem, optimum, ridge.lam)
    assert solution.residual.shape == solution.converged.shape == (len(ridge.lam),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Implicit(CG(max_steps=1))(ridge.problem, optimum, ridge.lam)  # short, but definite
    sign = torch.tensor([1.0, -9.0, 1.0], dtype=torch.float64)
    bent = BilevelProblem(lambda p, lam: sign * ridge.inner(p, lam), ridge.outer)
    with pytest.warns(UserWarning, match="negative curvature in 1"):
        Implicit(TIGHT)(bent, optimum, ridge.lam)


def test_a_sensitivity_is_solved_by_the_solver_it_is_given(ridge):
    optimum = ridge.optimum(ridge.lam)
    short = sensitivity(ridge.problem, optimum, ridge.lam, CG(max_steps=1))
    assert {solution.steps for solution in short.solutions} == {1}
    usual = sensitivity(ridge.problem, optimum, ridge.lam)
    assert {solution.steps for solution in usual.solutions} != {1}


def test_damping_is_added_to_the_curvature_of_every_method(ridge):
    optimum = ridge.optimum(ridge.lam)
    damped = BilevelProblem(
        ridge.inner, ridge.outer, lambda p, lam: Damped(ridge.problem.inner_curvature(p, lam), 0.7)
    )
    wanted = Implicit(TIGHT)(damped, optimum, ridge.lam)
    assert not torch.allclose(wanted, Implicit(TIGHT)(ridge.problem, optimum, ridge.lam))
    found = Implicit(TIGHT, damping=0.7)(ridge.problem, optimum, ridge.lam)
    torch.testing.assert_close(found, wanted)
    forward = sensitivity(ridge.problem, optimum, ridge.lam, TIGHT, 0.7)
    torch.testing.assert_close(forward.hypergradient(ridge.outer, optimum, ridge.lam)[1], wanted)


def test_rows_of_a_sensitivity_are_those_of_their_hyperparameters(ridge):
    optimum = ridge.optimum(ridge.lam)
    whole = sensitivity(ridge.problem, optimum, ridge.lam, TIGHT)
    some = torch.tensor([2, 0])
    params = {name: value[some] for name, value in optimum.items()}
    found = whole.rows(some).hypergradient(ridge.outer, params, ridge.lam[some])[1]
    every = whole.hypergradient(ridge.outer, optimum, ridge.lam)[1]
    torch.testing.assert_close(found, every[some])
    without = whole.hypergradient(ridge.outer, optimum, ridge.lam, keep_direct=False)[1]
    lam = ridge.lam.clone().requires_grad_()
    (direct,) = torch.autograd.grad(ridge.outer(optimum, lam).sum(), lam)
    torch.testing.assert_close(every - without, direct)


def test_a_parameter_that_a_hyperparameter_does_not_touch_does_not_move_with_it():
    def inner(p, lam):
        return ((p["a"] - lam) ** 2).sum(-1) + (p["b"] ** 2).sum(-1)

    def outer(p, lam):
        return (p["a"] ** 2).sum(-1) + 3 * p["b"].sum(-1)

    lam = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    params = {"a": lam.clone(), "b": torch.zeros(2, 1, dtype=torch.float64)}
    found = sensitivity(BilevelProblem(inner, outer), params, lam, TIGHT)
    for h, column in enumerate(found.columns):
        assert torch.equal(column["b"], torch.zeros_like(params["b"]))
        torch.testing.assert_close(column["a"], torch.eye(2).double()[h].expand(2, 2))
    torch.testing.assert_close(found.hypergradient(outer, params, lam)[1], 2 * lam)
