"""DConRec's runs in numbers: starts, steps, draws, budgets, controls and records."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from graphcond import masks, pools
from graphcond.condensers import (
    HeldOutInteractions,
    PolicyGradient,
    Schedule,
    Tail,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.condensers.dconrec import condenser as module
from graphcond.condensers.dconrec.one_step import UnrolledBPR
from graphcond.condensers.dconrec.outer_loop import OuterLoop, State, optimise, resumed
from graphcond.data import (
    Checkpoint,
    train_edges,
)
from graphcond.errors import InputError
from graphcond.masks import CappedSimplex
from graphcond.pools.pool import make_pool
from graphcond.seeding import derive
from graphcond.training import Fitted, Recommender
from tests.condensers.small_pools import MF, pool_of, tables


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
        state.history += [{"loss": loss} for loss in (2.5, 3.0, 1.0, 2.0)]

    monkeypatch.setattr(module, "optimise", optimised)
    card = method(tail=Tail(threshold=0))(women).card
    assert (card["outer_loss_first"], card["outer_loss_last"]) == (2.5, 2.0)


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


@pytest.mark.parametrize(
    ("scores", "beaten"), [([0.5, 0.1, 0.3, 0.2, 0.9, 0.4], False), ([0.5, 0.1, 0.3, 0.2], True)]
)
def test_the_worst_run_must_beat_the_best_random_one(scores, beaten, women, monkeypatch):
    """Pairs of a run and a random set of its size, a seed each."""
    told = iter(scores)
    monkeypatch.setattr(
        module,
        "fit_recommender",
        lambda *_, **__: Recommender(*tables(), Fitted(best_score=next(told))),
    )
    pool, chosen = pool_of(women), torch.arange(73) < 20
    facts = method(control=len(scores) // 2)._control(women, pool, chosen)
    assert facts["beats_random_of_its_size"] is beaten


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
