"""Gradients and inner steps of the matched models, written out with weights that differ."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from graphcond.condensers import GradientMatching
from graphcond.condensers.nodes import gradient_matching
from graphcond.condensers.nodes.backbones import (
    ModuleBackbone,
    NetBackbone,
    SGCBackbone,
    gradient_distance,
)
from graphcond.condensers.nodes.learner import Learner, Origin
from graphcond.condensers.nodes.partition import Partition
from graphcond.nn import GraphNet, PolynomialFilterNet, dense_operator
from graphcond.nn.adjacency import Identity, PairMLP
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters

Y = torch.tensor([0, 0, 1, 1, 1])


@pytest.fixture(scope="module")
def members(karate):
    """All nodes, with weights that differ."""
    draw = torch.Generator().manual_seed(0)
    nodes = torch.arange(karate.num_nodes)
    known = torch.arange(len(nodes)) % 2
    return LabelledNodes(nodes, known, torch.rand(len(nodes), generator=draw) + 0.1)


def points(n=5, width=34):
    draw = torch.Generator().manual_seed(1)
    weight = torch.rand(n, n, generator=draw)
    return torch.randn(n, width, generator=draw), (weight + weight.T) * (1 - torch.eye(n))


def of_classes(logits, labels, weight, wanted):
    """Gradients of each class's weighted mean cross-entropy, summed over networks."""
    losses = F.cross_entropy(
        logits.flatten(0, -2), labels.repeat(logits[..., 0, 0].numel()), reduction="none"
    ).view(-1, len(labels))
    found = []
    for label in labels.unique():
        inside = labels == label
        loss = (losses[:, inside] @ weight[inside]).sum() / weight[inside].sum()
        found.append(torch.autograd.grad(loss, wanted, retain_graph=True))
    return [torch.stack(each) for each in zip(*found)]


def test_sgc_sees_weighted_members_of_a_batch_and_a_bias_as_large_as_a_row(karate, members):
    backbone = SGCBackbone(karate, members, Y, 9, seed=3, hops=1)
    rows = propagated(karate, members.nodes, 1)
    scale = float((rows.square().sum() / len(rows)).sqrt())
    z = F.pad(rows, (0, 1), value=scale)
    torch.testing.assert_close(backbone.z, z)
    assert float(backbone.level) == pytest.approx(float(z.square().sum() / len(z)), rel=1e-5)
    weight = backbone.fresh(1)["weight"].requires_grad_()
    batches = []
    for step in (0, 5):
        batch = members.batch(9, 3, step)
        (wanted,) = of_classes(
            (z[batch] @ weight)[None], members.labels[batch], members.weight[batch], [weight]
        )
        found = backbone.real({"weight": weight.detach()}, step)["weight"]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
        batches.append(set(batch.tolist()))
    assert batches[0] != batches[1]
    assert {len(batch) for batch in batches} == {9}


def test_sgc_starts_glorot_uniform_on_the_scale_of_its_rows(karate, members):
    backbone = SGCBackbone(karate, members, Y, 9, seed=0)
    draws = torch.cat([backbone.fresh(seed)["weight"].flatten() for seed in range(30)])
    bound = (6 / (35 + 2)) ** 0.5 / float(backbone.scale)
    assert 0.99 * bound < float(draws.max()) <= bound
    assert -bound <= float(draws.min()) < -0.99 * bound
    assert float(draws.mean()) == pytest.approx(0, abs=0.05 * bound)


def test_sgc_trains_by_steps_of_one_over_the_mean_squared_norm(karate, members):
    backbone = SGCBackbone(karate, members, Y, 9, seed=0)
    x, weight = points()
    operator = gcn_norm_dense(weight)
    z = F.pad(operator @ operator @ x, (0, 1), value=float(backbone.scale))
    torch.testing.assert_close(backbone.features(x, weight), z)
    start = backbone.fresh(0)
    value = start["weight"].clone().requires_grad_()
    for _ in range(3):
        (slope,) = torch.autograd.grad(F.cross_entropy(z @ value, Y), value)
        value = (value - slope / z.square().sum(1).mean()).detach().requires_grad_()
    torch.testing.assert_close(backbone.train(start, x, weight, 3)["weight"], value.detach())


@pytest.fixture
def weighted(karate):
    """The club with weights that are not the same both ways."""
    data = copy.copy(karate)
    data.edge_weight = 0.5 + (data.edge_index[0] + 2 * data.edge_index[1]) % 5
    return data


@pytest.mark.parametrize("space", [None, PolynomialFilters(order=2)])
def test_a_nets_gradients_are_of_weighted_means_within_classes(space, weighted, members):
    net = PolynomialFilterNet(34, hidden=4, num_classes=2)
    backbone = NetBackbone(net, space, weighted, members, Y, batch=3)
    params = backbone.fresh(2)
    assert params["lam"].shape == ((1, 2) if space is None else (3, 3))
    if space is None:
        assert params["lam"].tolist() == [[0.5, -0.5]]
    else:
        assert torch.equal(params["lam"], space.sample(3, seed=2))
    fresh = net.init(len(params["lam"]), 2)
    assert all(torch.equal(params[name], value) for name, value in fresh.items())
    names = [name for name in params if name.startswith("weight")]
    leaves = {name: params[name].clone().requires_grad_() for name in params if name != "lam"}
    dense = torch.zeros(34, 34)
    dense[weighted.edge_index[1], weighted.edge_index[0]] = weighted.edge_weight
    x, weight = points()
    for found, inputs, edges, labels, shares in (
        (backbone.real(params, 0), weighted.x, dense, members.labels, members.weight),
        (backbone.synthetic(params, x, weight), x, weight, Y, torch.ones(5)),
    ):
        logits = net(leaves, params["lam"], dense_operator(edges), inputs)
        wanted = of_classes(logits, labels, shares, [leaves[name] for name in names])
        for name, value in zip(names, wanted):
            torch.testing.assert_close(found[name].detach(), value, rtol=1e-3, atol=1e-5)
    assert set(found) == set(names)
    # What was given is left as it was, without gradients.
    assert not any(value.requires_grad for value in params.values())


@pytest.mark.parametrize("kind", ["sgc", "net", "module"])
def test_synthetic_gradients_can_be_followed_to_features_and_edges(kind, karate, members):
    """Against differences, in double precision; modules do not read the edges."""
    data = copy.copy(karate)
    data.x = data.x.double()
    sure = LabelledNodes(members.nodes, members.labels, members.weight.double())
    if kind == "sgc":
        backbone = SGCBackbone(data, sure, Y, 9, seed=0)
    elif kind == "net":
        backbone = NetBackbone(
            PolynomialFilterNet(34, hidden=3, num_classes=2), None, data, sure, Y
        )
    else:
        backbone = ModuleBackbone(partial(GraphNet, kind="gcn", hidden=3), data, sure, Y)
    params = backbone.fresh(2)
    x, weight = (part.double().requires_grad_() for part in points())
    move = 1e-5 * torch.randn(5, 34, generator=torch.Generator().manual_seed(3)).double()
    turn = 1e-5 * (1 - torch.eye(5)).double()

    def size(x, weight):
        return sum(g.square().sum() for g in backbone.synthetic(params, x, weight).values())

    slopes = torch.autograd.grad(size(x, weight), (x, weight), allow_unused=True)
    difference = float((size(x + move, weight) - size(x - move, weight)).detach()) / 2
    assert float((slopes[0] * move).sum()) == pytest.approx(difference, rel=1e-4)
    if kind == "module":
        assert slopes[1] is None
        return
    difference = float((size(x, weight + turn) - size(x, weight - turn)).detach()) / 2
    assert float((slopes[1] * turn).sum()) == pytest.approx(difference, rel=1e-4)


def test_networks_train_by_adam_on_the_mean_loss_of_each(karate, members):
    x, weight = points()
    net = PolynomialFilterNet(34, hidden=4, num_classes=2)
    two = NetBackbone(net, PolynomialFilters(order=2), karate, members, Y, batch=2)
    module = ModuleBackbone(partial(GraphNet, kind="gcn", hidden=4), karate, members, Y)
    model = GraphNet(34, 2, kind="gcn", hidden=4, seed=5).eval()
    none = torch.empty(2, 0, dtype=torch.long)
    params = two.fresh(5)
    for backbone, start in ((two, params), (module, module.fresh(5))):
        free = {k: v.clone().requires_grad_() for k, v in start.items() if k != "lam"}
        adam = torch.optim.Adam(free.values(), lr=0.01)
        for _ in range(3):
            if backbone is two:
                logits = net(free, params["lam"], dense_operator(weight), x)
            else:
                logits = torch.func.functional_call(model, free, (x, none))[None]
            loss = sum(F.cross_entropy(each, Y) for each in logits)
            adam.zero_grad()
            loss.backward()
            adam.step()
        found = backbone.train(start, x, weight, 3)
        for name, value in free.items():
            torch.testing.assert_close(found[name], value.detach(), rtol=1e-3, atol=1e-5)
    assert torch.equal(two.train(params, x, weight, 3)["lam"], params["lam"])


def test_a_modules_gradients_are_of_weighted_means_within_classes(weighted, members):
    backbone = ModuleBackbone(partial(GraphNet, kind="gcn", hidden=4), weighted, members, Y)
    params = backbone.fresh(5)
    model = GraphNet(34, 2, kind="gcn", hidden=4, seed=5).eval()
    assert all(torch.equal(params[name], value) for name, value in model.named_parameters())
    names = [name for name, value in model.named_parameters() if value.dim() == 2]
    matrices = [dict(model.named_parameters())[name] for name in names]
    logits = model(weighted.x, weighted.edge_index, weighted.edge_weight)[None]
    wanted = of_classes(logits, members.labels, members.weight, matrices)
    found = backbone.real(params, 0)
    assert set(found) == set(names)
    for name, value in zip(names, wanted):
        torch.testing.assert_close(found[name].mT, value, rtol=1e-3, atol=1e-5)


def test_matching_goes_on_from_the_trained_backbone_and_starts_anew(karate, monkeypatch):
    """Which parameters, which batch and which edges every step of every start looks at, and that
    the loss of a round is the mean of its steps.
    """
    seen, given, trained, drawn, losses, weights = [], [], [], [], [], []
    real, train, synthetic = SGCBackbone.real, SGCBackbone.train, SGCBackbone.synthetic
    weigh, update = SyntheticGraph.weight, Learner.update

    def weighing(self, seed=None):
        drawn.append(seed)
        return weigh(self, seed)

    def training(self, params, x, weight, steps):
        assert not x.requires_grad
        assert not weight.requires_grad
        assert steps == 2
        given.append(params)
        trained.append(train(self, params, x, weight, steps))
        return trained[-1]

    def compared(self, params, x, weight):
        assert x.requires_grad
        assert weight.requires_grad
        return synthetic(self, params, x, weight)

    def distance(ours, theirs, kind, weight):
        weights.append(weight.tolist())
        return gradient_distance(ours, theirs, kind, weight)

    def updating(self, loss, where):
        losses.append(update(self, loss, where))
        return losses[-1]

    monkeypatch.setattr(
        SGCBackbone, "real", lambda self, *args: (seen.append(args), real(self, *args))[1]
    )
    monkeypatch.setattr(SGCBackbone, "train", training)
    monkeypatch.setattr(SGCBackbone, "synthetic", compared)
    monkeypatch.setattr(gradient_matching, "gradient_distance", distance)
    monkeypatch.setattr(SyntheticGraph, "weight", weighing)
    monkeypatch.setattr(Learner, "update", updating)
    how = GradientMatching(
        num_nodes=5, num_seeds=2, steps=3, inner=2, adjacency="learned", keep_best=False
    )
    small, history = how.part(karate, "train", 5)
    seed = derive(0, "matching", "train")
    assert [number for _, number in seen] == list(range(6))
    assert drawn[:6] == [derive(seed, "edges", number) for number in range(6)]
    assert all(params is step[0] for params, step in zip(given, seen, strict=True))
    for step in (1, 2, 4, 5):
        assert seen[step][0] is trained[step - 1]
    share = small.y.bincount() / 5
    assert weights == [share.tolist()] * 6
    assert share[0] != share[1]
    members = LabelledNodes.of_part(karate, "train")
    backbone = SGCBackbone(karate, members, torch.tensor([0, 0, 1, 1]), 1024, seed)
    for step, init in ((0, 0), (3, 1)):
        fresh = backbone.fresh(derive(seed, "init", init))["weight"]
        assert torch.equal(seen[step][0]["weight"], fresh)
    means = [sum(losses[:3]) / 3, sum(losses[3:]) / 3]
    assert [record["loss"] for record in history] == pytest.approx(means)
    assert [record["step"] for record in history] == [0, 1]


def test_what_is_matched_is_told_the_batch_and_the_space(karate, members, monkeypatch):
    made = {}
    for name in ("SGCBackbone", "NetBackbone", "ModuleBackbone"):
        monkeypatch.setattr(
            gradient_matching, name, lambda *args, name=name: made.setdefault(name, args)
        )
    space, net = PolynomialFilters(order=2), PolynomialFilterNet(34, hidden=4, num_classes=2)
    GradientMatching(num_nodes=4, batch=7)._backbone(karate, members, Y, 5)
    GradientMatching(net, num_nodes=4, space=space)._backbone(karate, members, Y, 5)
    assert made["SGCBackbone"] == (karate, members, Y, 7, 5)
    assert made["NetBackbone"] == (net, space, karate, members, Y)
    factory = partial(GraphNet, kind="gcn", hidden=4)
    GradientMatching(factory, num_nodes=4, adjacency="identity")._backbone(karate, members, Y, 5)
    assert made["ModuleBackbone"] == (factory, karate, members, Y)


def test_columns_are_compared_by_cosine_and_all_tensors_and_networks_count():
    draw = torch.Generator().manual_seed(0)
    ours, real = (
        {name: torch.randn(2, 3, 4, 5, generator=draw) for name in "ab"} for _ in range(2)
    )
    weight, total = torch.tensor([0.3, 0.7]), {"cosine": 0.0, "l2": 0.0}
    for name in "ab":
        for label in range(2):
            mine, theirs = ours[name][label], real[name][label]
            square = (mine - theirs).square().sum() / theirs.square().sum()
            total["l2"] += float(weight[label] * square)
            for network in range(3):
                for column in range(5):
                    a, b = mine[network, :, column], theirs[network, :, column]
                    total["cosine"] += float(weight[label] * (1 - a @ b / a.norm() / b.norm()))
    for kind, wanted in {**total, "both": sum(total.values())}.items():
        assert float(gradient_distance(ours, real, kind, weight)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("targets", ["train", "teacher"])
def test_a_graph_starts_from_the_clusters_of_its_targets(part, targets, karate):
    """The validation graph from its true classes, whatever the targets of the training graph."""
    labels = targets if part == "train" else "train"
    wanted, _ = Partition(labels=labels, num_nodes=5, seed=3).part(karate, part, 5)
    start, members = Origin("partition", targets, PairMLP())(karate, part, 5, 3)
    assert torch.equal(start.x.detach(), wanted.x)
    assert torch.equal(start.y, wanted.y)
    same = SyntheticGraph.start(wanted.x, wanted.y, PairMLP(), derive(3, part))
    assert all(torch.equal(value, same.params[name]) for name, value in start.params.items())
    taught = labels == "teacher"
    assert len(members.nodes) == (34 if taught else int(karate[f"{part}_mask"].sum()))


@pytest.mark.parametrize("rule", [Identity(), PairMLP()])
def test_a_graph_starts_from_random_nodes_of_its_part(rule, karate):
    """With what propagation brings them where there will be no edges."""
    start, _ = Origin("nodes", "teacher", rule)(karate, "val", 4, 3)
    hops = 2 if rule == Identity() else 0
    rows = propagated(karate, karate.val_mask.nonzero()[:, 0], hops)
    found = torch.cdist(start.x.detach(), rows)
    assert float(found.amin(1).max()) == pytest.approx(0, abs=1e-6)
    labels = karate.y[karate.val_mask][found.argmin(1)]
    assert torch.equal(labels, start.y)
    same = SyntheticGraph.start(start.x, start.y, rule, derive(3, "val"))
    assert all(torch.equal(value, same.params[name]) for name, value in start.params.items())


def test_a_start_has_the_class_shares_of_the_teacher_and_true_members(karate, monkeypatch):
    labels = (torch.arange(34) % 4 == 0).long()
    taught = LabelledNodes(torch.arange(34), labels, torch.ones(34))
    monkeypatch.setattr(LabelledNodes, "taught", lambda *_: taught)
    start, members = Origin("nodes", "teacher", Identity())(karate, "train", 4, 3)
    assert members is taught
    assert start.y.tolist() == [0, 0, 0, 1]
    rows = propagated(karate, karate.train_mask.nonzero()[:, 0], 2)
    found = torch.cdist(start.x.detach(), rows)
    assert torch.equal(karate.y[karate.train_mask][found.argmin(1)], start.y)
    assert float(found.amin(1).max()) == pytest.approx(0, abs=1e-6)


def test_a_learner_steps_by_shares_of_the_features_mean_size():
    x = torch.tensor([[3.0, -1.0], [0.0, 0.0]])
    learner = Learner(SyntheticGraph.start(x, Y[1:3], "learned"), 0.1, 0.3, "")
    rates = [group["lr"] for group in learner.optimiser.optimiser.param_groups]
    assert dict(zip(learner.graph.params, rates)) == pytest.approx({"x": 0.1, "logits": 0.3})


def test_a_graph_is_judged_by_a_linear_model_on_what_two_propagations_bring(karate):
    x, weight = points(4)
    start = SyntheticGraph.start(x, torch.tensor([0, 0, 1, 1]), "bernoulli")
    learner, operator = Learner(start, 0.1, 0.1, ""), gcn_norm_dense(start.weight().detach())
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "graphcond.condensers.nodes.learner.linear_accuracy", lambda *a: seen.append(a)
        )
        learner._judge(karate)
    assert seen[0][0] is karate
    torch.testing.assert_close(seen[0][1], operator @ operator @ x)
    assert torch.equal(seen[0][2], start.y)


def test_a_round_is_kept_only_where_it_is_better_and_all_are_told(monkeypatch):
    scores = iter([0.5, 0.5, 0.7, 0.7])
    monkeypatch.setattr(Learner, "_judge", lambda self, data: next(scores))
    learner = Learner(SyntheticGraph.start(torch.zeros(2, 1), Y[1:3], "identity"), 0.1, 0.1, "")

    def play(number):
        with torch.no_grad():
            learner.graph.x.fill_(float(number + 1))
        return 10.0 * number

    best, history = learner.run(3, play, "any", None)
    assert float(best.x.detach()[0, 0]) == 2
    assert history == [
        {"step": number, "loss": 10.0 * number, "linear_accuracy": score}
        for number, score in enumerate((0.5, 0.7, 0.7))
    ]
    scores, start = iter([0.5, 0.4, 0.3]), learner.graph.x.detach().clone()
    assert torch.equal(learner.run(2, play, "any", None)[0].x.detach(), start)
