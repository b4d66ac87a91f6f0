"""DConRec's objectives in numbers: inner steps and outer losses, written out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import softplus

from graphcond import masks, nn, pools
from graphcond.condensers import (
    HeldOutInteractions,
    PolicyGradient,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.condensers.dconrec import condenser as module
from graphcond.condensers.dconrec import one_step, outer_loss
from graphcond.condensers.dconrec.objective import ONE_EPOCH, RecommenderObjective
from graphcond.condensers.dconrec.one_step import UnrolledBPR, UnrolledObjective
from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.data import (
    EDGE,
    train_edges,
    val_edges,
)
from graphcond.seeding import derive, generator
from graphcond.training import BPR, BPRProgram, Fitted, Recommender, UniformNegatives, fit
from tests.condensers.small_pools import ITEMS, MF, USERS, pool_of, tables


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
