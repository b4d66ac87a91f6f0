"""The softmax over all items: its gradient, its passes, and what it learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.data import EDGE, make_interactions, val_edges
from graphcond.errors import FileFormatError, InputError
from graphcond.training import (
    EarlyStopping,
    FullSoftmax,
    FullSoftmaxProgram,
    RankingLooks,
    fit_full_softmax,
)
from tests.training.test_recommender import blocks

USERS, ITEMS = 60, 40
FACTORIES = [partial(nn.MF, dim=8), partial(nn.LightGCN, dim=8, num_layers=2)]


def program(factory, seed=0, **options):
    """Return a program on two tastes, in double precision."""
    data = blocks()
    edges = data[EDGE].edge_index
    looks = RankingLooks(val_edges(data), edges, (USERS, ITEMS), 5000)
    model = factory(USERS, ITEMS, seed=0).double()
    return FullSoftmaxProgram(model, edges, FullSoftmax(**options), looks, seed)


def mean_loss(run, graph):
    """Return -mean ln softmax over all interactions, by autograd's own formula."""
    users, items = run.model.embeddings(graph)
    return torch.nn.functional.cross_entropy((users @ items.T)[run.edges[0]], run.edges[1])


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("every", [1, 2])
def test_the_gradient_is_that_of_the_mean_cross_entropy_over_all_items(factory, every):
    run = program(factory)
    graph = run.model.graph(run.edges[:, ::every])
    expected = mean_loss(run, graph)
    slopes = torch.autograd.grad(expected, (run.model.user, run.model.item))
    with torch.no_grad():
        loss, gradients = run.gradients(torch.arange(USERS), run.edges, graph)
    count = run.edges.size(1)
    torch.testing.assert_close(loss / count, expected.detach())
    for found, slope in zip(gradients, slopes):
        torch.testing.assert_close(found / count, slope)


def steps(run, monkeypatch, epoch=0):
    """Return the gradients of every step of a pass, the tables being left alone."""
    found = []
    tables = (run.model.user, run.model.item)
    monkeypatch.setattr(
        run.optimiser, "step", lambda: found.append([table.grad.clone() for table in tables])
    )
    return found, run.step(epoch)


def test_the_steps_of_a_pass_average_to_the_mean_losss_gradient_and_decay(monkeypatch):
    run = program(FACTORIES[1], users=7, weight_decay=0.3, edge_dropout=0.0)
    found, loss = steps(run, monkeypatch)
    assert len(found) == 9
    expected = mean_loss(run, run.graph)
    slopes = torch.autograd.grad(expected, (run.model.user, run.model.item))
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    count = run.edges.size(1)
    met = torch.bincount(run.edges[0], minlength=USERS)[:, None] / count
    for table, slope, share, each in zip(
        (run.model.user, run.model.item), slopes, (met, 1 / ITEMS), zip(*found)
    ):
        decayed = slope + 0.3 * share * table.detach()
        torch.testing.assert_close(torch.stack(each).mean(0), decayed, rtol=1e-4, atol=1e-9)


def test_a_step_propagates_over_a_graph_without_the_dropped_edges(monkeypatch):
    run = program(FACTORIES[1], users=7, edge_dropout=0.4)
    graphs = []
    whole = run.gradients
    monkeypatch.setattr(run, "gradients", lambda *given: graphs.append(given[2]) or whole(*given))
    run.step(0)
    sizes = [graph.indices.numel() / run.edges.size(1) for graph in graphs]
    assert sum(sizes) / len(sizes) == pytest.approx(0.6, abs=0.1)
    assert len(set(sizes)) > 1
    # What is ranked is propagated over all edges.
    users, _ = run.model.embeddings(run.model.graph(run.edges))
    assert torch.equal(run.scored()[0], users.detach())


@pytest.mark.parametrize("factory", FACTORIES)
def test_learns_two_tastes(factory):
    data = blocks()
    recipe = FullSoftmax(users=16, learning_rate=0.05, rounds=30)
    model = fit_full_softmax(factory, data, val_edges(data), recipe=recipe)
    top = model.rank(5)[1]
    assert ((torch.arange(USERS)[:, None] + top) % 2 == 0).float().mean() > 0.95
    assert model.history.best_score > 0.3
    assert model.history.losses[-1] < model.history.losses[0]


def test_the_seed_draws_the_start_and_a_run_repeats():
    data = blocks()
    recipe = FullSoftmax(users=USERS, edge_dropout=0.0, rounds=1)
    run = partial(fit_full_softmax, FACTORIES[1], data, val_edges(data)[:, :0], recipe=recipe)
    assert torch.equal(run(seed=0).users, run(seed=0).users)
    assert (run(seed=0).users - run(seed=1).users).abs().mean() > 0.01


@pytest.mark.parametrize("options", [{"users": 16, "edge_dropout": 0.0}, {"users": USERS}])
def test_seed_and_round_draw_the_order_and_the_dropped_edges(options):
    def loss(seed, epoch):
        run = program(FACTORIES[1], seed=seed, **options)
        run.step(epoch)  # the first losses of one step are alike where no edge is dropped
        return run.step(epoch)

    assert loss(0, 0) == loss(0, 0)
    assert len({loss(0, 0), loss(1, 0), loss(0, 1)}) == 3
    data = blocks()

    def same_start(users, items, seed=0):
        return nn.LightGCN(users, items, dim=8)

    ends = [
        fit_full_softmax(
            same_start,
            data,
            val_edges(data)[:, :0],
            recipe=FullSoftmax(rounds=1, **options),
            seed=seed,
        ).users
        for seed in (0, 1)
    ]
    assert not torch.equal(*ends)


def test_looks_rank_validation_pairs_with_training_items_left_out():
    data = blocks()
    recipe = FullSoftmax(rounds=1, stopping=EarlyStopping(every=1))
    found = fit_full_softmax(FACTORIES[0], data, val_edges(data), recipe=recipe)
    looks = RankingLooks(val_edges(data), data[EDGE].edge_index, (USERS, ITEMS), 5000)
    assert found.history.scores == [looks(found.users, found.items)]


def test_a_small_step_hardly_moves_the_tables_and_idle_users_take_none(monkeypatch):
    run = program(FACTORIES[0], learning_rate=1e-6, users=USERS)
    before = run.model.item.detach().clone()
    run.step(0)
    assert 0 < (run.model.item - before).abs().max() < 1e-5
    run = program(FACTORIES[0], users=1)
    run.counts[5:] = 0
    run.edges = run.edges[:, run.edges[0] < 5]
    assert len(steps(run, monkeypatch)[0]) == 5


def test_a_killed_run_resumes_to_the_same_tables_and_no_other(tmp_path):
    data = blocks()
    run = partial(fit_full_softmax, FACTORIES[1], data, val_edges(data))
    whole = run(recipe=FullSoftmax(rounds=6), seed=3)
    run(recipe=FullSoftmax(rounds=3), seed=3, checkpoint=tmp_path / "c")
    again = run(recipe=FullSoftmax(rounds=6), seed=3, checkpoint=tmp_path / "c")
    assert torch.equal(whole.users, again.users)
    assert torch.equal(whole.items, again.items)
    with pytest.raises(FileFormatError):
        run(recipe=FullSoftmax(rounds=6), seed=4, checkpoint=tmp_path / "c")
    other = val_edges(data)[:, 1:]
    with pytest.raises(FileFormatError):
        fit_full_softmax(FACTORIES[1], data, other, seed=3, checkpoint=tmp_path / "c")


def test_users_without_interactions_keep_a_finite_score_and_no_slope():
    pairs = torch.tensor([[0, 0, 2], [1, 1, 3]])  # user 1 has none; one pair comes twice
    data = make_interactions(pairs, 3, 5)
    model = fit_full_softmax(
        partial(nn.MF, dim=4), data, pairs[:, :0], recipe=FullSoftmax(rounds=50)
    )
    assert model.users.isfinite().all()
    assert model.rank(1, exclude=pairs[:, :0])[1].flatten().tolist()[::2] == [1, 3]


def test_what_it_cannot_train_is_refused():
    data = blocks()
    none = make_interactions(torch.empty(2, 0).long(), 3, 3)
    with pytest.raises(InputError, match="without a bias"):
        fit_full_softmax(partial(nn.MF, bias=True), data, val_edges(data))
    with pytest.raises(InputError, match="at least one training interaction"):
        fit_full_softmax(nn.MF, none, val_edges(data)[:, :0])
    with pytest.raises(InputError, match="users"):
        fit_full_softmax(nn.MF, data, torch.tensor([[USERS], [0]]))
    for wrong in ({"users": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"rounds": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            FullSoftmax(**wrong)
    with pytest.raises(InputError, match="edge_dropout"):
        FullSoftmax(edge_dropout=1.0)
