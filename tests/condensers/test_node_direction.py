"""Every learner of node graphs goes down what it says it lowers, from the split it names."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from graphcond.condensers import (
    DosCond,
    GCond,
    GCondX,
    GradientMatching,
    HypergradientMatching,
    KernelInducingPoints,
    Pool,
    Trajectories,
    Weights,
)
from graphcond.condensers.hcdc import condenser as hcdc
from graphcond.condensers.hcdc import trajectories
from graphcond.condensers.hcdc.objective import Matching, Students, train_students
from graphcond.condensers.hcdc.pool import PoolForm
from graphcond.condensers.nodes.backbones import NetBackbone, SGCBackbone, gradient_distance
from graphcond.condensers.nodes.learner import Learner, Origin
from graphcond.condensers.synthesis import best_linear, linear_accuracy
from graphcond.data import load, parts
from graphcond.hypergrad import Sensitivity
from graphcond.linalg import Hessian
from graphcond.nn import PolynomialFilterNet, dense_operator
from graphcond.nn.adjacency import Learned
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining, filter_graph
from graphcond.training.filter_answers import Target
from graphcond.training.filter_problem import FilterLearner, FilterProblem, network_scores
from graphcond.training.graph_descent import Descent

NET = PolynomialFilterNet(8, hidden=4, num_classes=3)
LAM = PolynomialFilters().sample(6, seed=1)


def relabelled(data, part):
    out = copy.copy(data)
    out.y = torch.where(data[f"{part}_mask"], (data.y + 1) % 3, data.y)
    return out


def problem(data, net=NET, **settings):
    return FilterProblem(net, filter_graph(data), settings.pop("weight_decay", 0.05), **settings)


def test_the_weight_of_a_class_is_its_share():
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    start = SyntheticGraph.start(torch.randn(6, 3), y, "identity")
    assert Learner(start, 0.1, 0.1, "").class_weight.tolist() == pytest.approx(
        [3 / 6, 1 / 6, 2 / 6]
    )


@pytest.mark.parametrize("kind", ["cosine", "l2"])
def test_a_class_counts_by_its_weight_in_the_distance(kind):
    draw = torch.Generator().manual_seed(0)
    ours, real = ({"w": torch.randn(2, 4, 3, generator=draw)} for _ in range(2))
    each = [float(gradient_distance(ours, real, kind, row)) for row in torch.eye(2)]
    mixed = float(gradient_distance(ours, real, kind, torch.tensor([0.25, 0.75])))
    assert mixed == pytest.approx(0.25 * each[0] + 0.75 * each[1], rel=1e-5)
    both = float(gradient_distance(ours, real, "both", torch.eye(2)[0]))
    one, two = (
        float(gradient_distance(ours, real, name, torch.eye(2)[0])) for name in ("cosine", "l2")
    )
    assert both == pytest.approx(one + two, rel=1e-5)
    assert float(gradient_distance(real, real, kind, torch.ones(2))) == pytest.approx(0, abs=1e-5)
    wanted = (ours["w"] - real["w"]).square().sum((1, 2)) / real["w"].square().sum((1, 2))
    assert two == pytest.approx(float(wanted[0]), rel=1e-5)


@pytest.mark.parametrize("space", [None, PolynomialFilters(order=2)])
def test_backbones_learn_the_condensed_graph(space, karate):
    """Training on S lowers the loss on S; a seed repeats its start, another differs."""
    members, y = LabelledNodes.of_part(karate, "train"), torch.tensor([0, 0, 1, 1])
    x = torch.randn(4, karate.num_features, generator=torch.Generator().manual_seed(0))
    weight = torch.zeros(4, 4)
    sgc = SGCBackbone(karate, members, y, 100, seed=0)
    net = PolynomialFilterNet(karate.num_features, hidden=8, num_classes=2)
    backbones = [NetBackbone(net, space, karate, members, y)]
    backbones += [sgc] if space is None else []
    for backbone in backbones:
        first, again, other = (backbone.fresh(seed) for seed in (0, 0, 1))
        name = next(iter(first))
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
        losses = []
        for params in (first, backbone.train(first, x, weight, 15)):
            if backbone is sgc:
                logits = (sgc.features(x, weight) @ params["weight"])[None]
            else:
                free = {key: value for key, value in params.items() if key != "lam"}
                logits = net(free, params["lam"], dense_operator(weight), x)
            losses.append(float(F.cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)))))
        assert losses[1] < losses[0]


def test_the_best_round_is_kept_and_without_a_judge_the_last(monkeypatch):
    scores = iter([0.2, 0.5, 0.9, 0.4])
    monkeypatch.setattr(Learner, "_judge", lambda self, data: next(scores))

    def run(judge):
        start = SyntheticGraph.start(torch.zeros(2, 1), torch.tensor([0, 1]), "identity")
        learner = Learner(start, 0.1, 0.1, "")

        def play(number):
            with torch.no_grad():
                learner.graph.x.fill_(float(number + 1))
            return 1.0

        return float(learner.run(3, play, judge, None)[0].x[0, 0].detach())

    assert run("any") == 2.0
    assert run(None) == 3.0


def test_a_learner_goes_down():
    start = SyntheticGraph.start(torch.ones(2, 3), torch.tensor([0, 1]), "identity")
    learner = Learner(start, 0.1, 0.1, "")
    losses = [learner.update((learner.graph.x - 3).square().sum(), "") for _ in range(5)]
    assert losses[-1] < losses[0]


def test_kernel_inducing_points_lower_the_error_of_kernel_ridge_regression(karate):
    """The loss is the weighted squared error written out, and learning lowers it, not its
    negative.
    """
    how = KernelInducingPoints(num_nodes=4, ridges=(0.3,), start="nodes", targets="train")
    members = LabelledNodes.of_part(karate, "train")
    start, _ = Origin("nodes", "train", Learned())(karate, "train", 4, 0)
    loss, x, weight = how._loss(karate, members, start, 0), start.x.detach(), torch.zeros(4, 4)
    weight_all = torch.zeros(karate.num_nodes, karate.num_nodes)
    weight_all[karate.edge_index[1], karate.edge_index[0]] = 1
    operator = gcn_norm_dense(weight_all)
    theirs = (operator @ operator @ karate.x)[members.nodes]
    scale = theirs.square().sum(1).mean().sqrt()
    z, other = (F.pad(rows, (0, 1), value=float(scale)) for rows in (x, theirs))
    gram = z @ z.T
    level = 0.3 * gram.diagonal().mean() * torch.eye(4)
    target = F.one_hot(start.y).float()
    error = other @ z.T @ torch.linalg.solve(gram + level, target) - F.one_hot(members.labels)
    assert float(loss(x, weight, 0)) == pytest.approx(float(error.square().sum(1).mean()), rel=1e-4)
    learned = replace(how, rounds=4, steps=10, keep_best=False).condense(load("karate")).data
    assert float(loss(parts(learned)[0].x, weight, 0)) < float(loss(x, weight, 0))


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_graph_starts_from_nodes_of_its_own_part(part, karate):
    """Karate's features name the nodes."""
    found = []
    for seed in (0, 0, 1):
        start, members = Origin("nodes", "train", Learned())(karate, part, 5, seed)
        nodes = start.x.detach().argmax(1)
        assert karate[f"{part}_mask"][nodes].all()
        assert torch.equal(karate.y[nodes], start.y)
        assert karate[f"{part}_mask"][members.nodes].all()
        found.append(nodes)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_control_counts_validation_nodes(graph):
    draw = torch.Generator().manual_seed(0)
    z, y = torch.randn(6, 8, generator=draw), torch.tensor([0, 0, 1, 1, 2, 2])
    plain = [linear_accuracy(graph, z, y, hops) for hops in (1, 2)]
    for part in ("train", "test"):
        mask = graph.train_mask if part == "train" else graph.y < 0
        moved = copy.copy(graph)
        moved.y = torch.where(mask, 0, graph.y)
        assert [linear_accuracy(moved, z, y, hops) for hops in (1, 2)] == plain
    assert linear_accuracy(relabelled(graph, "val"), z, y) != plain[1]
    assert best_linear(graph, z, y) == max(plain)
    assert plain[0] != plain[1]
    known = graph.x[graph.train_mask]
    taught = linear_accuracy(graph, known, graph.y[graph.train_mask], 1)
    assert taught > linear_accuracy(graph, known, (graph.y[graph.train_mask] + 1) % 3, 1)


def test_presets_field_by_field():
    shared = {"space": None, "distance": "cosine", "targets": "train", "start": "nodes"}
    shared |= {"learning_rate": 0.1, "edge_learning_rate": 0.01}
    shared |= {"batch": 1024, "keep_best": True, "net": None}
    long = {"num_seeds": 20, "steps": 30, "inner": 5, "threshold": 0.05}
    short = {"num_seeds": 300, "steps": 1, "inner": 0, "threshold": 0.5}
    for preset, own in (
        (GradientMatching, {"adjacency": "mlp", **long}),
        (GCond, {"adjacency": "mlp", **long}),
        (GCondX, {"adjacency": "identity", **long}),
        (DosCond, {"adjacency": "bernoulli", **short}),
    ):
        made = preset(num_nodes=4)
        found = {name: getattr(made, name) for name in {**shared, **own}}
        assert found == {**shared, **own}, preset


def test_the_curvature_is_the_hessian_of_the_inner_loss_where_both_are_one(graph):
    """One linear layer: Gauss-Newton is exact. Loss, penalty and products are of one function."""
    net = PolynomialFilterNet(8, num_classes=3, num_layers=1)
    data = copy.copy(graph)
    data.x = graph.x.double()
    linear, lam = problem(data, net), LAM[:1].double()
    params = net.init(1, seed=0, dtype=torch.float64)
    exact = Hessian(lambda theta: linear.inner(theta, lam), params)
    torch.testing.assert_close(linear.curvature(params, lam).dense(params), exact.dense(params))
    without = replace(linear, weight_decay=0.0)
    penalty = linear.inner(params, lam) - without.inner(params, lam)
    wanted = 0.025 * sum(value.square().sum() for value in params.values())
    torch.testing.assert_close(penalty.sum(), wanted)


def test_inner_reads_training_and_outer_validation_labels(graph):
    params = NET.init(len(LAM), seed=0)
    plain = problem(graph)
    for part, stays, moves in (("train", "outer", "inner"), ("val", "inner", "outer")):
        moved = problem(relabelled(graph, part))
        assert torch.equal(getattr(plain, stays)(params, LAM), getattr(moved, stays)(params, LAM))
        assert not torch.equal(
            getattr(plain, moves)(params, LAM), getattr(moved, moves)(params, LAM)
        )
    loss, accuracy = network_scores(plain, params, LAM)
    torch.testing.assert_close(loss, plain.outer(params, LAM))
    logits = plain.logits(params, LAM, plain.graph.val)
    picked = (logits.argmax(-1) == graph.y[graph.val_mask]).float().mean(1)
    torch.testing.assert_close(accuracy, picked)


def test_students_and_learners_descend_the_inner_loss(graph):
    """Both are Adam on :meth:`FilterProblem.inner`, penalty included, step by step."""
    recipe = FilterTraining(epochs=4, learning_rate=0.02, weight_decay=0.05)
    plain, start = problem(graph), NET.init(len(LAM), seed=0)
    mine = {name: value.clone().requires_grad_() for name, value in start.items()}
    adam = torch.optim.Adam(mine.values(), lr=0.02)
    learner = FilterLearner.fresh(plain, LAM, 0, recipe)
    first = plain.inner(mine, LAM).sum().detach()
    for _ in range(4):
        loss = plain.inner(mine, LAM).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        learner.step(LAM)
    found = train_students(plain, start, LAM, recipe, 0)
    for name, value in mine.items():
        torch.testing.assert_close(found[name], value.detach(), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(learner.frozen()[name], value.detach(), rtol=1e-4, atol=1e-6)
    assert plain.inner(found, LAM).sum() < first - 0.05


def matching(weights=None, keep_direct=True):
    draw = torch.Generator().manual_seed(2)
    lam, params = LAM.double(), NET.init(6, seed=0, dtype=torch.float64)
    x = torch.randn(5, 8, generator=draw, dtype=torch.float64)
    start = SyntheticGraph.start(x, torch.tensor([0, 0, 1, 1, 2]), "learned")
    columns = tuple(
        {name: torch.randn(v.shape, generator=draw, dtype=v.dtype) for name, v in params.items()}
        for _ in range(3)
    )
    answers = [torch.rand(6, generator=draw).double() for _ in range(2)]
    slopes = torch.randn(6, 3, generator=draw).double()
    target = Target(lam, answers[0] + 0.5, answers[1], slopes)
    students = (Students(lam, params, Sensitivity(columns, ())),)
    return Matching(NET, students, target, weights or Weights(), keep_direct), start


def test_the_objective_is_the_weighted_sum_of_three_distances():
    """Pearson of log losses and of accuracies, cosine of hypergradients, all written out."""
    weights = Weights(hypergradient=0.7, value=0.2, accuracy=0.4, ranks=False)
    match, start = matching(weights)
    students, rows = match.copies[0], torch.arange(6)
    lam = students.lam.clone().requires_grad_()
    params = {name: v.clone().requires_grad_() for name, v in students.params.items()}
    logits = match.logits(start, params, lam, 0.0)
    loss = torch.stack([F.cross_entropy(each, start.y) for each in logits])

    def pearson(first, second):
        return float(torch.corrcoef(torch.stack([first.detach(), second]))[0, 1])

    own = F.one_hot(start.y, 3).bool()
    margin = logits.detach()[:, own] - logits.detach().masked_fill(own, -torch.inf).amax(-1)
    soft = torch.sigmoid(margin / 0.3).mean(1)
    grads = torch.autograd.grad(loss.sum(), [lam, *params.values()])
    slope = grads[0].clone()
    for h, column in enumerate(students.sensitivity.columns):
        for grad, name in zip(grads[1:], params):
            slope[:, h] += (grad * column[name]).flatten(1).sum(1)
    cosine = F.cosine_similarity(slope[:2], match.target.gradient[:2], dim=1).mean()
    wanted = {
        "value": 1 - pearson(loss.log(), match.target.loss.log()),
        "accuracy": 1 - pearson(soft, match.target.accuracy),
        "hypergradient": float(1 - cosine),
    }
    total, found = match.distance(start, rows, 0.0)
    assert found == pytest.approx(wanted, abs=1e-6)
    weighed = 0.2 * wanted["value"] + 0.4 * wanted["accuracy"] + 0.7 * wanted["hypergradient"]
    assert float(total.detach()) == pytest.approx(weighed, abs=1e-6)
    without = matching(weights, keep_direct=False)[0].distance(start, rows, 0.0)[1]
    assert without["hypergradient"] != pytest.approx(wanted["hypergradient"], abs=1e-4)


def test_normal_scores_rank_as_the_losses_do():
    wanted, loss = matching()[0].wanted, matching()[0].target.loss
    assert torch.equal(wanted.argsort(), loss.argsort())
    assert float(wanted.sum()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["hypergradient", "value", "accuracy"])
def test_each_part_alone_falls_as_the_graph_descends(name):
    weights = Weights(**{"hypergradient": 0.0, "value": 0.0, "accuracy": 0.0, name: 1.0})
    match, start = matching(weights)
    descent, values = Descent(start, 0.1, 0.2, 30), []
    for _ in range(30):
        total, found = match.distance(descent.graph, torch.arange(6), 0.0)
        values.append(found[name])
        descent.step(total)
    assert values[-1] < 0.7 * values[0]


def test_descent_anneals_its_rates_by_a_cosine():
    start = SyntheticGraph.start(torch.full((2, 3), 2.0), torch.tensor([0, 1]), "learned")
    descent, rates = Descent(start, 0.1, 0.2, 4), []
    for _ in range(4):
        descent.step(descent.graph.x.sum() + descent.graph.edge_params["logits"].sum())
        rates.append([group["lr"] for group in descent.optimiser.optimiser.param_groups])
    for (x, logits), fade in zip(rates, (1, 0.85355, 0.5, 0.14645)):
        assert (x, logits) == pytest.approx((0.2 * fade, 0.2 * fade), rel=1e-4)
    assert descent.done == 4


SMALL = {"num_nodes": 6, "num_val": 6, "recipe": FilterTraining(epochs=8)}


def test_the_default_forms_distance_between_hypergradients_falls(graph, monkeypatch):
    """D_c and the two other terms over the whole pool, before and after, summed over three seeds:
    with its default weight of .1 the first stays as it was in one of them.
    """
    before, after, descend = [], [], PoolForm._descend

    def watched(self, match, descent):
        before.append(match.distance(descent.graph, torch.arange(over.size), 0.0)[1])
        descend(self, match, descent)
        after.append(match.distance(descent.graph, torch.arange(over.size), 0.0)[1])

    monkeypatch.setattr(PoolForm, "_descend", watched)
    over = Pool(size=20, batch=16, steps=60, copies=1)
    for seed in range(3):
        HypergradientMatching(**SMALL, over=over, seed=seed).condense(graph)
    for name in ("hypergradient", "value", "accuracy"):
        falls = [start[name] - end[name] for start, end in zip(before, after)]
        assert sum(falls) > 0.2, name


def test_lambda_moves_down_the_condensed_validation_loss(graph, monkeypatch):
    moves, slopes = [], []
    relax, gradient = PolynomialFilters.relax, trajectories.condensed_gradient

    def relaxing(self, lam):
        moves.append(lam)
        return relax(self, lam)

    def watched(setting, descent, params, lam):
        found = gradient(setting, descent, params, lam)
        slopes.append((lam, found[0].detach()))
        return found

    monkeypatch.setattr(PolynomialFilters, "relax", relaxing)
    monkeypatch.setattr(trajectories, "condensed_gradient", watched)
    over = Trajectories(starts=3, num_seeds=1, epochs=4, warmup=2, every=2, learning_rate=0.05)
    HypergradientMatching(**SMALL, over=over).condense(graph)
    lam, slope = slopes[0]
    torch.testing.assert_close(moves[-1], lam - 0.05 * F.normalize(slope, dim=1))


def test_the_validation_graph_starts_from_validation_nodes(karate):
    found = []
    for seed in (0, 0, 1):
        how = HypergradientMatching(num_nodes=4, num_val=4, seed=seed)
        start = hcdc._Run(how, karate, None).start()
        nodes = start.x.detach().argmax(1)
        assert karate.val_mask[nodes].all()
        assert torch.equal(karate.y[nodes], start.y)
        found.append(nodes)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
