"""Condensers that learn their nodes, written out: kernels, class means, rounds."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from graphcond.condensers import DistributionMatching, KernelInducingPoints, TrajectoryMatching
from graphcond.condensers.nodes import (
    distribution_matching,
    kernel_inducing_points,
    trajectory_matching,
)
from graphcond.condensers.nodes.backbones import SGCBackbone
from graphcond.condensers.nodes.learner import Learner
from graphcond.data import Checkpoint
from graphcond.nn.filters import dense_operator
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.linear_filters import compose
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.seeding import derive, generator
from graphcond.spaces import PolynomialFilters
from tests.condensers.made_nodes import dense, planted


@pytest.fixture(scope="module")
def graph():
    return planted()


@pytest.fixture
def weighted(karate):
    """The club with weights that are not the same both ways."""
    data = copy.copy(karate)
    data.edge_weight = 0.5 + (data.edge_index[0] + 2 * data.edge_index[1]) % 5
    return data


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_kernel_features_of_filters_a_layer(basis, num_layers, weighted):
    """Wider than a block of 256 columns; two layers at least, each with its own filter if told."""
    wide = copy.copy(weighted)
    wide.x = torch.randn(34, 300, generator=torch.Generator().manual_seed(0))
    space = PolynomialFilters(order=2, basis=basis, num_layers=num_layers)
    how = KernelInducingPoints(num_nodes=4, space=space, filters=3)
    nodes, weight = torch.tensor([3, 0, 20]), dense(weighted, weighted.edge_weight)
    layers = max(2, num_layers)
    operator = dense_operator(weight)
    powers = [torch.eye(34), operator]
    while len(powers) <= 2 * layers:
        twice = operator @ powers[-1]
        powers.append(2 * twice - powers[-2] if basis == "chebyshev" else twice)
    found = how._pairs(how._bases(wide, nodes), wide.x, weight, seed=3)
    assert len(found) == 3
    lam = space.sample(3, seed=3)
    composed = compose(lam, layers, basis=basis, per_layer=num_layers > 1)
    for row, (theirs, mine) in zip(composed, found):
        wanted = torch.einsum("k,kij->ij", row, torch.stack(powers)) @ wide.x
        torch.testing.assert_close(mine, wanted, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(theirs, wanted[nodes], rtol=1e-3, atol=1e-3)


def test_kernel_features_without_a_space_are_of_two_propagations(weighted):
    wide = copy.copy(weighted)
    wide.x = torch.randn(34, 300, generator=torch.Generator().manual_seed(0))
    nodes, weight = torch.tensor([3, 0, 20]), dense(weighted, weighted.edge_weight)
    how = KernelInducingPoints(num_nodes=4)
    ((theirs, mine),) = how._pairs(how._bases(wide, nodes), wide.x, weight, seed=3)
    torch.testing.assert_close(theirs, propagated(wide, nodes, 2))
    torch.testing.assert_close(mine, propagated(wide, torch.arange(34), 2))


@pytest.mark.parametrize("space", [None, PolynomialFilters(order=2)])
def test_kernel_ridge_regression_of_a_weighted_batch_is_summed_over_filters(
    space, karate, monkeypatch
):
    """Gram matrices, ridges, batches of what is kept, weights and filters, all written out."""
    monkeypatch.setattr(kernel_inducing_points, "_MOST_NODES", 20)
    draw = torch.Generator().manual_seed(0)
    members = LabelledNodes(
        torch.arange(34), torch.arange(34) % 2, torch.rand(34, generator=draw) + 0.1
    )
    how = KernelInducingPoints(num_nodes=4, space=space, filters=2, ridges=(0.2, 3.0), batch=10)
    x, y = torch.randn(4, 34, generator=draw), torch.tensor([0, 0, 1, 1])
    start = SyntheticGraph.start(x, y, "learned")
    weight = start.weight().detach()
    loss = how._loss(karate, members, start, 7)
    members = members.thinned(20, 7)
    bases = how._bases(karate, members.nodes)
    index = members.batch(10, 7, 5)
    scale = bases[0].square().sum(1).mean().sqrt()
    total, share = 0.0, members.weight[index] / members.weight[index].sum()
    for theirs, mine in how._pairs(bases[:, index], x, weight, derive(7, "filters", 5)):
        other, z = (F.pad(rows, (0, 1), value=float(scale)) for rows in (theirs, mine))
        gram = z @ z.T
        for ridge in (0.2, 3.0):
            level = ridge * gram.trace() / 4 * torch.eye(4)
            fitted = other @ z.T @ torch.linalg.solve(gram + level, F.one_hot(y).float())
            error = fitted - F.one_hot(members.labels[index])
            total += float(share @ error.square().sum(1))
    assert float(loss(x, weight, 5)) == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize(
    "how",
    [
        DistributionMatching(num_nodes=4, width=6),
        KernelInducingPoints(num_nodes=4),
        KernelInducingPoints(num_nodes=4, space=PolynomialFilters(order=2), filters=2),
        TrajectoryMatching(num_nodes=4, experts=1, expert_steps=5, span=3, student_steps=2),
    ],
)
def test_losses_have_the_slopes_that_differences_show(how, karate):
    """To features and to edges, in double precision."""
    data = copy.copy(karate)
    data.x = data.x.double()
    members = LabelledNodes(torch.arange(34), torch.arange(34) % 2, torch.ones(34).double())
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4, 34, generator=draw).double().requires_grad_()
    start = SyntheticGraph.start(x, torch.tensor([0, 0, 1, 1]), "learned")
    weight = (torch.ones(4, 4) - torch.eye(4)).double().div(2).requires_grad_()
    loss = how._loss(data, members, start, 7)
    move, turn = 1e-5 * torch.randn(4, 34, generator=draw).double(), torch.zeros(4, 4).double()
    turn[0, 1] = turn[1, 0] = 1e-5
    slopes = torch.autograd.grad(loss(x, weight, 5), (x, weight))
    ends = [float(loss(x + sign * move, weight, 5).detach()) for sign in (1, -1)]
    assert float((slopes[0] * move).sum()) == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-4)
    ends = [float(loss(x, weight + sign * turn, 5).detach()) for sign in (1, -1)]
    assert float((slopes[1] * turn).sum()) == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-4)


def test_learned_nodes_count_their_steps_and_tell_the_mean_loss(karate, monkeypatch):
    """Every step of every round has its own number and its own edges; the scores of the rounds are
    of twice propagated features on validation nodes.
    """
    seen, drawn = [], []
    weigh = SyntheticGraph.weight

    def weighing(self, seed=None):
        drawn.append(seed)
        return weigh(self, seed)

    def losing(self, data, members, graph, seed):
        def loss(x, weight, step):
            seen.append(step)
            return x.sum() * 0 + weight.sum() * 0 + float(step)

        return loss

    monkeypatch.setattr(SyntheticGraph, "weight", weighing)
    monkeypatch.setattr(DistributionMatching, "_loss", losing)
    how = DistributionMatching(
        num_nodes=4, rounds=2, steps=3, adjacency="learned", keep_best=False, seed=5
    )
    _, history = how.part(karate, "train", 4)
    own = derive(5, "DistributionMatching", "train")
    assert seen == list(range(6))
    assert drawn[:6] == [derive(own, "edges", step) for step in range(6)]
    assert [record["loss"] for record in history] == [1.0, 4.0]
    both = how.condense(karate).history
    assert [(record["part"], record["step"]) for record in both] == [
        *(("train", 0), ("train", 1), ("val", 0), ("val", 1))
    ]


def test_the_graph_that_a_run_returns_is_exported_above_the_threshold(karate, monkeypatch):
    best = SyntheticGraph.start(torch.eye(4, 34), torch.tensor([0, 0, 1, 1]), "learned")
    monkeypatch.setattr(Learner, "run", lambda *_: (best, []))
    edges = best.weight().detach()
    threshold = float(edges[edges > 0].median())
    how = DistributionMatching(num_nodes=4, adjacency="learned", threshold=threshold)
    small, _ = how.part(karate, "train", 4)
    assert torch.equal(small.x, best.x.detach())
    kept = torch.zeros(4, 4)
    kept[tuple(small.edge_index)] = small.edge_weight
    assert torch.equal(kept, edges * (edges > threshold))


def test_both_learning_rates_reach_the_learner(karate, monkeypatch):
    seen, init = [], Learner.__init__

    def watched(self, graph, learning_rate, edge_learning_rate, name):
        seen.append((learning_rate, edge_learning_rate))
        init(self, graph, learning_rate, edge_learning_rate, name)

    monkeypatch.setattr(Learner, "__init__", watched)
    rates = {"learning_rate": 0.3, "edge_learning_rate": 0.7}
    DistributionMatching(num_nodes=4, rounds=1, steps=1, **rates).part(karate, "val", 4)
    assert seen == [(0.3, 0.7)]


def many_members(scale=1.0):
    """All nodes of the club with two classes and a weight each, and a graph of four to learn."""
    draw = torch.Generator().manual_seed(0)
    labels, weight = torch.arange(34) % 2, torch.rand(34, generator=draw) + 0.1
    y = torch.tensor([0, 0, 0, 1])
    start = SyntheticGraph.start(scale * torch.randn(4, 34, generator=draw), y, "learned")
    return LabelledNodes(torch.arange(34), labels, weight), y, start


def test_class_means_are_matched_on_batches_of_thinned_members(karate, monkeypatch):
    """What a step looks at when there are too many nodes, and how often they are propagated."""
    monkeypatch.setattr(distribution_matching, "_MOST_NODES", 20)
    members, y, start = many_members()
    x, weight = start.x.detach(), start.weight().detach()
    how = DistributionMatching(num_nodes=4, hops=1, width=16, batch=8)
    loss = how._loss(karate, members, start, seed=7)
    few = members.thinned(20, 7)
    assert len(few.nodes) == 20
    z, ours = propagated(karate, few.nodes, 1), gcn_norm_dense(weight) @ x
    found = set()
    for step in (0, 1):
        index = few.batch(8, 7, step)
        rows, total = z[index], 0.0
        random = torch.randn(34, 16, generator=generator(7, "embedding", step))
        for theirs, mine in ((rows, ours), ((rows @ random).relu(), (ours @ random).relu())):
            for label, share in ((0, 0.75), (1, 0.25)):
                inside = few.labels[index] == label
                part = few.weight[index][inside]
                mean = (part[:, None] * theirs[inside]).sum(0) / part.sum()
                gap = mine[y == label].mean(0) - mean
                total += share * float(gap.square().sum() / mean.square().sum())
        found.add(total)
        assert float(loss(x, weight, step)) == pytest.approx(total, rel=1e-3)
    assert len(found) == 2


def test_a_student_goes_where_an_expert_went_by_longer_steps(karate, monkeypatch):
    """Experts, segments and students, all written out."""
    monkeypatch.setattr(trajectory_matching, "_MOST_NODES", 20)
    members, y, start = many_members(0.05)
    x, weight = start.x.detach(), start.weight().detach()
    how = TrajectoryMatching(num_nodes=4, experts=3, expert_steps=9, span=4, student_steps=2)
    loss = how._loss(karate, members, start, seed=7)
    few = members.thinned(20, 7)
    backbone = SGCBackbone(karate, few, y, batch=20, seed=7)
    share = few.weight / few.weight.sum()

    def moved(value, rows, labels, share, rate):
        value = value.detach().requires_grad_()
        each = F.cross_entropy(rows @ value, labels, reduction="none")
        (slope,) = torch.autograd.grad((share * each).sum(), value)
        return value.detach() - rate * slope

    paths = []
    for number in range(3):
        path = [backbone.fresh(derive(7, "expert", number))["weight"]]
        for _ in range(9):
            path.append(moved(path[-1], backbone.z, few.labels, share, 1 / backbone.level))
        paths.append(path)
    starts = set()
    for step in range(12):
        stream = generator(7, "segment", step)
        which, first = (int(torch.randint(most, (), generator=stream)) for most in (3, 9 - 4))
        begin, goal = value, _ = paths[which][first], paths[which][first + 4]
        for _ in range(2):
            rows = backbone.features(x, weight)
            value = moved(value, rows, y, torch.full((4,), 0.25), 4 / 2 / backbone.level)
        wanted = (value - goal).square().sum() / (begin - goal).square().sum()
        assert float(loss(x, weight, step)) == pytest.approx(float(wanted), rel=1e-3)
        starts.add((which, first))
    assert {which for which, _ in starts} == {0, 1, 2}
    assert {first for _, first in starts} == {0, 1, 2, 3, 4}


def test_members_are_drawn_without_repeats_and_keep_labels_and_weights():
    members = LabelledNodes(torch.arange(9) + 5, torch.arange(9) % 3, torch.arange(9) + 1.0)
    few = members.thinned(4, seed=1)
    at = few.nodes - 5
    assert len(set(at.tolist())) == 4
    assert torch.equal(few.labels, at % 3)
    assert torch.equal(few.weight, at + 1.0)
    assert len({tuple(members.thinned(4, seed).nodes.tolist()) for seed in range(5)}) > 1
    assert members.thinned(9, seed=1) is members
    assert members.batch(9, 1, 0).tolist() == list(range(9))
    batches = [members.batch(8, seed, step) for seed, step in ((1, 0), (1, 1), (2, 0))]
    assert all(len(set(batch.tolist())) == 8 for batch in batches)
    assert len({tuple(batch.tolist()) for batch in batches}) == 3
    assert torch.equal(batches[0], members.batch(8, 1, 0))


def test_a_learner_keeps_every_tenth_round_and_the_last(tmp_path):
    """And goes on from what it kept: the graph, the best one, its score and its history."""
    scores = {0: 0.1, 4: 0.9, 13: 0.5}

    def learner():
        start = SyntheticGraph.start(torch.zeros(2, 1), torch.tensor([0, 1]), "identity")
        made = Learner(start, 0.1, 0.1, "")
        made._judge = lambda _: scores.get(len(played), 0.2)
        return made

    def play(own):
        def one(number):
            played.append(number)
            with torch.no_grad():
                own.graph.x.fill_(float(number))
            if number == stop:
                raise KeyboardInterrupt
            return 2.0 * number

        return one

    played, stop = [], 11
    made = learner()
    with pytest.raises(KeyboardInterrupt):
        made.run(12, play(made), "any", Checkpoint(tmp_path / "c", "same"))
    assert played == list(range(12))
    stop, made = -1, learner()
    best, history = made.run(12, play(made), "any", Checkpoint(tmp_path / "c", "same"))
    assert played == [*range(12), 10, 11]
    assert float(best.x.detach()[0, 0]) == 3
    assert [record["loss"] for record in history] == [2.0 * number for number in range(12)]
    made = learner()
    again, _ = made.run(12, play(made), "any", Checkpoint(tmp_path / "c", "same"))
    assert len(played) == 14
    assert float(made.graph.x.detach()[0, 0]) == 11
    assert torch.equal(again.x, best.x)
