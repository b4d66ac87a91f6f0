"""DConRec in numbers: inner steps, outer losses, starts, draws and records, written out."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from graphcond.condensers.dconrec import condenser as module
from graphcond.condensers.dconrec import one_step, outer_loss
from graphcond.condensers.dconrec.objective import ONE_EPOCH, RecommenderObjective
from graphcond.condensers.dconrec.one_step import UnrolledBPR, UnrolledObjective
from graphcond.condensers.dconrec.outer_loop import OuterLoop, State, optimise, resumed
from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.data import (
    EDGE,
    Checkpoint,
    train_edges,
    val_edges,
)
from graphcond.errors import InputError
from graphcond.masks import CappedSimplex
from graphcond.pools.pool import make_pool
from graphcond.seeding import derive, generator
from graphcond.training import BPR, BPRProgram, Fitted, Recommender, UniformNegatives, fit

USERS, ITEMS = 18, 14
MF = partial(nn.MF, dim=4)


def tables(dim=4):
    draw = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, dim, generator=draw) for n in (USERS, ITEMS))


def outer_of(data):
    seen = torch.cat([train_edges(data), val_edges(data)], 1)
    return OuterLoss(val_edges(data), UniformNegatives(seen, USERS, ITEMS), (USERS, ITEMS), 2)


def unrolled(data, start="proxy", steps=2, **changed):
    edges = train_edges(data)
    how = UnrolledBPR(steps=steps, learning_rate=0.3, start=start, dim=4)
    kept = torch.arange(edges.size(1)) < 3
    negatives = UniformNegatives(edges, USERS, ITEMS)
    made = UnrolledObjective(how, edges, kept, outer_of(data), negatives, tables(), 5)
    return replace(made, **changed)


def trained(objective, weight, start, seed):
    """Plain gradient steps on the weighted sum of the losses, by automatic differentiation."""
    users, items = objective.edges
    own = list(start)
    for step in range(objective.inner.steps):
        others = objective.negatives(users, generator(seed, "inner", step))
        own = [table.detach().requires_grad_() for table in own]
        margin = (own[0][users] * (own[1][items] - own[1][others])).sum(1)
        slopes = torch.autograd.grad((weight * softplus(-margin)).sum(), own)
        own = [table - 0.3 * slope for table, slope in zip(own, slopes)]
    return tuple(table.detach() for table in own)


@pytest.mark.parametrize("start", ["items", "proxy", "fresh"])
@pytest.mark.parametrize("block", [5, 1 << 14])
def test_inner_steps_descend_the_sum_of_the_kept_losses(start, block, women, monkeypatch):
    monkeypatch.setattr(one_step, "BLOCK", block)
    monkeypatch.setattr(outer_loss, "BLOCK", block)
    objective = unrolled(women, start)
    draw = torch.Generator().manual_seed(1)
    count = objective.edges.size(1)
    fresh = generator(5, "init")
    first = {
        "items": (torch.zeros(USERS, 4), tables()[1]),
        "proxy": tables(),
        "fresh": tuple(0.1 * torch.randn(n, 4, generator=fresh) for n in (USERS, ITEMS)),
    }[start]
    for _ in range(2):
        mask = torch.rand(count, generator=draw) < 0.5
        weight = (mask | objective.kept).float()
        wanted = objective.outer(trained(objective, weight, first, 5), 1, seed=5)
        torch.testing.assert_close(objective([mask]), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("start", ["items", "proxy", "fresh"])
@pytest.mark.parametrize("block", [7, 1 << 14])
def test_the_relaxed_loss_is_the_mean_outer_loss_after_those_steps(
    start, block, women, monkeypatch
):
    monkeypatch.setattr(one_step, "BLOCK", block)
    objective = unrolled(women, start)
    weight = torch.linspace(0, 1, objective.edges.size(1))
    own = derive(5, 8)
    fresh = generator(own, "init")
    first = {
        "items": (torch.zeros(USERS, 4), tables()[1]),
        "proxy": tables(),
        "fresh": tuple(0.1 * torch.randn(n, 4, generator=fresh) for n in (USERS, ITEMS)),
    }[start]
    used = torch.where(objective.kept, 1.0, weight)
    users, items = trained(objective, used, first, own)
    u, i, j = objective.outer.triplets(own)
    wanted = softplus(-(users[u] * (items[i] - items[j])).sum(1)).mean()
    assert float(objective.relaxed(weight, seed=8)) == pytest.approx(float(wanted), rel=1e-4)


def test_an_objective_is_of_the_pool_and_all_its_models_start_as_the_first(women):
    kept = torch.arange(73) % 9 == 0
    pool = pool_of(women, kept)
    settings = {"estimator": masks.Reinforce(samples=2), "outer": ValidationInteractions()}
    for inner in (ONE_EPOCH, UnrolledBPR(start="fresh", dim=4)):
        how = PolicyGradient(MF, pools.Observed(), ratio=0.4, inner=inner, **settings)
        objective = how.loop(women, pool).objective
        assert objective.edges is pool.edges
        assert objective.kept is kept
    many = replace(how, inner=ONE_EPOCH).loop(women, pool).objective
    made = MF(USERS, ITEMS, seed=derive(many.seed, "init"), num_models=3)
    found = many._model(3)
    for first, count, table in ((made.user, USERS, found.user), (made.item, ITEMS, found.item)):
        assert torch.equal(table, first[:count].repeat(3, 1))


def test_steps_of_the_outer_loop_have_seeds_of_their_own(women):
    objective = unrolled(women)
    assert objective.at(3).seed == derive(5, "step", 3)
    epoch = RecommenderObjective(
        MF, objective.edges, objective.kept, objective.outer, BPR(min_steps=1, rounds=1), 5
    )
    assert epoch.at(3).seed == derive(5, "step", 3)
    assert torch.equal(epoch.group, objective.edges[0])
    assert torch.equal(objective.group, objective.edges[0])


@pytest.mark.parametrize("factory", [MF, partial(nn.LightGCN, dim=4, num_layers=2)])
def test_an_epoch_is_one_of_bpr_on_what_is_kept(factory, women):
    edges, kept = train_edges(women), torch.arange(73) < 3
    recipe = BPR(min_steps=1, rounds=2, batch_size=16, learning_rate=0.05)
    objective = RecommenderObjective(factory, edges, kept, outer_of(women), recipe, seed=5)
    mask = torch.rand(73, generator=torch.Generator().manual_seed(1)) < 0.5
    model = factory(USERS, ITEMS, seed=derive(5, "init"))
    start = model.embeddings(model.graph(edges[:, :0]))
    untrained = float(objective.outer(start, 1, seed=5).sum().detach())
    assert objective.untrained() == pytest.approx(untrained, rel=1e-5)
    program = BPRProgram(model, edges[:, mask | kept], None, recipe, seed=derive(5, "inner", 0))
    fit(program, 2, None, description="inner")
    with torch.no_grad():
        wanted = objective.outer(model.embeddings(model.graph(edges[:, mask | kept])), 1, seed=5)
    torch.testing.assert_close(objective([mask]), wanted)
    both = objective._model(2)
    for table in both.parameters():
        half = table.size(0) // 2
        assert torch.equal(table[:half], table[half:])


def test_the_outer_loss_is_the_same_in_blocks_and_zero_of_nothing(women, monkeypatch):
    loss = outer_of(women)
    whole = loss(tables(), 1, seed=3)
    monkeypatch.setattr(outer_loss, "BLOCK", 3)
    torch.testing.assert_close(loss(tables(), 1, seed=3), whole)
    empty = replace(loss, edges=loss.edges[:, :0])
    assert empty(tables(), 1, seed=3).abs().max() == 0


def test_the_outer_loss_of_each_model_and_user_is_its_part_of_the_mean(women):
    loss, draw = outer_of(women), torch.Generator().manual_seed(2)
    users, items = (torch.randn(2 * n, 4, generator=draw) for n in (USERS, ITEMS))
    found = loss((users, items), 2, seed=3)
    u, i, j = loss.triplets(3)
    assert len(u) == 2 * val_edges(women).size(1)
    for model in range(2):
        p, q = users[model * USERS :][:USERS], items[model * ITEMS :][:ITEMS]
        each = softplus(-(p[u] * (q[i] - q[j])).sum(1)) / len(u)
        wanted = [each[u == user].sum() for user in range(USERS)]
        torch.testing.assert_close(found[model], torch.stack(wanted))


def test_the_papers_outer_loss_asks_for_the_validation_split(women):
    asked = ValidationInteractions().edges(women, pools.Observed()(women, seed=0), 0)
    assert torch.equal(asked, val_edges(women))


def test_who_took_nothing_has_no_favourites_and_short_shelves_shorten_lists(women):
    """User 4 took nothing, user 5 one item; of two proxies the first is asked."""
    data, edges = women.clone(), train_edges(women)
    one = (edges[0] == 5).nonzero()[0, 0]
    left = (edges[0] != 4) & ((edges[0] != 5) | (torch.arange(73) == one))
    data[EDGE].edge_index = edges[:, left]
    users, items = tables()
    proxies = (Recommender(users, items, Fitted()), Recommender(-users, items, Fitted()))
    pool = replace(pool_of(women), proxies=proxies)
    asked = TeacherFavourites(length=3).edges(data, pool, 0)
    assert torch.bincount(asked[0], minlength=USERS).tolist() == [3] * 4 + [0] + [3] * 13
    scores = users @ items.T
    scores[tuple(edges[:, left])] = -torch.inf
    for user in set(range(USERS)) - {4}:
        wanted = scores[user].topk(3).indices.tolist()
        assert asked[1, asked[0] == user].tolist() == wanted
    every = TeacherFavourites(length=99).edges(data, pool, 0)
    assert every.size(1) == 17 * ITEMS - int(left.sum())


def test_a_share_of_every_user_is_held_out_and_weights_go_with_the_rest(women):
    data = women.clone()
    edges = train_edges(data)
    data[EDGE].edge_weight = torch.arange(73.0)
    held = HeldOutInteractions(0.25).held_out(data, 3)
    names = set(zip(*held.tolist()))
    degree = torch.bincount(edges[0], minlength=USERS)
    taken = torch.bincount(held[0], minlength=USERS)
    assert bool((taken <= (0.25 * degree).ceil()).all())
    assert bool((taken >= (0.25 * degree).floor()).all())
    left = module._without(data, held)
    kept = [at for at, pair in enumerate(zip(*edges.tolist())) if pair not in names]
    assert torch.equal(train_edges(left), edges[:, kept])
    assert left[EDGE].edge_weight.tolist() == kept
    assert torch.equal(train_edges(data), edges)


class Told:
    """An objective that tells which step it is asked at."""

    def at(self, step):
        return step


@dataclass(frozen=True)
class Given(masks.Estimator):
    """An estimator of a known gradient, and what it was asked."""

    asked: tuple = ()

    def __call__(self, objective, mask, *, seed):
        self.asked[0].append((objective, seed))
        grad = torch.linspace(-2, 1, mask.probs.numel())
        return masks.Estimate(grad, 0.5 + objective, float("nan"), 0.25)


def loop_of(schedule, kept=None, budget=8.0):
    none = torch.zeros(20, dtype=torch.bool)
    edges = torch.stack([torch.zeros(20, dtype=torch.long), torch.arange(20)])
    origin = (torch.arange(20) >= 15).long()
    pool = pools.DataPool(edges, origin, none if kept is None else kept)
    asked = []
    loop = OuterLoop(
        Told(), pool, kept is not None, CappedSimplex(budget), Given((asked,)), schedule, 7
    )
    return loop, asked


def test_a_run_takes_the_steps_of_its_schedule():
    loop, asked = loop_of(Schedule(steps=4))
    state = optimise(loop, State(torch.full((20,), 0.4)), None)
    assert [step for step, _ in asked] == [record["step"] for record in state.history]
    assert len(optimise(loop, state, None).history) == 4


def test_masks_are_drawn_from_the_probabilities_as_they_stand(monkeypatch):
    loop, _ = loop_of(Schedule(steps=3, plain=True))
    state, seen, estimate = State(torch.linspace(0.1, 0.7, 20)), [], Given.__call__

    def watched(self, objective, mask, *, seed):
        seen.append(mask.probs.clone())
        assert torch.equal(mask.probs, state.probs)
        return estimate(self, objective, mask, seed=seed)

    monkeypatch.setattr(Given, "__call__", watched)
    optimise(loop, state, None)
    assert torch.equal(seen[0], torch.linspace(0.1, 0.7, 20))
    assert not torch.equal(seen[0], seen[2])


def test_a_run_starts_even_and_tells_its_first_and_last_loss(women, monkeypatch):
    def optimised(loop, state, checkpoint):
        torch.testing.assert_close(state.probs, torch.full((73,), 29 / 73))
        state.history += [{"loss": 3.0}, {"loss": 1.0}, {"loss": 2.0}]

    monkeypatch.setattr(module, "optimise", optimised)
    card = method(tail=Tail(threshold=0))(women).card
    assert (card["outer_loss_first"], card["outer_loss_last"]) == (3.0, 2.0)


def test_every_step_has_its_own_seed_rate_and_record():
    schedule = Schedule(steps=4, learning_rate=0.1, factor=0.5, every=2, plain=True)
    loop, asked = loop_of(schedule)
    state = State(torch.full((20,), 0.4))
    for _ in range(4):
        before = state.probs.clone()
        loop.step(state)
        record, probs = state.history[-1], state.probs
        rate = record["learning_rate"]
        moved = loop.simplex.project(before - rate * torch.linspace(-2, 1, 20))
        torch.testing.assert_close(probs, moved)
        assert record["step_norm"] == pytest.approx(float((probs - before).norm()) / rate)
        assert record["prob_observed"] == pytest.approx(float(probs[:15].mean()))
        assert record["prob_pseudo"] == pytest.approx(float(probs[15:].mean()))
        assert record["prob_spread"] == pytest.approx(float((probs * (1 - probs)).mean()))
        assert record["noise_level"] == pytest.approx(20**-0.5)
        assert (record["variance"], record["cosine"]) == (None, 0.25)
    assert [step for step, _ in asked] == list(range(4))
    assert [seed for _, seed in asked] == [derive(7, "masks", step) for step in range(4)]
    assert [record["loss"] for record in state.history] == [0.5, 1.5, 2.5, 3.5]
    rates = [record["learning_rate"] for record in state.history]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])


@pytest.mark.parametrize("plain", [True, False])
def test_what_is_always_kept_stays_at_one_and_leaves_the_rest_of_the_budget(plain):
    """Among the others it is a step of their own, Adam's on the gradient less their own mean."""
    kept = torch.arange(20) % 5 == 0
    loop, _ = loop_of(Schedule(steps=1, learning_rate=0.05, plain=plain), kept)
    start = torch.where(kept, 1.0, 4 / 16)
    state = State(start.clone())
    loop.step(state)
    grad = torch.linspace(-2, 1, 20)[~kept]
    free = start[~kept].requires_grad_()
    if plain:
        moved = free.detach() - 0.05 * grad
    else:
        free.grad = grad - grad.mean()
        torch.optim.Adam([free], lr=0.05).step()
        moved = free.detach()
    assert (state.probs[kept] == 1).all()
    wanted = CappedSimplex(4.0).project(moved)
    torch.testing.assert_close(state.probs[~kept], wanted, rtol=0, atol=1e-5)
    mapping = start[~kept] - CappedSimplex(4.0).project(start[~kept] - 0.05 * grad)
    norm = float(mapping.detach().norm()) / 0.05
    assert state.history[0]["mapping_norm"] == pytest.approx(norm, rel=1e-3)


@pytest.mark.parametrize("centred", [True, False])
def test_adam_sees_the_gradient_less_its_mean_where_it_is_centred(centred):
    loop, _ = loop_of(Schedule(steps=2, learning_rate=0.05, centred=centred), budget=20.0)
    state, own = State(torch.full((20,), 0.5)), torch.full((20,), 0.5).requires_grad_()
    adam = torch.optim.Adam([own], lr=0.05)
    for _ in range(2):
        loop.step(state)
        grad = torch.linspace(-2, 1, 20)
        own.grad = grad - grad.mean() if centred else grad
        adam.step()
    torch.testing.assert_close(state.probs, own.detach(), rtol=0, atol=1e-5)


def test_an_interrupt_keeps_the_steps_that_were_finished(tmp_path, monkeypatch):
    loop, _ = loop_of(Schedule(steps=5))
    state, step = State(torch.full((20,), 0.4)), OuterLoop.step

    def stopping(self, state):
        if len(state.history) == 2:
            raise KeyboardInterrupt
        step(self, state)

    monkeypatch.setattr(OuterLoop, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        optimise(loop, state, Checkpoint(tmp_path / "c", "same"))
    found, pool = resumed(Checkpoint(tmp_path / "c", "same"))
    assert [record["step"] for record in found.history] == [0, 1]
    assert torch.equal(found.probs, state.probs)
    assert torch.equal(pool.origin, loop.pool.origin)
    assert resumed(None) is None


def method(**changed):
    settings = {"ratio": 0.4, "control": 0, "outer": ValidationInteractions(), **changed}
    return PolicyGradient(MF, pools.Observed(), inner=UnrolledBPR(start="fresh", dim=4), **settings)


def pool_of(data, kept=None):
    made = pools.Observed()(data, seed=0)
    return made if kept is None else replace(made, kept=kept)


def test_probabilities_start_even_and_spend_the_budget(women):
    kept = torch.arange(73) < 5
    honest = method()
    budget = honest.budget(women)
    start = honest._start(honest.loop(women, pool_of(women, kept)))
    torch.testing.assert_close(start, torch.where(kept, 1.0, (budget - 5) / 68))
    extra = method(tail=Tail(budget="extra"))
    start = extra._start(extra.loop(women, pool_of(women, kept)))
    torch.testing.assert_close(start, torch.full((73,), budget / 73))
    wide = method(tail=Tail(budget="extra"), cap="pool", ratio=0.6)
    pairs = torch.stack([torch.arange(100) % 18, torch.arange(100) % 14])
    bigger = pools.DataPool(pairs, torch.zeros(100), torch.zeros(100, dtype=torch.bool))
    assert wide.loop(women, bigger).simplex.budget == 60.0
    assert method(ratio=0.6).loop(women, bigger).simplex.budget == 43.0


@dataclass(frozen=True)
class Everything(masks.Draw):
    """A draw that keeps all there is."""

    def __call__(self, probs, size, *, seed):
        return torch.ones_like(probs, dtype=torch.bool)


def test_what_is_over_the_budget_is_taken_off_at_random_but_never_from_the_tail(women):
    kept = torch.arange(73) % 9 == 0
    found = []
    for seed in range(3):
        how = method(draw=Everything(), seed=seed)
        mask = how._final_mask(torch.full((73,), 0.4), pool_of(women, kept), 29.0)
        assert int(mask.sum()) == 29
        assert mask[kept].all()
        found.append(tuple(mask.tolist()))
    assert len(set(found)) == 3
    fits = [method(seed=s)._final_mask(torch.full((73,), 0.4), pool_of(women), 29) for s in (0, 1)]
    assert not torch.equal(*fits)
    extra = method(draw=Everything(), tail=Tail(budget="extra"))
    assert extra._final_mask(torch.full((73,), 0.4), pool_of(women, kept), 29.0).all()


def test_the_card_counts_what_was_selected_and_what_is_in_the_tail():
    edges = torch.stack([torch.zeros(6, dtype=torch.long), torch.arange(6)])
    origin = torch.tensor([0, 0, 0, 1, 1, 1])
    kept = torch.tensor([1, 0, 0, 0, 0, 1]).bool()
    chosen = torch.tensor([1, 1, 0, 1, 1, 0]).bool()
    probs = torch.tensor([1.0, 0.5, 0.25, 0.25, 0.75, 1.0])
    pool = pools.DataPool(edges, origin, kept)
    assert module._sizes(chosen, probs, pool) == {
        "num_pool": 6,
        "num_pool_pseudo": 3,
        "num_selected": 4,
        "num_tail": 2,
        "num_selected_and_tail": 1,
        "share_pseudo": pytest.approx(3 / 5),
        "mean_prob_observed": 0.375,
        "mean_prob_pseudo": 0.5,
    }
    none = pools.DataPool(edges, 0 * origin, kept)
    assert module._sizes(chosen, probs, none)["mean_prob_pseudo"] is None


def test_a_proxy_is_there_where_it_is_needed_and_only_the_first(women):
    proxies = (Recommender(*tables(), Fitted()), Recommender(*tables(), Fitted()))

    class Given(pools.PoolBuilder):
        def __call__(self, data, *, seed):
            return replace(pool_of(data), proxies=proxies)

    for outer, start, needed in (
        (TeacherFavourites(), "fresh", True),
        (ValidationInteractions(), "items", True),
        (ValidationInteractions(), "proxy", True),
        (ValidationInteractions(), "fresh", False),
    ):
        how = PolicyGradient(MF, Given(), ratio=0.4, outer=outer, inner=UnrolledBPR(start=start))
        pool = how._pool(women)
        assert pool.proxies == (proxies[:1] if needed else ())
        wanted = (proxies[0].users, proxies[0].items) if needed else None
        found = how.loop(women, pool).objective.proxy
        assert all(map(torch.equal, found, wanted)) if needed else found is None


@pytest.mark.parametrize("seed", [0, 3])
def test_what_is_held_out_is_asked_for_and_not_to_be_kept(seed, women):
    how = method(outer=HeldOutInteractions(0.3), seed=seed)
    pool = how._pool(women)
    asked = how.loop(women, pool).objective.outer.edges
    both = torch.cat([pool.edges, asked], 1).T.tolist()
    assert sorted(both) == sorted(train_edges(women).T.tolist())


def test_a_pool_that_is_smaller_than_the_budget_is_refused(women):
    class Few(pools.PoolBuilder):
        def __call__(self, data, *, seed):
            return make_pool(train_edges(data)[:, :28], 0)

    with pytest.raises(InputError, match="= 29 interactions, but it holds 28"):
        PolicyGradient(MF, Few(), ratio=0.4)._pool(women)


def test_without_a_control_nothing_is_trained_and_a_single_one_is_told_as_it_is(women, monkeypatch):
    scores = iter([0.4, 0.4, 0.5, 0.1])
    monkeypatch.setattr(
        module,
        "fit_recommender",
        lambda *_, **__: Recommender(*tables(), Fitted(best_score=next(scores))),
    )
    pool, chosen = pool_of(women), torch.arange(73) < 20
    assert method(control=0)._control(women, pool, chosen) == {}
    one = method(control=1)._control(women, pool, chosen)
    assert one["beats_random_of_its_size"] is False  # a tie is no win
    assert one["control_has_seen_validation"] is True
    other = method(control=1, outer=HeldOutInteractions())._control(women, pool, chosen)
    assert other["beats_random_of_its_size"] is True
    assert other["control_has_seen_validation"] is False


def test_random_sets_of_the_control_keep_the_tail_and_differ(women, monkeypatch):
    scores, seen = iter([0.1, 0.4, 0.2, 0.5, 0.6, 0.3] * 2), []

    def fitted(factory, train, val, **_):
        seen.append(set(zip(*train_edges(train).tolist())))
        return Recommender(*tables(), Fitted(best_score=next(scores)))

    monkeypatch.setattr(module, "fit_recommender", fitted)
    kept = torch.arange(73) % 9 == 0
    pool, chosen = pool_of(women, kept), kept | (torch.arange(73) < 20)
    tail = set(zip(*pool.edges[:, kept].tolist()))
    for seed in (0, 1):
        facts = method(control=3, seed=seed)._control(women, pool, chosen)
        assert facts["validation_ndcg@10"] == pytest.approx(0.3)
        assert facts["validation_ndcg@10_random"] == pytest.approx(0.4)
    assert {len(each) for each in seen} == {int(chosen.sum())}
    assert all(tail <= each for each in seen)
    assert len({frozenset(each) for each in seen[1::2]}) == 6


def test_the_control_and_the_result_are_of_the_selected_and_the_tail(women, monkeypatch):
    seen = []
    monkeypatch.setattr(
        PolicyGradient,
        "_control",
        lambda self, data, pool, chosen: seen.append((pool, chosen)) or {},
    )
    how = method(tail=Tail(threshold=4, budget="extra"), schedule=Schedule(steps=0), ratio=0.2)
    small = how(women)
    ((pool, chosen),) = seen
    assert 0 < int(pool.kept.sum()) < int(chosen.sum())
    assert chosen[pool.kept].all()
    assert torch.equal(train_edges(small), pool.edges[:, chosen])
    card = small.card
    both = card["num_selected"] + card["num_tail"] - card["num_selected_and_tail"]
    assert both == int(chosen.sum())
    assert card["num_selected"] == int(0.2 * 73)
