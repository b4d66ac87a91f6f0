"""Baselines and TeacherChoice keep the end that they are named after."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.condensers import DosCondInteractions, SVPEasiest, SVPHardest, TeacherChoice
from graphcond.condensers.interactions import teacher_choice as choice_module
from graphcond.condensers.interactions.baselines import proxy_losses
from graphcond.condensers.interactions.teacher_choice import Mixture
from graphcond.data import load, split_interactions, train_edges, val_edges
from graphcond.pools import fit_proxies
from graphcond.seeding import derive
from graphcond.training import BPR, Fitted, Recommender

MF = partial(nn.MF, dim=4)


@pytest.fixture(scope="module")
def women():
    return split_interactions(load("southern-women"), seed=0)


def pairs_of(data):
    return set(zip(*train_edges(data).tolist()))


@pytest.mark.parametrize(("method", "hardest"), [(SVPHardest, True), (SVPEasiest, False)])
def test_selection_via_proxy_keeps_the_end_it_is_named_after(method, hardest, women):
    how = method(ratio=0.4, recommender=MF, recipe=BPR(rounds=5), seed=3)
    (proxy,) = fit_proxies(MF, women, 1, recipe=BPR(rounds=5), seed=derive(3, "svp"))
    losses = proxy_losses(proxy, women, how.repeats, 3)
    kept = pairs_of(how(women))
    inside = torch.tensor([pair in kept for pair in zip(*train_edges(women).tolist())])
    chosen, left = losses[inside], losses[~inside]
    assert chosen.min() >= left.max() if hardest else chosen.max() <= left.min()


def test_a_proxys_loss_is_low_where_it_ranks_an_interaction_high(women):
    size = (women["user"].num_nodes, women["item"].num_nodes)
    known = torch.zeros(size)
    known[tuple(train_edges(women)[:, ::2])] = 4.0
    losses = proxy_losses(Recommender(known, torch.eye(size[1]), Fitted()), women, 16, 0)
    assert losses[::2].max() < losses[1::2].min()
    mixed = Recommender(torch.rand(size), torch.eye(size[1]), Fitted())
    found = [proxy_losses(mixed, women, 2, seed) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_doscond_goes_down_its_distance(women):
    how = DosCondInteractions(ratio=0.4, recommender=MF, steps=30)
    losses = [record["loss"] for record in how.condense(women).history]
    up = DosCondInteractions(ratio=0.4, recommender=MF, steps=30, learning_rate=1e-6)
    still = [record["loss"] for record in up.condense(women).history]
    # Steps differ by their fresh tables; the same tables without learning are the comparison.
    assert sum(losses[15:]) < sum(still[15:]) - 0.02 * 15


def test_doscond_keeps_the_likeliest(women, monkeypatch):
    """The gradient says that the first interactions matter: they are kept."""
    count = train_edges(women).size(1)

    def match(self, data, logits, step):
        return 1.0, torch.where(torch.arange(count) < count // 2, -1.0, 1.0)

    monkeypatch.setattr(DosCondInteractions, "_match", match)
    small = DosCondInteractions(ratio=0.5, steps=2)(women)
    assert torch.equal(train_edges(small), train_edges(women)[:, : count // 2])


def test_doscond_matches_a_gradient_by_descending_its_own_distance(women):
    """The gradient that ``_match`` returns is that of the distance it returns."""
    how = DosCondInteractions(ratio=0.4, recommender=MF, temperature=0.7)
    count = train_edges(women).size(1)
    logits = torch.zeros(count)
    _, gradient = how._match(women, logits, 0)
    for at in (0, 7, count - 1):
        step = torch.zeros(count)
        step[at] = 1e-2
        rise = how._match(women, logits + step, 0)[0] - how._match(women, logits - step, 0)[0]
        assert float(gradient[at]) == pytest.approx(rise / 2e-2, rel=0.05, abs=2e-5)


def test_teacher_choice_keeps_what_the_teacher_ranks_first(women):
    """The teacher's favourites of every user, and not the items it likes least."""
    size = (women["user"].num_nodes, women["item"].num_nodes)
    scores = torch.rand(size, generator=torch.Generator().manual_seed(0))
    teacher = Recommender(scores, torch.eye(size[1]), Fitted())
    how = TeacherChoice(ratio=0.4, teacher=teacher, mixtures=(Mixture(0.0, 0.0),))
    kept = train_edges(how(women))
    inside = torch.zeros(size, dtype=torch.bool)
    inside[tuple(kept)] = True
    for user in kept[0].unique().tolist():
        assert scores[user][inside[user]].min() > scores[user][~inside[user]].max()


def test_teacher_choice_returns_the_best_of_its_mixtures_whichever_it_is(women, monkeypatch):
    tried = (Mixture(10.0, 0.0), Mixture(-math.inf, 0.0), Mixture(10.0, 1.0))
    for best in range(3):
        scores = iter([0.9 if number == best else 0.1 + 0.1 * number for number in range(3)])
        monkeypatch.setattr(TeacherChoice, "_trial", lambda *_, scores=scores: next(scores))
        how = TeacherChoice(ratio=0.6, ensemble=0, factors=0, rank=4, mixtures=tried)
        report = how.condense(women).report
        bonus = str(tried[best].bonus) if math.isinf(tried[best].bonus) else tried[best].bonus
        assert (report["bonus"], report["evenness"]) == (bonus, tried[best].evenness)


def test_a_full_charge_spreads_the_lists_over_items(women):
    """Prices make crowded items dear: with them more items are kept than without."""
    counts = []
    for evenness in (0.0, 1.0):
        how = TeacherChoice(
            ratio=0.5, ensemble=0, factors=0, rank=4, mixtures=(Mixture(-math.inf, evenness),)
        )
        taken = torch.bincount(train_edges(how(women))[1], minlength=women["item"].num_nodes)
        counts.append(float(taken.double().std()))
    assert counts[1] < counts[0]


def test_teacher_choice_tries_every_mixture_as_told(women, monkeypatch):
    seen = []

    def fitted(factory, train, val, **named):
        seen.append((factory, train_edges(train), val, named))
        return Recommender(torch.ones(1, 1), torch.ones(1, 1), Fitted(best_score=0.1 * len(seen)))

    monkeypatch.setattr(choice_module, "fit_recommender", fitted)
    recipe = BPR(rounds=7)
    how = TeacherChoice(ratio=0.4, ensemble=0, rank=4, recipe=recipe, recommender=MF, seed=3)
    how.condense(women)
    assert len(seen) == len(how.mixtures) == 4
    for factory, train, val, named in seen:
        assert factory is MF
        assert train.size(1) == how.budget(women)
        assert torch.equal(val, val_edges(women))
        assert torch.equal(named["exclude"], train_edges(women))
        assert (named["recipe"], named["seed"]) == (recipe, derive(3, "trial"))


def test_prices_aim_at_popularity_to_three_quarters(women, monkeypatch):
    seen, price = [], choice_module.item_prices

    def spy(options, keys, count, target):
        seen.append((options, keys, count, target))
        return price(options, keys, count, target)

    monkeypatch.setattr(choice_module, "item_prices", spy)
    mixture = Mixture(-1.5, 0.5)
    how = TeacherChoice(ratio=0.4, ensemble=0, rank=4, mixtures=(mixture,))
    how(women)
    options, keys, count, target = seen[0]
    popular = torch.bincount(train_edges(women)[1], minlength=14).double() ** 0.75
    torch.testing.assert_close(target, popular / popular.sum() * count.sum())
    torch.testing.assert_close(keys, options.scores - 1.5 * options.observed)


def test_a_teacher_given_is_no_setting_of_its_own(women):
    """Neither its text nor its equality name thousands of numbers; a checkpoint's identity does."""
    size = (women["user"].num_nodes, women["item"].num_nodes)
    teachers = [Recommender(torch.full(size, x), torch.eye(size[1]), Fitted()) for x in (0.0, 1.0)]
    plain, first, second = (TeacherChoice(ratio=0.4, teacher=each) for each in (None, *teachers))
    assert repr(first) == repr(plain)
    assert first == second
    assert first._identity() != second._identity()
