import multiprocessing
import os

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings

from graphcond.errors import BudgetError, NumericalError
from graphcond.masks import CappedSimplex
from graphcond.masks.projection import CLOSE, ROUNDING


def breakpoints(values):
    """Return the sorted shifts at which the clamped sum bends, and its values there, falling."""
    points = torch.cat([values, values - 1]).sort().values
    return points, torch.stack([(values - v).clamp(0, 1).sum() for v in points])


def by_breakpoints(values, budget, exact=False):
    """The textbook solution: evaluate the sum at every sorted breakpoint and interpolate."""
    values = values.double()
    points, sums = breakpoints(values)
    if not exact and values.clamp(0, 1).sum() <= budget:
        return values.clamp(0, 1)
    right = int((sums > budget).sum())
    if right == 0:
        return (values - points[0]).clamp(0, 1)
    low, high = points[right - 1], points[right]
    share = (sums[right - 1] - budget) / (sums[right - 1] - sums[right])
    return (values - (low + share * (high - low))).clamp(0, 1)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=40), st.floats(0, 1), st.booleans())
@example([0.0] * 5 + [1.0] * 3 + [1e-8], 1 / 3, False)
def test_equals_the_sorted_breakpoints(values, share, exact):
    values = torch.tensor(values, dtype=torch.float64)
    budget = share * len(values)
    found = CappedSimplex(budget, exact=exact).project(values)
    # A last step that bends on its way meets the budget up to the rounding that is promised.
    off = (breakpoints(values)[1] - budget).abs()
    bends = ((off > 0) & (off <= CLOSE * budget)).any()
    close = ROUNDING * max(budget, 1.0) if bends else 1e-9
    torch.testing.assert_close(found, by_breakpoints(values, budget, exact), atol=close, rtol=0)


def test_many_values_float32():
    draw = torch.Generator().manual_seed(0)
    for scale in (1e-3, 0.1, 10.0):
        values = 0.2 + scale * torch.randn(200_003, generator=draw)
        found = CappedSimplex(40_000.0, exact=True).project(values)
        assert found.dtype == torch.float32
        assert abs(float(found.double().sum()) - 40_000) < 0.05
        v = CappedSimplex(40_000.0, exact=True).shift(values.double())
        torch.testing.assert_close(
            found.double(), (values.double() - v).clamp(0, 1), atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(("ones", "last"), [(4_000, 0.0039), (100_000, 0.099)])
def test_a_step_over_many_breakpoints_is_not_taken_for_the_solution(ones, last, sharded):
    """At shift 0 one value lies inside and the sum is close: the Newton step would push all the
    ones below 1.
    """
    values = torch.tensor([1.0] * ones + [last])
    projected = CappedSimplex(float(ones), sharded=sharded).project(values)
    assert float(projected.double().sum()) == pytest.approx(ones, rel=1e-6)
    assert float(projected[0]) == pytest.approx(1.0, abs=1e-5)


def test_a_feasible_point_is_kept():
    values = torch.tensor([0.1, 0.9, 0.0, 1.0])
    assert torch.equal(CappedSimplex(2.0).project(values), values)
    assert torch.equal(CappedSimplex(9.0).project(values * 3), (values * 3).clamp(0, 1))


def test_a_budget_just_below_all_is_met_from_above():
    found = CappedSimplex(3.0).project(torch.tensor([1.0, 2.0, 1.0, 0.5]))
    torch.testing.assert_close(found, torch.tensor([5 / 6, 1, 5 / 6, 1 / 3]))


def test_projection_is_idempotent_and_nearest():
    draw = torch.Generator().manual_seed(1)
    values = torch.randn(50, generator=draw, dtype=torch.float64)
    simplex = CappedSimplex(7.0)
    found = simplex.project(values)
    torch.testing.assert_close(simplex.project(found), found)
    for _ in range(200):
        other = simplex.project(torch.randn(50, generator=draw, dtype=torch.float64))
        assert float((values - found).norm()) <= float((values - other).norm()) + 1e-12


@pytest.mark.parametrize(
    "values", [[0.5] * 4, [1.0, 1.0, 0.0, 0.0], [5.0, -5.0, 5.0, -5.0], [0.0] * 4]
)
@pytest.mark.parametrize("budget", [0.0, 1.0, 2.0, 4.0])
def test_ties_and_edges_of_the_domain(values, budget):
    values = torch.tensor(values, dtype=torch.float64)
    found = CappedSimplex(budget, exact=True).project(values)
    assert float(found.sum()) == pytest.approx(budget, abs=1e-9)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_empty_vector():
    assert CappedSimplex(1.0).project(torch.empty(0)).numel() == 0


def test_nan_and_bad_budgets_name_the_cure():
    with pytest.raises(NumericalError, match="learning rate"):
        CappedSimplex(1.0).project(torch.tensor([0.1, float("nan")]))
    with pytest.raises(BudgetError, match="budget"):
        CappedSimplex(-1.0)
    with pytest.raises(BudgetError, match="Enlarge the pool"):
        CappedSimplex(3.0, exact=True).project(torch.ones(2))


def _worker(rank, world, path, queue):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=world
    )
    values = torch.randn(1001, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    part = CappedSimplex(100.0, sharded=True).project(values.chunk(world)[rank])
    queue.put((rank, part.tolist()))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_shards_equal_one(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    workers = [
        context.Process(target=_worker, args=(rank, 2, tmp_path / "store", queue))
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    parts = dict(queue.get() for _ in workers)
    for worker in workers:
        worker.join()
    values = torch.randn(1001, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = torch.tensor(parts[0] + parts[1], dtype=torch.float64)
    torch.testing.assert_close(whole, CappedSimplex(100.0).project(values), atol=1e-9, rtol=0)
