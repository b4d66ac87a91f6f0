"""The softmax over all items: its gradient, its passes, and what it learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.data import EDGE, make_interactions, val_edges
from graphcond.errors import InputError
from graphcond.training import FullSoftmax, FullSoftmaxProgram, RankingLooks, fit_full_softmax
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
def test_the_gradient_is_that_of_the_mean_cross_entropy_over_all_items(factory):
    run = program(factory)
    expected = mean_loss(run, run.graph)
    slopes = torch.autograd.grad(expected, (run.model.user, run.model.item))
    with torch.no_grad():
        loss, gradients = run.gradients(torch.arange(USERS), run.edges, run.graph)
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


def test_the_seed_draws_start_order_and_edges_and_a_run_repeats():
    data = blocks()
    recipe = FullSoftmax(users=16, rounds=2)
    nothing = val_edges(data)[:, :0]
    runs = [
        fit_full_softmax(FACTORIES[1], data, nothing, recipe=recipe, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(runs[0].users, runs[1].users)
    assert not torch.equal(runs[0].users, runs[2].users)
    # The same start, another order and other edges.
    for options in ({"edge_dropout": 0.0}, {"users": USERS}):
        two = [program(FACTORIES[1], seed=seed, **({"users": 16} | options)) for seed in (0, 1)]
        assert two[0].step(0) != two[1].step(0)
        assert two[0].step(1) != program(FACTORIES[1], **({"users": 16} | options)).step(0)


def test_a_killed_run_resumes_to_the_same_tables(tmp_path):
    data = blocks()
    run = partial(fit_full_softmax, FACTORIES[1], data, val_edges(data), seed=3)
    whole = run(recipe=FullSoftmax(rounds=6))
    run(recipe=FullSoftmax(rounds=3), checkpoint=tmp_path / "c")
    again = run(recipe=FullSoftmax(rounds=6), checkpoint=tmp_path / "c")
    assert torch.equal(whole.users, again.users)
    assert torch.equal(whole.items, again.items)


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
