"""Choices of interactions written out: ties, prices, blocks, budgets, and what a teacher is."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cosine_similarity, softplus

from graphcond import nn, training
from graphcond.condensers import (
    DosCondInteractions,
    Majority,
    PopularCore,
    RandomInteractions,
    TeacherChoice,
)
from graphcond.condensers.interactions import baselines, item_prices, teacher_choice
from graphcond.condensers.interactions.baselines import proxy_losses
from graphcond.condensers.interactions.doscond import _OneStep
from graphcond.condensers.interactions.item_prices import Candidates, best_of_each
from graphcond.condensers.interactions.teacher_choice import Mixture, fit_teacher
from graphcond.data import (
    EDGE,
    load,
    make_interactions,
    split_interactions,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.errors import InputError
from graphcond.pools import fit_proxies
from graphcond.seeding import derive, generator
from graphcond.training import BPR, Fitted, Recommender, UniformNegatives

MF = partial(nn.MF, dim=4)


def tables(users, items, dim=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(users, dim, generator=draw), torch.randn(items, dim, generator=draw)


def test_majority_draws_among_users_of_one_degree_and_a_part_of_the_last():
    """Six users of two items, three of five: three small users whole and one in half, drawn."""
    pairs = [(user, item) for user in range(9) for item in range(2 if user < 6 else 5)]
    data = make_interactions(torch.tensor(pairs).T, 9, 5)
    data[EDGE].val_edge_index = torch.tensor([[0], [4]])
    whole, half, items = set(), set(), set()
    for seed in range(12):
        kept = train_edges(Majority(ratio=7 / 27, seed=seed)(data))
        count = torch.bincount(kept[0], minlength=9).tolist()
        assert sorted(count) == [0] * 5 + [1, 2, 2, 2]
        assert max(count[6:]) == 0
        whole.add(tuple(user for user in range(6) if count[user] == 2))
        half.add(count.index(1))
        items.add(int(kept[1, kept[0] == count.index(1)]))
    assert len(whole) > 3
    assert len(half) > 2
    assert items == {0, 1}


def test_a_proxys_loss_is_the_mean_over_its_negatives_whatever_the_block(women, monkeypatch):
    proxy = Recommender(*tables(18, 14), Fitted())
    edges, draw = train_edges(women), generator(5, "svp")
    sample, total = UniformNegatives(edges, 18, 14), torch.zeros(edges.size(1))
    for _ in range(3):
        others = sample(edges[0], draw)
        gap = proxy.items[edges[1]] - proxy.items[others]
        total += softplus(-(proxy.users[edges[0]] * gap).sum(1))
    torch.testing.assert_close(proxy_losses(proxy, women, 3, 5), total / 3)
    monkeypatch.setattr(baselines, "_BLOCK", 7)
    torch.testing.assert_close(proxy_losses(proxy, women, 3, 5), total / 3)


@pytest.mark.parametrize("factory", [MF, partial(nn.LightGCN, dim=4, num_layers=2)])
def test_doscond_compares_the_gradients_of_whole_tables(factory, women):
    """The distance, in tables of the given spread, with a mask of the given temperature, by
    automatic differentiation.
    """
    how = DosCondInteractions(ratio=0.4, recommender=factory, seed=3, temperature=0.7, init_std=0.5)
    edges = train_edges(women)
    logits = torch.linspace(-2, 2, edges.size(1))
    draw = generator(3, "doscond", 4)
    negatives = UniformNegatives(edges, 18, 14)(edges[0], draw)
    model = factory(18, 14, seed=derive(3, "tables", 4))
    own = [0.5 * torch.randn(n, 4, generator=draw) for n in (18, 14)]
    own = [table.requires_grad_() for table in own]
    noise = torch.rand(len(logits), generator=draw).clamp(1e-6, 1 - 1e-6)
    free = logits.clone().requires_grad_()
    mask = torch.sigmoid((free + torch.log(noise / (1 - noise))) / 0.7)
    users, items = model.propagate(tuple(own), model.graph(edges))
    margin = (users[edges[0]] * (items[edges[1]] - items[negatives])).sum(1)
    losses = softplus(-margin)
    whole = torch.autograd.grad(losses.sum(), own, retain_graph=True)
    masked = torch.autograd.grad((mask * losses).sum(), own, create_graph=True)
    distance = sum(
        1 - cosine_similarity(one.flatten(), two.flatten(), dim=0)
        for one, two in zip(masked, whole)
    )
    (slope,) = torch.autograd.grad(distance, free)
    loss, gradient = how._match(women, logits, 4)
    assert loss == pytest.approx(float(distance.detach()), rel=1e-4)
    torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-6)


def test_doscond_starts_at_the_ratio_and_tells_what_it_learned(women, monkeypatch):
    seen = []

    def match(self, data, logits, step):
        seen.append((logits.clone(), step))
        return 0.5 + step, torch.linspace(-1, 1.5, len(logits))

    monkeypatch.setattr(DosCondInteractions, "_match", match)
    for ratio, start in ((0.3, 0.3), (1.0, 0.99)):
        seen.clear()
        history = DosCondInteractions(ratio=ratio, steps=3, learning_rate=0.2).condense(women)
        torch.testing.assert_close(torch.sigmoid(seen[0][0]), torch.full_like(seen[0][0], start))
        assert [step for _, step in seen] == [0, 1, 2]
        # Adam's first step has the length of its rate.
        torch.testing.assert_close(
            (seen[1][0] - seen[0][0]).abs(), torch.full_like(seen[0][0], 0.2), rtol=1e-3, atol=0
        )
        records = history.history
        assert [record["loss"] for record in records] == [0.5, 1.5, 2.5]
        spread = float(torch.sigmoid(seen[1][0]).std())
        assert records[0]["probability_std"] == pytest.approx(spread, rel=1e-5)


def test_the_tables_of_one_step_have_the_spread_that_is_asked_for():
    edges = torch.stack([torch.arange(300), torch.arange(300)])
    made = _OneStep(MF(300, 300), edges, edges[1].flip(0), 0.3, generator(0, "draw"))
    for table in (made.users, made.items):
        assert float(table.std()) == pytest.approx(0.3, rel=0.05)
        assert float(table.mean()) == pytest.approx(0, abs=0.03)


def test_candidates_are_scored_alike_in_blocks(monkeypatch):
    teacher = Recommender(*tables(6, 9), Fitted())
    edges = torch.tensor([[0, 0, 2, 3, 5], [1, 5, 5, 0, 8]])
    found = item_prices.candidates(teacher, edges, 2)
    monkeypatch.setattr(item_prices, "_BLOCK", 2)
    for one, two in zip(found, item_prices.candidates(teacher, edges, 2)):
        torch.testing.assert_close(one, two)


def test_nothing_to_choose_from_gives_nothing():
    none = torch.empty(0, dtype=torch.long)
    assert best_of_each(none, torch.empty(0), torch.tensor([3, 0])).tolist() == []


def test_prices_rise_where_too_many_want_an_item_and_fall_elsewhere():
    """Three users, two items each has to choose between, one place a user: by hand."""
    pairs = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]])
    scores = torch.tensor([1.0, 0.9, 1.0, 0.2, 1.0, 0.0])
    options = Candidates(pairs, scores, torch.zeros(6, dtype=torch.bool))
    count, target = torch.ones(3).long(), torch.tensor([2.0, 1.0])
    first = 0.3 * torch.tensor([math.log(4 / 3), math.log(1 / 2)])
    # Now user 0 takes item 1: all is as asked, and prices stay.
    for rounds, wanted in ((0, torch.zeros(2)), (1, first), (2, first), (9, first)):
        found = item_prices.item_prices(options, scores, count, target, rounds=rounds)
        torch.testing.assert_close(found, wanted)
    even = torch.tensor([1.0, 2.0])
    second = 0.3 * torch.tensor([math.log(4 / 2), math.log(1 / 3)])
    taken = torch.tensor([2.0, 1.0]) if float(second[0] - second[1]) < 0.8 else None
    assert taken is not None
    third = second + 0.3 / 1.1 * ((taken + 1) / (even + 1)).log()
    found = item_prices.item_prices(options, scores, count, even, rounds=2)
    torch.testing.assert_close(found, third)


def wide():
    """Two users who took 130 of 400 items each, and one validation interaction."""
    pairs = torch.stack([torch.arange(260) % 2, torch.arange(260)])
    data = make_interactions(pairs, 2, 400)
    data[EDGE].val_edge_index = torch.tensor([[0], [399]])
    return data


@pytest.mark.parametrize(("ratio", "depth"), [(0.9, 2 * 117), (0.1, 100), (131 / 260, 132)])
def test_a_user_has_twice_its_share_of_candidates_and_a_hundred_at_least(ratio, depth, monkeypatch):
    seen, take = [], teacher_choice.candidates
    monkeypatch.setattr(
        teacher_choice, "candidates", lambda *args: (seen.append(args[2]), take(*args))[1]
    )
    teacher = Recommender(*tables(2, 400), Fitted())
    for bonus in (-1.0, 0.5, math.inf):
        TeacherChoice(ratio=ratio, teacher=teacher, mixtures=(Mixture(bonus, 0.0),))(wide())
    assert seen == [depth, depth, 0]


def test_a_set_of_more_items_than_users_is_whole_and_its_card_counts_users_and_weights():
    data = wide()
    card = RandomInteractions(ratio=1.0)(data).card
    assert (card["num_edges"], card["num_train"], card["num_new"]) == (260, 2, 0)
    assert (card["ratio_actual"], card["ratio"]) == (1.0, 1.0)
    assert "weights" not in card
    data[EDGE].edge_weight = torch.arange(260.0)
    assert RandomInteractions(ratio=0.5)(data).card["weights"] == "kept, not used"


def test_candidates_are_no_more_than_the_items(women, monkeypatch):
    seen, take = [], teacher_choice.candidates
    monkeypatch.setattr(
        teacher_choice, "candidates", lambda *args: (seen.append(args[2]), take(*args))[1]
    )
    teacher = Recommender(*tables(18, 14), Fitted())
    TeacherChoice(ratio=0.5, teacher=teacher, mixtures=(Mixture(-1.0, 0.0),))(women)
    assert seen == [14]


def test_one_mixture_is_taken_without_a_trial_and_without_validation_the_first(women, monkeypatch):
    teacher = Recommender(*tables(18, 14), Fitted())
    fit = teacher_choice.fit_recommender
    monkeypatch.setattr(teacher_choice, "fit_recommender", lambda *_, **__: pytest.fail("trained"))
    alone = TeacherChoice(ratio=0.5, teacher=teacher, mixtures=(Mixture(-1.0, 0.5),))
    (record,) = alone.condense(women).history
    assert record["val_ndcg@10"] is None
    both = TeacherChoice(
        ratio=0.5,
        teacher=teacher,
        mixtures=(Mixture(-1.0, 0.5), Mixture(math.inf, 0.0)),
        recipe=BPR(rounds=2, min_steps=2),
    )
    blind = women.clone()
    blind[EDGE].val_edge_index = val_edges(women)[:, :0]
    assert math.isnan(both._trial(blind, women))
    with monkeypatch.context() as patch:
        patch.setattr(TeacherChoice, "_trial", lambda *_: math.nan)
        found = both.condense(women)
    assert (found.report["bonus"], found.report["evenness"]) == (-1.0, 0.5)
    assert [record["val_ndcg@10"] for record in found.history] == [None, None]
    monkeypatch.setattr(teacher_choice, "fit_recommender", fit)
    scores = [record["val_ndcg@10"] for record in both.condense(women).history]
    assert all(0 <= score <= 1 for score in scores)


def test_equal_scores_keep_the_mixture_that_was_tried_first(women, monkeypatch):
    monkeypatch.setattr(TeacherChoice, "_trial", lambda *_: 0.5)
    how = TeacherChoice(ratio=0.5, ensemble=0, factors=0, rank=4)
    assert how.condense(women).report["bonus"] == "-inf"


def test_users_share_the_budget_alike_and_their_items_are_priced(women, monkeypatch):
    """Keys, bonus, room, counts and the charge of a mixture, written out."""
    teacher = Recommender(*tables(18, 14), Fitted())
    how = TeacherChoice(ratio=0.55, teacher=teacher, mixtures=(Mixture(-0.5, 0.25),))
    options = item_prices.candidates(teacher, train_edges(women), 14)
    price, asked = torch.linspace(-1, 1, 14), []
    monkeypatch.setattr(teacher_choice, "item_prices", lambda *args: (asked.append(args), price)[1])
    small, facts = how._mix(women, options, how.mixtures[0])
    budget = how.budget(women)
    inside = torch.zeros(18, 14, dtype=torch.bool)
    inside[tuple(train_edges(small))] = True
    assert int(inside.sum()) == budget
    counts = inside.sum(1)
    assert sorted(set(counts.tolist())) == [budget // 18, budget // 18 + 1]
    keys = teacher.users @ teacher.items.T - 0.25 * price
    seen = torch.zeros(18, 14, dtype=torch.bool)
    seen[tuple(train_edges(women))] = True
    keys[seen] -= 0.5
    for user in range(18):
        best = keys[user].topk(int(counts[user])).indices
        assert set(best.tolist()) == set(inside[user].nonzero()[:, 0].tolist())
    (_, compared, places, target), *_ = asked
    popular = seen.sum(0).double() ** 0.75
    torch.testing.assert_close(target, popular / popular.sum() * budget)
    assert torch.equal(places, counts)
    torch.testing.assert_close(compared, (keys + 0.25 * price)[tuple(options.pairs)])
    assert facts == {
        "num_pseudo": int((inside & ~seen).sum()),
        "num_observed": int((inside & seen).sum()),
    }


def test_teams_are_compared_on_validation_without_what_was_trained_on(women, monkeypatch):
    asked, looks = [], training.RankingLooks
    monkeypatch.setattr(
        teacher_choice, "RankingLooks", lambda *args: (asked.append(args), looks(*args))[1]
    )
    fit_teacher(women, MF, ensemble=0, factors=2, rank=3, recipe=BPR(val_users=7))
    ((held, out, size, users),) = asked
    assert torch.equal(held, val_edges(women))
    assert torch.equal(out, train_edges(women))
    assert (size, users) == ((18, 14), 7)


@pytest.mark.parametrize("bonus", [math.inf, -math.inf])
def test_an_infinite_bonus_keeps_the_best_of_one_kind_alone(bonus, women, monkeypatch):
    teacher = Recommender(*tables(18, 14), Fitted())
    how = TeacherChoice(ratio=0.4, teacher=teacher, mixtures=(Mixture(bonus, 0.5),))
    options = item_prices.candidates(teacher, train_edges(women), 14)
    price = torch.linspace(-1, 1, 14)
    monkeypatch.setattr(teacher_choice, "item_prices", lambda *_: price)
    small, _ = how._mix(women, options, how.mixtures[0])
    keys = teacher.users @ teacher.items.T - 0.5 * price
    seen = torch.zeros(18, 14, dtype=torch.bool)
    seen[tuple(train_edges(women))] = True
    keys[seen if bonus < 0 else ~seen] = -math.inf
    edges = train_edges(small)
    assert edges.size(1) == how.budget(women)
    assert set(edges[0].bincount().tolist()) == {1, 2}  # for every user alike
    for user in range(18):
        own = edges[1, edges[0] == user]
        assert set(own.tolist()) == set(keys[user].topk(len(own)).indices.tolist())


def test_a_core_is_all_that_some_users_have_of_their_most_popular_items(women):
    full = train_edges(women)
    small = train_edges(PopularCore(ratio=0.3, seed=2)(women))
    assert small.size(1) == int(0.3 * full.size(1))
    users = small[0].unique()
    assert users.numel() <= round(0.3**0.5 * full[0].unique().numel())
    drawn = [PopularCore(ratio=share, users=share, seed=2)(women) for share in (0.3**0.5, 1.0)]
    among = train_edges(drawn[0])[0].unique()
    assert set(users.tolist()) <= set(among.tolist())
    assert torch.equal(*(each.sort().values for each in (full[0], train_edges(drawn[1])[0])))
    inside = full[:, torch.isin(full[0], among)]
    had, has = (torch.bincount(each[1], minlength=14) for each in (inside, small))
    cut = (has > 0) & (has < had)
    assert cut.sum() <= 1
    assert had[has == had].min() >= had[has < had].max() or had[cut].tolist()
    assert had[has > 0].min() >= had[has == 0].max()


def test_the_item_that_a_core_cuts_loses_a_random_user():
    pairs = torch.tensor([[0, 1, 2, 3, 0, 1, 2], [0, 0, 0, 0, 1, 1, 1]])
    data = make_interactions(pairs, 4, 2)
    data[EDGE].val_edge_index = data[EDGE].test_edge_index = torch.tensor([[3], [1]])
    data[EDGE].test_edge_index = pairs[:, :0]
    kept = [train_edges(PopularCore(ratio=5 / 7, users=1.0, seed=i)(data)) for i in range(20)]
    assert all((each[1] == 0).sum() == 4 for each in kept)
    assert {int(each[0][each[1] == 1]) for each in kept} == {0, 1, 2}
    few = train_edges(PopularCore(ratio=1.0, users=0.25, seed=0)(data))
    assert few[0].unique().numel() == 1
    # Users who took nothing are none to draw from.
    crowd = make_interactions(pairs * torch.tensor([[10], [1]]), 40, 2)
    crowd[EDGE].val_edge_index = torch.tensor([[30], [1]])
    drawn = set()
    for seed in range(8):
        some = train_edges(PopularCore(ratio=1.0, users=0.5, seed=seed)(crowd))[0].unique()
        assert some.numel() == 2
        drawn.add(tuple(some.tolist()))
    assert len(drawn) > 2
    for users in (0.0, 1.1, math.nan):
        with pytest.raises(InputError, match="`users` must be in"):
            PopularCore(ratio=0.5, users=users)


@pytest.mark.parametrize("lame", ["fit_least_squares", "fit_graph_filter"])
def test_a_part_that_makes_the_teacher_validate_worse_is_left_out(monkeypatch, lame):
    data = without_test(split_interactions(load("southern-women"), seed=0))
    good = {"fit_least_squares": 3, "fit_graph_filter": 4}
    name = next(each for each in good if each != lame)
    seed = derive(7, {"fit_least_squares": "factors", "fit_graph_filter": "filter"}[name])
    wanted = training.ensemble((getattr(training, name)(data, good[name], seed=seed),))

    def worst(*_, **__):
        """Rank the items of each user's training first, and those of its validation last."""
        held, users, items = val_edges(data), torch.eye(18), torch.rand(18, 14)
        items[tuple(train_edges(data))] = 50.0
        items[held[0], held[1]] = -50.0
        return Recommender(users, items.T.contiguous(), Fitted())

    monkeypatch.setattr(teacher_choice, lame, worst)
    found = fit_teacher(data, MF, ensemble=0, factors=3, rank=4, seed=7)
    torch.testing.assert_close(found.users @ found.items.T, wanted.users @ wanted.items.T)


def test_a_teacher_is_the_mean_of_its_parts_each_with_its_own_seed(women):
    women = women.clone()  # nothing validates, so that all parts stay
    women[EDGE].val_edge_index = val_edges(women)[:, :0]
    recipe = BPR(rounds=2, min_steps=2)
    trained = fit_proxies(MF, women, 2, recipe=recipe, seed=derive(7, "teacher"))
    factors = training.fit_least_squares(women, 3, seed=derive(7, "factors"))
    low = training.fit_graph_filter(women, 4, seed=derive(7, "filter"))
    for parts, sizes in (
        ((*trained, factors, low), (2, 3, 4)),
        (trained, (2, 0, 0)),
        ((factors,), (0, 3, 0)),
        ((low,), (0, 0, 4)),
    ):
        ensemble, width, rank = sizes
        found = fit_teacher(
            women, MF, ensemble=ensemble, factors=width, rank=rank, recipe=recipe, seed=7
        )
        wanted = training.ensemble(parts)
        torch.testing.assert_close(found.users @ found.items.T, wanted.users @ wanted.items.T)
