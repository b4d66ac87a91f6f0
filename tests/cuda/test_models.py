"""Masks, projections, draws and training on the device."""

from functools import partial

import pytest
import torch

from graphcond.data import EDGE, val_edges
from graphcond.masks import (
    BernoulliMask,
    CappedSimplex,
    LeaveOneOut,
    PerUser,
    Reinforce,
    conditional_poisson,
    systematic,
)
from graphcond.nn import MF, LightGCN, PolynomialFilterNet
from graphcond.testing import small_graph, small_interactions
from graphcond.training import (
    BPR,
    FilterTraining,
    FullSoftmax,
    fit_full_softmax,
    fit_graph_filter,
    fit_least_squares,
    fit_recommender,
    train_filters,
)

pytestmark = pytest.mark.cuda


def probabilities(count: int, device: torch.device) -> torch.Tensor:
    return torch.linspace(0.05, 0.95, count).to(device)


def test_masks_repeat_and_have_their_probabilities(device):
    probs = probabilities(100_000, device)
    mask = BernoulliMask(probs)
    drawn = mask.sample(4, seed=0)
    assert drawn.device.type == device.type
    assert torch.equal(drawn, mask.sample(4, seed=0))
    assert not torch.equal(drawn, mask.sample(4, seed=1))
    # The standard deviation of the mean of 4e5 draws is at most 0.0008.
    assert abs(float(drawn.float().mean() - probs.mean())) < 0.005


@pytest.mark.parametrize("estimator", [LeaveOneOut(4), Reinforce(3), PerUser(4)])
def test_estimates_are_the_weighted_scores_of_their_masks(device, estimator):
    """The blocked sums against the definition, on the masks that the estimator drew."""
    probs = probabilities(500, device)
    group = torch.arange(500, device=device) % 7
    cost = torch.linspace(-1, 1, 500).to(device)
    seen = []

    class Objective:
        def __init__(self):
            self.group = group

        def __call__(self, masks):
            seen.append(torch.stack(list(masks)))
            each = seen[-1].float() * cost
            return torch.zeros(len(masks), 7, device=device).index_add_(1, group, each)

    found = estimator(Objective(), BernoulliMask(probs), seed=0)
    losses, score = Objective()(seen[0]), BernoulliMask(probs).score(seen[0])
    count = len(score)
    if isinstance(estimator, PerUser):
        advantage = (losses - losses.mean(0)) * (count / (count - 1))
        wanted = (advantage[:, group] * score).mean(0)
    else:
        total = losses.sum(1)
        if isinstance(estimator, LeaveOneOut):
            total = (total - total.mean()) * (count / (count - 1))
        wanted = (total[:, None] * score).mean(0)
    torch.testing.assert_close(found.grad, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("exact", [False, True])
def test_projections_are_those_of_the_host(device, exact):
    make = torch.Generator().manual_seed(0)
    values = torch.randn(50_000, generator=make)
    simplex = CappedSimplex(9_000.0, exact=exact)
    got = simplex.project(values.to(device))
    assert got.device.type == device.type
    torch.testing.assert_close(got.cpu(), simplex.project(values), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("draw", [systematic, conditional_poisson])
def test_draws_have_their_size(device, draw):
    probs = torch.rand(4_000, generator=torch.Generator().manual_seed(0))
    probs[:10] = 1.0
    size = int(probs.sum()) + 1  # more than expected: what is certain stays certain
    for seed in range(3):
        kept = draw(probs.to(device), size, seed=seed)
        assert kept.device.type == device.type
        assert int(kept.sum()) == size
        assert bool(kept[:10].all())


@pytest.mark.parametrize("model", [MF, partial(LightGCN, num_layers=2)])
def test_recommenders_train_as_on_the_host(device, model, tmp_path):
    """Random streams of the device differ, so that scores agree roughly; both beat an untrained
    model.
    """
    data, recipe = small_interactions(), BPR(rounds=10)
    factory = partial(model, dim=16)
    host = fit_recommender(factory, data, val_edges(data), recipe=recipe)
    here = data.clone().to(device)
    path = tmp_path / "run.safetensors"
    found = fit_recommender(factory, here, val_edges(here), recipe=recipe, checkpoint=path)
    start = fit_recommender(factory, data, val_edges(data), recipe=BPR(rounds=1, min_steps=1))
    assert found.users.device.type == device.type
    assert found.history.best_score > start.history.best_score
    assert abs(found.history.best_score - host.history.best_score) < 0.1
    again = fit_recommender(factory, here, val_edges(here), recipe=recipe, checkpoint=path)
    assert torch.equal(again.users, found.users)
    assert again.history.losses == found.history.losses


@pytest.mark.parametrize("model", [MF, partial(LightGCN, num_layers=2)])
def test_the_full_softmax_trains_as_on_the_host(device, model):
    data, recipe = small_interactions(), FullSoftmax(users=32, rounds=10)
    factory = partial(model, dim=16)
    host = fit_full_softmax(factory, data, val_edges(data), recipe=recipe)
    here = data.clone().to(device)
    found = fit_full_softmax(factory, here, val_edges(here), recipe=recipe)
    assert found.users.device.type == device.type
    assert found.history.losses[-1] < found.history.losses[0]
    assert abs(found.history.best_score - host.history.best_score) < 0.1


def test_a_recommender_goes_on_where_it_stopped(device, tmp_path):
    data, path = small_interactions().to(device), tmp_path / "run.safetensors"
    factory, whole = partial(MF, dim=16), BPR(rounds=4)
    wanted = fit_recommender(factory, data, val_edges(data)[:, :0], recipe=whole)
    for rounds in (2, 4):
        found = fit_recommender(
            factory, data, val_edges(data)[:, :0], recipe=BPR(rounds=rounds), checkpoint=path
        )
    torch.testing.assert_close(found.users, wanted.users, rtol=1e-3, atol=1e-4)


def test_recommenders_in_closed_form_are_those_of_the_host(device):
    data = small_interactions()
    here = data.clone().to(device)
    for fit in (partial(fit_least_squares, dim=8), partial(fit_graph_filter, rank=8)):
        host, found = fit(data), fit(here)
        wanted = host.users @ host.items.T
        got = (found.users @ found.items.T).cpu()
        assert float((got - wanted).norm() / wanted.norm()) < 0.02


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_filters_train_as_on_the_host(device, dropout, tmp_path):
    """Without dropout the same start gives the same losses; features sparse and dense."""
    data = small_graph()
    sparse = data.clone()
    sparse.x = torch.eye(int(data.num_nodes))
    lam = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    recipe = FilterTraining(epochs=20, dropout=dropout)
    for graph in (data, sparse):
        net = PolynomialFilterNet(graph.num_features, 8, 3)
        host = train_filters(net, lam, graph, recipe=recipe)
        path = tmp_path / f"{graph.num_features}.safetensors"
        found = train_filters(
            net, lam.to(device), graph.clone().to(device), recipe=recipe, checkpoint=path
        )
        assert found.loss.device.type == device.type
        if dropout == 0.0:
            torch.testing.assert_close(found.loss.cpu(), host.loss, rtol=5e-3, atol=5e-3)


def test_weights_of_interactions_train(device):
    data = small_interactions().to(device)
    edges = data[EDGE].edge_index
    data[EDGE].edge_weight = torch.rand(edges.size(1), device=device)
    found = fit_recommender(
        partial(LightGCN, dim=8), data, val_edges(data), recipe=BPR(rounds=2, weighted=True)
    )
    assert bool(torch.isfinite(found.users).all())
