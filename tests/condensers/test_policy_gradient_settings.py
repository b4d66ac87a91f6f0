"""What settings reach, which are refused, and what leaves the pool."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from graphcond import masks, pools
from graphcond.condensers import Tail
from graphcond.condensers.dconrec.condenser import PolicyGradient
from graphcond.condensers.dconrec.one_step import UnrolledBPR
from graphcond.condensers.dconrec.outer_loop import OuterLoop, Schedule, State
from graphcond.condensers.dconrec.outer_loss import HeldOutInteractions, TeacherFavourites
from graphcond.data import EDGE, num_items, num_users, train_edges, without_test
from graphcond.errors import InputError
from tests.condensers.learned_masks import MF, POOL, condenser, interactions


@pytest.mark.parametrize("form", [PolicyGradient.published, PolicyGradient.released])
def test_settings_of_the_papers_method_reach_both_of_its_forms(form):
    method = form(MF, POOL, ratio=0.3, threshold=7, steps=9, seed=5)
    assert (method.ratio, method.tail.threshold, method.schedule.steps, method.seed) == (
        *(0.3, 7, 9),
        5,
    )


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"dim": 0}, {"learning_rate": 0.0}, {"init_std": 0.0}, {"start": "any"}]
)
def test_an_unrolled_training_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match="must be"):
        UnrolledBPR(**wrong)


def test_what_leaves_the_pool_takes_its_origin_along():
    data = without_test(interactions())
    method = condenser(outer=HeldOutInteractions(0.25), tail=Tail(threshold=0))
    pool = method._pool(data)
    held = HeldOutInteractions(0.25).held_out(data, method.seed)
    known = set(zip(*train_edges(data).tolist())) - set(zip(*held.tolist()))
    observed = [pair in known for pair in zip(*pool.edges.tolist())]
    assert (pool.origin == 0).tolist() == observed
    assert 0 < sum(observed) < len(pool)


class Everything(pools.PoolBuilder):
    """Every pair there is, whatever the data."""

    def __call__(self, data, *, seed):
        """Return it."""
        pairs = torch.cartesian_prod(torch.arange(num_users(data)), torch.arange(num_items(data)))
        return pools.make_pool(pairs.T, pools.PSEUDO)


def test_what_is_held_out_leaves_a_pool_that_proposes_it():
    data = without_test(interactions())
    method = replace(condenser(outer=HeldOutInteractions(0.25)), pool=Everything())
    held = set(zip(*HeldOutInteractions(0.25).held_out(data, method.seed).tolist()))
    pool = method._pool(data)
    assert len(pool) == num_users(data) * num_items(data) - len(held)
    assert not held & set(zip(*pool.edges.tolist()))


def test_nothing_is_compared_without_validation_interactions():
    data = without_test(interactions())
    data[EDGE].val_edge_index = torch.empty(2, 0, dtype=torch.long)
    pool = Everything()(data, seed=0)
    chosen = torch.arange(len(pool)) < 9
    assert condenser(control=1)._control(data, pool, chosen) == {}


def test_rates_may_stay_and_schedules_out_of_range_are_refused():
    assert Schedule(factor=1.0, every=1, floor=0.0).at(7) == Schedule().learning_rate
    assert Schedule(floor=0.1, learning_rate=0.1).at(99) == 0.1
    for wrong in (
        *({"steps": -1}, {"learning_rate": 0.0, "floor": 0.0}, {"factor": 0.0}, {"factor": 1.1}),
        *({"every": 0}, {"floor": -0.1}, {"floor": 0.2}),
    ):
        with pytest.raises(InputError, match="A schedule must have"):
            Schedule(**wrong)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_outer_interactions_out_of_range_are_refused(share):
    with pytest.raises(InputError, match="`share` must be"):
        HeldOutInteractions(share)
    with pytest.raises(InputError, match="`length` must be at least 1"):
        TeacherFavourites(length=0)


def test_a_plain_step_is_projected_from_where_the_gradient_leads():
    """Not from where it was cut to [0, 1]: that is another point of the simplex."""
    pool = pools.make_pool(torch.tensor([[0, 0, 0], [0, 1, 2]]), 0)
    gradient = torch.tensor([-2.0, 0.0, 0.0])
    loop = OuterLoop(
        SimpleNamespace(at=lambda step: None),
        pool,
        False,
        masks.CappedSimplex(1.5),
        lambda *_, seed: masks.Estimate(gradient.clone(), 0.0, 0.0, 0.0),
        Schedule(steps=1, learning_rate=1.0, plain=True),
        0,
    )
    state = State(torch.full((3,), 0.5))
    loop.step(state)
    torch.testing.assert_close(state.probs, torch.tensor([1.0, 0.25, 0.25]))
    assert state.history[0]["mapping_norm"] == pytest.approx(0.375**0.5)


@pytest.mark.parametrize(("fixed", "left"), [(False, [3.0, -2.0, -1.0]), (True, [0.0, -0.5, 0.5])])
def test_the_mean_that_is_taken_off_is_that_of_what_can_move(fixed, left):
    pool = pools.make_pool(torch.tensor([[0, 0, 0], [0, 1, 2]]), 0)
    pool = replace(pool, kept=torch.tensor([True, False, False]))
    loop = OuterLoop(None, pool, fixed, masks.CappedSimplex(2.0), None, Schedule(), 0)
    gradient = torch.tensor([0.0 if fixed else 6.0, 1.0, 2.0])
    loop._centre(gradient)
    assert gradient.tolist() == left
