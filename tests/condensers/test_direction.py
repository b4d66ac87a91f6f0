"""Every learner of interactions goes down what it says it lowers, and the best is not the worst."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import softplus

from graphcond import masks, nn, pools
from graphcond.condensers import (
    HeldOutInteractions,
    PolicyGradient,
    Schedule,
    Tail,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.condensers.dconrec import condenser as condenser_module
from graphcond.condensers.dconrec.objective import RecommenderObjective
from graphcond.condensers.dconrec.one_step import UnrolledBPR, UnrolledObjective
from graphcond.condensers.dconrec.outer_loop import OuterLoop, State
from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.data import load, split_interactions, train_edges, val_edges
from graphcond.masks import CappedSimplex
from graphcond.training import BPR, Fitted, Recommender, UniformNegatives

USERS, ITEMS = 12, 10


MF = partial(nn.MF, dim=4)


@pytest.fixture(scope="module")
def women():
    return split_interactions(load("southern-women"), seed=0)


def tastes():
    """Two tastes: even users take even items, odd users odd ones; every other pair is noise."""
    user, item = torch.meshgrid(torch.arange(USERS), torch.arange(ITEMS), indexing="ij")
    good = (user + item) % 2 == 0
    return good.nonzero().T, (~good & (item < 4)).nonzero().T


def outer(held, seen, repeats=4):
    return OuterLoss(held, UniformNegatives(seen, USERS, ITEMS), (USERS, ITEMS), repeats)


def test_the_outer_loss_is_the_mean_bpr_loss_of_held_out_interactions():
    held, seen = tastes()[0][:, :7], tastes()[0]
    loss, draw = outer(held, seen, repeats=3), torch.Generator().manual_seed(0)
    tables = [torch.randn(2 * n, 4, generator=draw) for n in (USERS, ITEMS)]
    found = loss(tuple(tables), 2, seed=5)
    users, items, others = loss.triplets(5)
    assert users.numel() == 3 * 7
    for k in range(2):
        p, q = tables[0][k * USERS : (k + 1) * USERS], tables[1][k * ITEMS : (k + 1) * ITEMS]
        each = softplus((p[users] * (q[others] - q[items])).sum(1))
        assert float(found[k].sum()) == pytest.approx(float(each.mean()), rel=1e-5)
        for user in (0, 1, 5):
            own = each[users == user].sum() / len(each)
            assert float(found[k, user]) == pytest.approx(float(own), abs=1e-6)
    assert not torch.equal(others, loss.triplets(6)[2])
    assert torch.equal(others, loss.triplets(5)[2])


def test_tables_that_rank_well_have_a_low_outer_loss():
    held, seen = tastes()[0][:, ::3], tastes()[0]
    good = torch.zeros(USERS, ITEMS)
    good[tuple(seen)] = 3.0
    losses = [
        float(outer(held, seen)((t, torch.eye(ITEMS)), 1, seed=0).sum()) for t in (good, -good)
    ]
    assert losses[0] < math.log(2) < losses[1]


def inner_trainings():
    real, noise = tastes()
    edges, kept = torch.cat([real, noise], 1), torch.zeros(60 + 24, dtype=torch.bool)
    loss = outer(real[:, ::3], real)
    draw = torch.Generator().manual_seed(0)
    proxy = (torch.randn(USERS, 4, generator=draw), torch.randn(ITEMS, 4, generator=draw))
    epoch = RecommenderObjective(
        MF, edges, kept, loss, BPR(batch_size=8, min_steps=1, rounds=30), seed=0
    )
    trainings = [("an epoch", epoch)]
    for start in ("items", "proxy", "fresh"):
        how = UnrolledBPR(steps=3, learning_rate=0.3, start=start, dim=4)
        negatives = UniformNegatives(edges, USERS, ITEMS)
        trainings.append((start, UnrolledObjective(how, edges, kept, loss, negatives, proxy)))
    return [pytest.param(objective, id=name) for name, objective in trainings]


@pytest.mark.parametrize("objective", inner_trainings())
def test_inner_training_descends(objective):
    """A model trained on what users like has a lower outer loss than an untrained one, and than one
    trained on what they do not like.
    """
    count = objective.edges.size(1)
    masks_ = [torch.arange(count) < 60, torch.arange(count) >= 60]
    good, bad = (float(loss) for loss in objective(masks_).sum(1))
    assert good < math.log(2) - 0.02
    assert good < bad - 0.05
    assert torch.equal(objective(masks_), objective(masks_))
    assert not torch.equal(objective(masks_), objective.at(1)(masks_))
    assert not torch.equal(objective.at(0)(masks_), objective.at(1)(masks_))


def test_what_is_kept_is_trained_on_whatever_the_mask():
    (epoch,) = inner_trainings()[0].values
    liked = torch.arange(84) < 60
    nothing = torch.zeros(84, dtype=torch.bool)
    always = replace(epoch, kept=liked)
    assert torch.equal(always([nothing]), epoch([liked]))
    assert not torch.equal(epoch([nothing]), epoch([liked]))


@pytest.mark.parametrize("objective", inner_trainings()[1:])
def test_the_relaxed_loss_falls_with_what_helps(objective):
    """More of what users like lowers it, more of what they do not like does not."""
    weight = torch.full((84,), 0.5)
    losses = {}
    for name, end in (("liked", slice(0, 60)), ("disliked", slice(60, 84))):
        more = weight.clone()
        more[end] = 1.0
        losses[name] = float(objective.relaxed(more, seed=0))
    assert losses["liked"] < losses["disliked"]
    assert float(objective.relaxed(weight, seed=0)) != float(objective.relaxed(weight, seed=1))


class Planted:
    """A loss of a mask that is known: the share of harmful interactions among those kept."""

    group = torch.zeros(20, dtype=torch.long)

    def at(self, step):
        return self

    def __call__(self, draws):
        harm = torch.linspace(-1, 1, 20)
        return torch.stack([(mask.float() * harm).sum() for mask in draws])[:, None]

    def relaxed(self, weight, *, seed):
        return (weight * torch.linspace(-1, 1, 20).to(weight)).sum()


@pytest.mark.parametrize(
    "estimator",
    [
        masks.OneStep(samples=2),
        masks.Reinforce(samples=16),
        masks.MeanBaseline(samples=16),
        masks.LeaveOneOut(samples=16),
        masks.PerUser(samples=16),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("centred", [True, False])
def test_the_outer_loop_keeps_what_helps(estimator, centred):
    edges = torch.stack([torch.zeros(20, dtype=torch.long), torch.arange(20)])
    none = torch.zeros(20, dtype=torch.bool)
    pool = pools.DataPool(edges, torch.zeros(20, dtype=torch.long), none)
    schedule = Schedule(steps=25, learning_rate=0.1, every=100, centred=centred)
    loop = OuterLoop(Planted(), pool, False, CappedSimplex(8.0), estimator, schedule, 0)
    state = State(torch.full((20,), 0.4))
    for _ in range(25):
        loop.step(state)
    assert state.probs[:8].mean() > 0.7
    assert state.probs[12:].mean() < 0.2
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_two_outer_loops_of_one_seed_agree_and_of_two_do_not():
    edges = torch.stack([torch.zeros(20, dtype=torch.long), torch.arange(20)])
    none = torch.zeros(20, dtype=torch.bool)
    pool = pools.DataPool(edges, torch.zeros(20, dtype=torch.long), none)
    found = []
    for seed in (0, 0, 1):
        how = (masks.LeaveOneOut(samples=2), Schedule(steps=2), seed)
        loop = OuterLoop(Planted(), pool, False, CappedSimplex(8.0), *how)
        state = State(torch.full((20,), 0.4))
        for _ in range(2):
            loop.step(state)
        found.append(state.probs)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_what_is_held_out_of_outer_losses_is_not_trained_on(women):
    """Every outer loss ranks interactions that its inner training cannot keep."""
    how = PolicyGradient(MF, pools.Observed(), ratio=0.4, control=0)
    pool = how._pool(women)
    loop = how.loop(women, pool)
    asked = loop.objective.outer.edges
    assert not set(zip(*asked.tolist())) & set(zip(*pool.edges.tolist()))


def test_every_outer_loss_asks_for_the_interactions_it_names(women):
    """The validation split; a share of the training interactions, which leave the pool; or what the
    proxy ranks first among the unobserved.
    """
    pool = PolicyGradient(MF, pools.Observed(), ratio=0.4)._pool(women)
    assert torch.equal(ValidationInteractions().edges(women, pool, 0), val_edges(women))
    training = set(zip(*train_edges(women).tolist()))
    held = [HeldOutInteractions(0.2).edges(women, pool, seed) for seed in (0, 0, 1)]
    assert set(zip(*held[0].tolist())) < training
    assert held[0].size(1) == pytest.approx(0.2 * len(training), abs=10)
    assert torch.equal(held[0], held[1])
    assert set(zip(*held[0].tolist())) != set(zip(*held[2].tolist()))
    proxy = pool.proxies[0]
    scores = (proxy.users @ proxy.items.T).index_put(
        tuple(train_edges(women)), torch.tensor(-torch.inf)
    )
    asked = set(zip(*TeacherFavourites(length=2).edges(women, pool, 0).tolist()))
    best = scores.topk(2, dim=1).indices
    assert asked == {(user, int(item)) for user in range(len(best)) for item in best[user]}


FEW = pools.ProxyTopK(MF, ratio=0.1, recipe=BPR(rounds=2))


def kept_set(**settings):
    return PolicyGradient(MF, pools.Union(pools.Observed(), FEW), ratio=0.4, **settings)


def test_outer_negatives_are_in_no_interaction_that_is_known_and_inner_ones_outside_the_pool(women):
    method = kept_set(control=0)
    objective = method.loop(women, method._pool(women)).objective
    users = torch.arange(18).repeat(200)
    known = set(zip(*torch.cat([train_edges(women), val_edges(women)], 1).tolist()))
    drawn = objective.outer.negatives(users, torch.Generator().manual_seed(0))
    assert not set(zip(users.tolist(), drawn.tolist())) & known
    pool = method._pool(women)
    wide = torch.cat([pool.edges, pool.edges.roll(1, 1)], 1).unique(dim=1)
    size = wide.size(1)
    bigger = pools.DataPool(
        wide, torch.zeros(size).long(), torch.zeros(size, dtype=torch.bool), pool.proxies
    )
    inner = method.loop(women, bigger).objective.negatives
    left = torch.bincount(wide[0], minlength=18) < 14
    users = torch.arange(18)[left].repeat(100)
    drawn = inner(users, torch.Generator().manual_seed(0))
    assert not set(zip(users.tolist(), drawn.tolist())) & set(zip(*wide.tolist()))


def test_the_final_set_is_what_the_probabilities_prefer(women):
    method = kept_set(tail=Tail(threshold=0))
    pool = method._pool(women)
    budget = method.budget(women)
    liked = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))[:budget]
    probs = torch.zeros(len(pool)).index_fill(0, liked, 1.0)
    assert torch.equal(method._final_mask(probs, pool, float(budget)), probs.bool())


def test_the_control_compares_with_a_random_set_on_validation(women, monkeypatch):
    """Same seed and what is left out; the learned set must beat every random one."""
    seen = []

    def fitted(factory, train, val, *, exclude, seed):
        seen.append((train_edges(train), val, exclude, seed))
        score = 0.5 if len(seen) % 2 else 0.2
        return Recommender(torch.ones(1, 1), torch.ones(1, 1), Fitted(best_score=score))

    method = kept_set(control=2, tail=Tail(threshold=0))
    pool = method._pool(women)
    monkeypatch.setattr(condenser_module, "fit_recommender", fitted)
    chosen = torch.arange(len(pool)) < 20
    facts = method._control(women, pool, chosen)
    assert facts["validation_ndcg@10"] == pytest.approx(0.5)
    assert facts["validation_ndcg@10_random"] == pytest.approx(0.2)
    assert facts["beats_random_of_its_size"] is True
    assert [seen[0][3], seen[2][3]] == [seen[1][3], seen[3][3]]
    assert seen[0][3] != seen[2][3]
    for train, val, exclude, _ in seen:
        assert train.size(1) == 20
        assert torch.equal(val, val_edges(women))
        assert torch.equal(exclude, train_edges(women))
    assert torch.equal(seen[0][0], pool.edges[:, chosen])
    seen.append(None)  # now the random ones get the higher score
    assert method._control(women, pool, chosen)["beats_random_of_its_size"] is False


def test_the_tail_is_counted_in_the_pool_or_in_training_as_told(women, monkeypatch):
    seen, keep = [], condenser_module.keep_tail

    def spy(pool, users, **named):
        seen.append(named)
        return keep(pool, users, **named)

    monkeypatch.setattr(condenser_module, "keep_tail", spy)
    for of, budget in (("pool", "included"), ("training", "extra")):
        tail = Tail(threshold=3, of=of, budget=budget)
        method = kept_set(tail=tail, control=0, schedule=Schedule(steps=0))
        method.condense(women)
        limit = method.budget(women) // 2 if budget == "included" else None
        assert seen[-1] == {"threshold": 3, "of": of, "limit": limit}


def test_gradients_of_what_is_always_kept_move_nothing(women):
    """Under an honest budget they are taken out before the mean is."""
    edges = torch.stack([torch.zeros(20, dtype=torch.long), torch.arange(20)])
    kept = torch.arange(20) < 4
    pool = pools.DataPool(edges, torch.zeros(20, dtype=torch.long), kept)
    found = []
    for extra in (0.0, 1e3):

        class Estimator(masks.OneStep):
            def __call__(self, objective, mask, *, seed, extra=extra):
                grad = torch.linspace(-1, 1, 20) + extra * kept
                return masks.Estimate(grad, 0.0, 0.0, 0.0)

        loop = OuterLoop(
            Planted(), pool, True, CappedSimplex(10.0), Estimator(), Schedule(steps=3), 0
        )
        state = State(torch.where(kept, 1.0, 6 / 16))
        for _ in range(3):
            loop.step(state)
        found.append(state.probs.clone())
        assert (state.probs[kept] == 1).all()
        assert state.history[0]["mapping_norm"] < 100
    torch.testing.assert_close(found[0], found[1])


def test_the_record_tells_observed_from_pseudo_and_first_from_last(women):
    edges = torch.stack([torch.zeros(20, dtype=torch.long), torch.arange(20)])
    origin = (torch.arange(20) >= 10).long()
    pool = pools.DataPool(edges, origin, torch.zeros(20, dtype=torch.bool))
    loop = OuterLoop(
        Planted(), pool, False, CappedSimplex(8.0), masks.OneStep(), Schedule(steps=5), 0
    )
    state = State(torch.full((20,), 0.4))
    for _ in range(5):
        loop.step(state)
    record = state.history[-1]
    assert record["prob_observed"] == pytest.approx(float(state.probs[:10].mean()), rel=1e-5)
    assert record["prob_pseudo"] == pytest.approx(float(state.probs[10:].mean()), rel=1e-5)
    facts = kept_set()._losses(loop, state)
    losses = [entry["loss"] for entry in state.history]
    assert (facts["outer_loss_first"], facts["outer_loss_last"]) == (losses[0], losses[-1])
    assert losses[0] != losses[-1]
