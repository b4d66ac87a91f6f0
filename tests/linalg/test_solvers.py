import math

import pytest
import torch

from graphcond.errors import InputError, NumericalError
from graphcond.linalg import (
    CG,
    Damped,
    Dense,
    Exact,
    LinearSolver,
    Neumann,
    Solution,
    largest_eigenvalue,
    vectors,
)


def definite(batch, size, seed=0):
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(batch, size, size, generator=g, dtype=torch.float64)
    scale = torch.logspace(0, 2, batch, dtype=torch.float64).view(-1, 1, 1)
    return scale * (root @ root.mT / size + 0.5 * torch.eye(size, dtype=torch.float64))


def right_hand_side(batch, seed=1):
    g = torch.Generator().manual_seed(seed)
    return {
        "a": torch.randn(batch, 2, 3, generator=g, dtype=torch.float64),
        "b": torch.randn(batch, 2, generator=g, dtype=torch.float64),
    }


SOLVERS = [CG(max_steps=40, tolerance=1e-12), Neumann(terms=2000, tolerance=1e-10), Exact()]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_solves_every_block_though_their_scales_differ_a_hundredfold(solver):
    matrix, b = definite(4, 8), right_hand_side(4)
    solution = solver(Dense(matrix), b)
    exact = torch.linalg.solve(matrix, vectors.flatten(b, True))
    torch.testing.assert_close(vectors.flatten(solution.value, True), exact, rtol=1e-6, atol=1e-8)
    assert bool(solution.converged.all())
    assert not bool(solution.negative_curvature.any() | solution.diverged.any())


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_gradient_in_b_is_the_same_solve(solver):
    matrix = definite(2, 8)
    b = {name: tensor.requires_grad_() for name, tensor in right_hand_side(2).items()}
    weight = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def value(*tensors):
        return (
            vectors.flatten(solver(Dense(matrix), dict(zip(b, tensors))).value, True) * weight
        ).sum()

    grads = torch.autograd.grad(value(*b.values()), list(b.values()))
    torch.testing.assert_close(
        torch.cat([g.flatten(1) for g in grads], 1),
        torch.linalg.solve(matrix, weight),
        rtol=1e-6,
        atol=1e-8,
    )


def test_a_gradient_flows_to_a_part_of_b_where_the_rest_has_none():
    moved = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    b = {"still": torch.ones(1, dtype=torch.float64), "moved": moved}
    matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)  # its inverse: / 5
    value = CG()(Dense(matrix), b).value
    (grad,) = torch.autograd.grad(value["still"] + 10 * value["moved"], moved)
    assert float(grad) == pytest.approx((-1 + 10 * 2) / 5)


def test_gradient_is_itself_differentiable():
    matrix, solver = definite(1, 3), CG(max_steps=10, tolerance=1e-14)
    b = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda t: (solver(Dense(matrix), {"w": t}).value["w"] ** 3).sum(), b
    )


def test_residual_is_the_residual():
    matrix, b = definite(3, 8), right_hand_side(3)
    for solver in (CG(max_steps=3), Neumann(terms=5)):
        solution = solver(Dense(matrix), b)
        left = vectors.flatten(b, True) - vectors.flatten(Dense(matrix) @ solution.value, True)
        torch.testing.assert_close(
            solution.residual, left.norm(dim=1) / vectors.flatten(b, True).norm(dim=1)
        )
        assert not bool(solution.converged.any())


def test_cg_stops_and_says_so_on_negative_curvature_while_other_blocks_go_on():
    matrix = torch.stack(
        [torch.diag(torch.tensor([1.0, -1.0, 2.0])), torch.diag(torch.tensor([1.0, 3.0, 2.0]))]
    ).double()
    b = {"w": torch.tensor([[1.0, 3.0, 1.0], [1.0, 3.0, 2.0]], dtype=torch.float64)}
    solution = CG(max_steps=20)(Dense(matrix), b)
    assert solution.negative_curvature.tolist() == [True, False]
    assert solution.converged.tolist() == [False, True]
    torch.testing.assert_close(solution.value["w"][1], torch.ones(3, dtype=torch.float64))
    assert "negative curvature in 1" in str(solution)


def test_neumann_detects_a_diverging_series_and_keeps_the_best_sum():
    matrix = torch.stack(
        [torch.diag(torch.tensor([1.0, 5.0])), torch.diag(torch.tensor([1.0, 1.5]))]
    ).double()
    b = {"w": torch.ones(2, 2, dtype=torch.float64)}
    solution = Neumann(terms=500, step=1.0)(Dense(matrix), b)
    assert solution.diverged.tolist() == [True, False]
    assert solution.converged.tolist() == [False, True]
    assert float(solution.residual[0]) <= 1.0
    left = b["w"] - (Dense(matrix) @ solution.value)["w"]
    torch.testing.assert_close(left.norm(dim=1) / 2**0.5, solution.residual)
    for terms in (5, 6):  # what once diverged stays so while others go on
        assert Neumann(terms=terms, step=1.0)(Dense(matrix), b).diverged.tolist() == [True, False]


def test_neumann_terms_are_the_partial_sums():
    matrix, b = (
        torch.diag(torch.tensor([0.5, 1.5], dtype=torch.float64)),
        {"w": torch.ones(2, dtype=torch.float64)},
    )
    inner = torch.eye(2, dtype=torch.float64) - 0.4 * matrix
    total = 0.4 * sum(torch.linalg.matrix_power(inner, j) for j in range(6)) @ b["w"]
    torch.testing.assert_close(Neumann(terms=6, step=0.4)(Dense(matrix), b).value["w"], total)


def test_zero_right_hand_side_is_solved_by_zero():
    b = {"w": torch.zeros(2, 3)}
    for solver in (CG(), Neumann(), Exact()):
        solution = solver(Dense(torch.eye(3).expand(2, 3, 3)), b)
        assert bool(solution.converged.all())
        assert torch.equal(solution.value["w"], b["w"])


def test_nan_and_singular_operators_raise():
    with pytest.raises(NumericalError, match="finite right-hand side"):
        CG()(Dense(torch.eye(2)), {"w": torch.tensor([1.0, float("nan")])})
    with pytest.raises(NumericalError, match="invertible"):
        Exact()(Dense(torch.zeros(2, 2)), {"w": torch.ones(2)})
    assert bool(Exact()(Damped(Dense(torch.zeros(2, 2)), 0.5), {"w": torch.ones(2)}).converged)


@pytest.mark.parametrize("name", ["a", "b"])
def test_one_entry_that_is_not_finite_raises_whichever_tensor_it_is_in(name):
    class Overflowing(LinearSolver):
        def _solve(self, operator, b):
            no = torch.tensor(False)
            return Solution({**b, name: b[name] / 0}, no, 1, torch.ones(()), no, no)

    b = {"a": torch.ones(1), "b": torch.ones(1)}
    with pytest.raises(NumericalError, match="finite right-hand side"):
        CG()(Dense(torch.eye(2)), {**b, name: torch.tensor([torch.inf])})
    with pytest.raises(NumericalError, match="finite solution"):
        Overflowing()(Dense(torch.eye(2)), b)


def test_wrong_settings_name_the_law():
    with pytest.raises(InputError, match="`max_steps` must be at least 1"):
        CG(max_steps=0)
    with pytest.raises(InputError, match="`terms` must be at least 1"):
        Neumann(terms=0)
    for step in (-1.0, 0.0):
        with pytest.raises(InputError, match="`step` must be positive"):
            Neumann(step=step)
    with pytest.raises(InputError, match="`power_steps` must be at least 1"):
        Neumann(power_steps=0)
    for solver in (CG, Neumann, Exact):
        with pytest.raises(InputError, match="`tolerance` must be at least 0"):
            solver(tolerance=-1e-9)
    with pytest.raises(InputError, match="`steps` must be at least 1"):
        largest_eigenvalue(Dense(torch.eye(2)), {"w": torch.ones(2)}, steps=0)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_an_operator_of_any_scale_is_solved(scale):
    b = {"w": torch.tensor([3.0, 3.0])}
    matrix = Dense(scale * torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    for solver in (CG(), Neumann(terms=60), Exact()):
        solution = solver(matrix, b)
        assert bool(solution.converged)
        assert not bool(solution.negative_curvature)
        torch.testing.assert_close(scale * solution.value["w"], torch.ones(2))


@pytest.mark.parametrize("tiny", [0.0, 1e-9, -1e-9])
def test_curvature_within_rounding_of_zero_is_not_called_negative(tiny):
    """A product at right angles to its direction: pᵀ A p is 0, and says nothing of its sign."""
    swap, b = Dense(torch.tensor([[tiny, 1.0], [1.0, 0.0]])), {"w": torch.tensor([1.0, 0.0])}
    solution = CG()(swap, b)
    assert not bool(solution.negative_curvature)
    assert not bool(solution.converged)
    assert solution.steps == 1  # a block that stalls is asked no more
    assert bool(CG()(Dense(-torch.eye(2)), b).negative_curvature)
    # Of twice the digits it is a number as any other.
    exact = CG()(Dense(swap.matrix.double()), {"w": b["w"].double()})
    assert bool(exact.negative_curvature) == (tiny != 0)  # it is indefinite


def test_an_unguarded_series_sums_all_its_terms_even_where_it_diverges():
    matrix, b = torch.tensor([[-0.5]], dtype=torch.float64), {"w": torch.ones(1).double()}
    loose = Neumann(terms=4, step=1.0, guarded=False)(Dense(matrix), b)
    assert float(loose.value["w"]) == pytest.approx(1 + 1.5 + 1.5**2 + 1.5**3)
    assert not bool(loose.diverged.any())
    guarded = Neumann(terms=4, step=1.0)(Dense(matrix), b)
    assert guarded.steps == 1
    assert bool(guarded.diverged.all())
    assert float(guarded.value["w"]) == 0


def test_where_the_operator_is_zero_the_series_adds_b_up_and_says_that_it_did_not_converge():
    found = Neumann(terms=3)(Dense(torch.zeros(2, 2)), {"w": torch.tensor([1.0, 2.0])})
    assert found.value["w"].tolist() == [3.0, 6.0]
    assert not bool(found.converged | found.diverged)
    assert float(found.residual) == 1


def test_two_seeds_of_the_power_iteration_start_apart_and_one_repeats():
    matrix = Dense(torch.diag(torch.tensor([3.0, 2.9, 1.0])))
    like = {"w": torch.zeros(3)}
    first, again, other = (largest_eigenvalue(matrix, like, 2, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_the_dense_solve_says_where_an_operator_is_indefinite():
    matrix = torch.stack([torch.diag(torch.tensor([2.0, -0.5])), torch.eye(2)])
    found = Exact()(Dense(matrix), {"w": torch.ones(2, 2)})
    assert found.negative_curvature.tolist() == [True, False]
    assert found.diverged.tolist() == [False, False]
    assert found.value["w"].tolist() == [[0.5, -2.0], [1.0, 1.0]]
    assert bool(found.converged.all())


def test_where_curvature_vanishes_cg_stops_without_calling_it_negative():
    """Along the first right-hand side the operator's form is 0, within rounding."""
    b = {"w": torch.tensor([[1.0, 0.0], [1.0, 1.0]])}
    matrix = torch.stack([torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.eye(2)])
    found = CG()(Dense(matrix), b)
    assert found.negative_curvature.tolist() == [False, False]
    assert found.converged.tolist() == [False, True]


def test_a_solution_counts_the_products_that_it_took():
    b = {"w": torch.tensor([1.0, 2.0, 3.0])}
    unit, steep = Dense(torch.eye(3)), Dense(torch.diag(torch.tensor([1.0, 2.0, 4.0])))
    assert CG()(unit, b).steps == 1
    assert CG()(steep, b).steps == 3  # one for each distinct eigenvalue
    assert CG(max_steps=2)(steep, b).steps == 2
    assert Exact()(steep, b).steps == 3
    assert Neumann(terms=4, step=0.1, tolerance=0.0)(steep, b).steps == 4
    assert Neumann(terms=4, power_steps=7, tolerance=0.0)(steep, b).steps == 7 + 4


@pytest.mark.parametrize("make", [CG, lambda max_steps, **how: Neumann(max_steps, 0.3, **how)])
def test_a_solve_stops_at_the_first_residual_that_is_small_enough(make):
    matrix = Dense(torch.diag(torch.linspace(0.5, 3, 100, dtype=torch.float64)))
    b = {"w": torch.ones(100, dtype=torch.float64)}
    left = [float(make(max_steps=k, tolerance=0.0)(matrix, b).residual) for k in range(1, 20)]
    wanted = next(k for k, residual in enumerate(left, 1) if residual <= 0.1)
    found = make(max_steps=50, tolerance=0.1)(matrix, b)
    assert found.steps == wanted > 1
    assert float(found.residual) == pytest.approx(left[wanted - 1])
    assert 0.05 < float(found.residual) <= 0.1
    assert bool(found.converged)
    assert not bool(make(max_steps=wanted - 1, tolerance=0.1)(matrix, b).converged)


@pytest.mark.parametrize("solver", [CG(tolerance=1e-2), Neumann(50, 0.5, tolerance=1e-2)])
def test_a_block_that_is_done_does_not_move_while_others_go_on(solver):
    quick = torch.diag(torch.tensor([1.0, 1.5, 0.9]))
    slow = torch.diag(torch.tensor([0.02, 1.0, 1.9]))
    b = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    both = solver(Dense(torch.stack([quick, slow])), {"w": b})
    alone = solver(Dense(quick[None]), {"w": b[:1]})
    assert both.steps > alone.steps
    assert torch.equal(both.value["w"][:1], alone.value["w"])


def test_a_series_that_diverges_late_returns_its_best_partial_sum():
    """One residual shrinks tenfold a term, the other grows by 9 %: the second sum is best."""
    matrix = torch.diag(torch.tensor([1.0, -0.1], dtype=torch.float64))
    b = {"w": torch.tensor([1.0, 0.1], dtype=torch.float64)}
    found = Neumann(terms=60, step=0.9)(Dense(matrix), b)
    assert bool(found.diverged)
    left = torch.tensor([0.1**2, 0.1 * 1.09**2], dtype=torch.float64)
    torch.testing.assert_close(found.residual, left.norm() / b["w"].norm())
    sums = torch.tensor([0.9 * (1 + 0.1), 0.9 * 0.1 * (1 + 1.09)], dtype=torch.float64)
    torch.testing.assert_close(found.value["w"], sums)
    lengths = [math.hypot(0.1**k, 0.1 * 1.09**k) for k in range(60)]
    assert found.steps == next(k for k, length in enumerate(lengths) if length > lengths[0])
    # Until a residual is longer than b it proves nothing.
    short = Neumann(terms=10, step=0.9)(Dense(matrix), b)
    assert not bool(short.diverged)
    assert float(short.residual) == pytest.approx(lengths[10] / lengths[0])


@pytest.mark.parametrize("entries", [[-1e30, -1e-30], [3e38, -1e38], [1e-42, -1e-44]])
def test_entries_of_any_sign_and_size_are_scaled_by_the_largest(entries):
    b = {"w": torch.tensor(entries)}
    for solver in (CG(), Neumann(), Exact()):
        torch.testing.assert_close(solver(Dense(torch.eye(2)), b).value["w"], b["w"])


def test_an_operator_that_maps_all_to_zero_has_no_eigenvalue_but_zero():
    like = {"w": torch.ones(2, 3)}
    assert largest_eigenvalue(Dense(torch.zeros(2, 3, 3)), like).tolist() == [0, 0]


def test_a_solution_says_in_one_line_how_its_blocks_ended():
    ends = [[True, False, False], [False, True, False], [False, True, True]]
    converged, negative, diverged = (torch.tensor(end) for end in ends)
    residual = torch.tensor([0.0, 0.5, 0.25])
    assert str(Solution({}, converged, 7, residual, negative, diverged)) == (
        "1 of 3 converged in 7 steps, largest relative residual 5.00e-01, negative curvature in 1,"
        " diverging 2"
    )


def test_the_dense_solve_takes_the_matrix_as_it_is():
    """Not symmetric: its transpose has another solution, and half of it hides the curvature."""
    matrix = Dense(torch.tensor([[1.0, 10.0], [0.0, 1.0]]))
    found = Exact()(matrix, {"w": torch.tensor([21.0, 2.0])})
    assert found.value["w"].tolist() == [1.0, 2.0]
    assert bool(found.converged)
    assert bool(found.negative_curvature)  # (1, -1) A (1, -1)ᵀ = -8
    turn = Dense(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))  # invertible, and vᵀ A v = 0
    assert bool(Exact()(turn, {"w": torch.ones(2)}).negative_curvature)


def test_the_dense_solve_tells_what_rounding_left_of_each_block():
    """Hilbert's matrix, the one that rounding is hardest on, beside the identity."""
    index = torch.arange(6)
    matrix = torch.stack([1 / (1 + index + index[:, None]), torch.eye(6)])
    b = {"w": torch.tensor([[1.0], [100.0]]).expand(2, 6)}
    found = Exact(tolerance=1e-8)(Dense(matrix), b)
    missed = ((Dense(matrix) @ found.value)["w"] - b["w"]).norm(dim=1)
    torch.testing.assert_close(found.residual, missed / b["w"].norm(dim=1), rtol=1e-3, atol=0)
    assert float(found.residual[0]) > 1e-7
    assert found.converged.tolist() == [False, True]
    assert found.steps == 6
    assert not bool(found.diverged.any())


def test_the_power_iteration_starts_in_a_direction_that_favours_no_eigenvector():
    """Neither that of equal entries, nor that of equal tensors."""
    like = {"w": torch.zeros(400)}
    mean = Dense(torch.full((400, 400), 1 / 400))
    assert max(float(largest_eigenvalue(mean, like, 1, seed)) for seed in range(5)) < 0.3
    apart = Dense(torch.kron(torch.tensor([[0.5, -0.5], [-0.5, 0.5]]), torch.eye(3)))
    found = largest_eigenvalue(apart, {"a": torch.zeros(3), "b": torch.zeros(3)}, 2)
    assert float(found) == pytest.approx(1, rel=1e-5)


def test_without_a_step_a_series_takes_one_over_its_blocks_largest_eigenvalue():
    matrix = torch.stack(
        [torch.diag(torch.tensor([2.0, 0.1])), torch.diag(torch.tensor([8.0, 0.1]))]
    )
    b = torch.tensor([[1.0, 3.0], [1.0, 3.0]])
    found = Neumann(terms=1, power_steps=30)(Dense(matrix), {"w": b})
    torch.testing.assert_close(found.value["w"], b / torch.tensor([[2.0], [8.0]]))
