"""What a condenser of nodes is told reaches what it calls, and its losses are those written out."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans

from graphcond.condensers import (
    Coarsening,
    DistributionMatching,
    GradientMatching,
    Herding,
    KCenter,
    KernelInducingPoints,
    Partition,
    RandomNodes,
    TrajectoryMatching,
)
from graphcond.condensers.base import Draft
from graphcond.condensers.nodes import gradient_matching, learner, partition
from graphcond.condensers.nodes.backbones import SGCBackbone
from graphcond.condensers.nodes.learner import Learner, Origin
from graphcond.data import load, parts, planted_graph, without_test
from graphcond.errors import BudgetError
from graphcond.nn.adjacency import Identity, Learned
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.nn.teacher import RidgeTeacher
from graphcond.seeding import derive, generator

SMALL = {"num_nodes": 4, "num_val": 3}
QUICK = {**SMALL, "rounds": 2, "steps": 2, "start": "nodes", "targets": "train"}
LEARNED = [DistributionMatching, KernelInducingPoints, TrajectoryMatching]


@pytest.fixture
def start(karate):
    x = torch.randn(4, karate.num_features, generator=torch.Generator().manual_seed(0))
    return SyntheticGraph.start(x, torch.tensor([0, 0, 1, 1]), "learned")


def test_a_graph_without_edges_starts_from_propagated_features(karate):
    plain, _ = Origin("nodes", "train", Learned())(karate, "train", 4, 0)
    bare, _ = Origin("nodes", "train", Identity())(karate, "train", 4, 0)
    nodes = plain.x.detach().argmax(1)  # karate's features name the nodes
    torch.testing.assert_close(bare.x.detach(), propagated(karate, nodes, 2))
    torch.testing.assert_close(plain.x.detach(), karate.x[nodes])


def test_a_teacher_speaks_for_the_training_part_alone(karate):
    _, train = Origin("nodes", "teacher", Learned())(karate, "train", 4, 0)
    _, val = Origin("nodes", "teacher", Learned())(karate, "val", 3, 0)
    assert len(train.nodes) == karate.num_nodes
    taught = RidgeTeacher()(karate)
    assert torch.equal(train.labels, taught.labels)
    torch.testing.assert_close(train.weight, taught.margin)
    assert torch.equal(val.nodes, karate.val_mask.nonzero()[:, 0])
    assert (val.weight == 1).all()


@pytest.mark.parametrize("method", [*LEARNED, GradientMatching])
@pytest.mark.parametrize("keep", [True, False])
def test_only_the_training_graph_is_judged_and_only_if_asked(method, keep, monkeypatch):
    """And the exported graph is cut at the threshold that was given."""
    seen, run = [], Learner.run

    def spy(self, rounds, play, judge, checkpoint):
        seen.append(judge is not None)
        return run(self, rounds, play, judge, checkpoint)

    monkeypatch.setattr(Learner, "run", spy)
    settings = {**SMALL, "steps": 1, "keep_best": keep, "adjacency": "learned", "threshold": 0.7}
    if method is GradientMatching:
        settings |= {"num_seeds": 1}
    else:
        settings |= {"rounds": 1, "start": "nodes", "targets": "train"}
    small = method(**settings)(load("karate"))
    assert seen == [keep, False]
    assert small.edge_weight.numel() > 0
    assert float(small.edge_weight.min()) > 0.7


def test_rates_are_those_of_features_and_of_edges(start):
    """Features step by a share of their mean size, edges by their own rate; Adam's first step has
    its length.
    """
    graph = learner.Learner(start, 0.1, 0.3, "").graph
    before = {name: value.detach().clone() for name, value in graph.params.items()}
    size = float(graph.x.detach().abs().mean())
    made = learner.Learner(graph, 0.1, 0.3, "")
    made.update(sum(value.sum() for value in graph.params.values()), "")
    moved = {name: before[name] - value.detach() for name, value in graph.params.items()}
    torch.testing.assert_close(
        moved["x"], torch.full_like(moved["x"], 0.1 * size), rtol=1e-3, atol=0
    )
    wanted = torch.full_like(moved["logits"], 0.3)
    torch.testing.assert_close(moved["logits"], wanted, rtol=1e-3, atol=0)


def test_gradient_matching_compares_ours_with_the_originals_as_told(monkeypatch):
    seen, distance = [], gradient_matching.gradient_distance

    def spy(ours, real, kind, weight):
        seen.append((ours["weight"].requires_grad, real["weight"].requires_grad, kind, weight))
        return distance(ours, real, kind, weight)

    monkeypatch.setattr(gradient_matching, "gradient_distance", spy)
    how = GradientMatching(num_nodes=6, num_val=4, num_seeds=1, steps=2, inner=3, distance="both")
    how(load("karate"))
    for ours, real, kind, weight in seen:
        assert (ours, real, kind) == (True, False, "both")
        assert float(weight.sum()) == pytest.approx(1)


@pytest.mark.parametrize("inner", [0, 3])
def test_the_backbone_is_trained_between_two_steps_for_so_many_steps(inner, monkeypatch):
    seen, train = [], SGCBackbone.train
    monkeypatch.setattr(
        SGCBackbone, "train", lambda self, *args: (seen.append(args[-1]), train(self, *args))[1]
    )
    GradientMatching(**SMALL, num_seeds=2, steps=3, inner=inner)(load("karate"))
    assert seen == ([3] * 12 if inner else [])


def written_out(z, y, weight, classes):
    share = (y[:, None] == classes) * weight[:, None]
    return (share / share.sum(0)).T @ z


def test_distribution_matching_is_the_relative_distance_of_class_means(karate, start):
    how = DistributionMatching(**QUICK, width=5)
    members = LabelledNodes.of_part(karate, "train")
    x, weight = start.x.detach(), start.weight().detach()
    operator = gcn_norm_dense(weight)
    z, mine = propagated(karate, members.nodes, 2), operator @ operator @ x
    random = torch.randn(z.shape[1], 5, generator=generator(7, "embedding", 3))
    classes, total = start.y.unique(), 0.0
    for theirs, ours in ((z, mine), (torch.relu(z @ random), torch.relu(mine @ random))):
        wanted = written_out(theirs, members.labels, members.weight, classes)
        found = written_out(ours, start.y, torch.ones(4), classes)
        total += 0.5 * ((wanted - found).square().sum(1) / wanted.square().sum(1)).sum()
    loss = how._loss(karate, members, start, seed=7)(x, weight, 3)
    assert float(loss) == pytest.approx(float(total), rel=1e-4)


def test_trajectory_matching_is_the_distance_left_after_the_students_steps(karate, start):
    how = TrajectoryMatching(**QUICK, experts=2, expert_steps=9, span=4, student_steps=2)
    members = LabelledNodes.of_part(karate, "train")
    x, weight = start.x.detach(), start.weight().detach()
    loss = how._loss(karate, members, start, seed=7)
    backbone = SGCBackbone(karate, members, start.y, batch=len(members.nodes), seed=7)
    experts = [how._expert(backbone, derive(7, "expert", number)) for number in range(2)]
    assert experts[0].shape[0] == 10
    assert not torch.equal(experts[0][0], experts[1][0])
    target = F.one_hot(members.labels).float()
    rows = backbone.z
    step = rows.T @ (torch.softmax(rows @ experts[0][0], 1) - target) / len(rows)
    torch.testing.assert_close(experts[0][1], experts[0][0] - step / backbone.level)
    found = set()
    for number in range(6):
        draw = generator(7, "segment", number)
        expert = experts[int(torch.randint(2, (), generator=draw))]
        first = int(torch.randint(5, (), generator=draw))
        z, value = backbone.features(x, weight), expert[first]
        for _ in range(2):
            slope = z.T @ (torch.softmax(z @ value, 1) - F.one_hot(start.y).float()) / 4
            value = value - 4 / 2 / backbone.level * slope
        goal = expert[first + 4]
        wanted = (value - goal).square().sum() / (expert[first] - goal).square().sum()
        found.add(round(float(loss(x, weight, number)), 6))
        assert float(loss(x, weight, number)) == pytest.approx(float(wanted), rel=1e-4)
    assert len(found) > 2


def test_kernel_inducing_points_sum_over_their_ridges(karate, start):
    members = LabelledNodes.of_part(karate, "train")
    x, weight = start.x.detach(), start.weight().detach()
    losses = [
        float(
            KernelInducingPoints(**QUICK, ridges=ridges)._loss(karate, members, start, 0)(
                x, weight, 0
            )
        )
        for ridges in ((0.1,), (2.0,), (0.1, 2.0))
    ]
    assert losses[2] == pytest.approx(losses[0] + losses[1], rel=1e-4)


def test_herding_and_k_center_are_their_greedy_rules():
    x = torch.randn(9, 2, generator=generator(3, "points"))
    picked, mean = [], x.mean(0)
    for _ in range(5):
        gaps = [
            (x[[*picked, i]].mean(0) - mean).norm() if i not in picked else torch.tensor(torch.inf)
            for i in range(9)
        ]
        picked.append(int(torch.stack(gaps).argmin()))
    assert Herding(num_nodes=5)._choose(x, 5, generator(0, "unused")).tolist() == picked
    far = [int((x - mean).norm(dim=1).argmin())]
    for _ in range(4):
        far.append(int(torch.cdist(x, x[far]).min(1).values.argmax()))
    assert KCenter(num_nodes=5)._choose(x, 5, generator(0, "unused")).tolist() == far


def test_clusters_are_of_unit_rows_of_cluster_hops_and_weighed(monkeypatch, karate):
    seen, cluster = [], partition.cluster

    def spy(points, members, labels, seed):
        seen.append((points, members))
        return cluster(points, members, labels, seed)

    monkeypatch.setattr(partition, "cluster", spy)
    Partition(**SMALL, hops=0, cluster_hops=3)(load("karate"))
    (points, members), (_, val) = seen
    wanted = F.normalize(propagated(karate, torch.arange(karate.num_nodes), 3), dim=1)
    torch.testing.assert_close(points, wanted)
    assert len(members.weight.unique()) > 2
    assert torch.equal(val.nodes, karate.val_mask.nonzero()[:, 0])


def test_means_are_of_features_as_many_hops_away_as_told():
    """With as many nodes as there are to stand for, each is its own mean."""
    data = load("karate")
    count = int(data.train_mask.sum())
    how = Partition(num_nodes=count, labels="train", hops=1, cluster_hops=3)
    graph, _ = how.part(without_test(data), "train", count)
    wanted = propagated(data, data.train_mask.nonzero()[:, 0], 1)
    torch.testing.assert_close(graph.x.sum(0), wanted.sum(0))


def test_clustering_weighs_members_and_tries_three_starts(monkeypatch):
    seen = []

    class Watched(KMeans):
        def fit(self, points, y=None, sample_weight=None):
            seen.append((self.n_init, self.random_state, sample_weight))
            return super().fit(points, y, sample_weight)

    monkeypatch.setattr(partition, "KMeans", Watched)
    weight = torch.tensor([50.0, 1.0, 2.0])
    members = LabelledNodes(torch.arange(3), torch.zeros(3).long(), weight)
    points = torch.tensor([[0.0], [1.0], [2.1]])
    for seed in (0, 1):
        partition.cluster(points, members, torch.tensor([0, 0]), seed=seed)
    assert seen[0][0] == 3
    assert seen[0][1] != seen[1][1]
    assert seen[0][2].tolist() == weight.tolist()


def test_coarsening_merges_by_features_as_many_hops_away_as_told():
    data = planted_graph(num_nodes=80, num_classes=2, num_features=6, degree=5.0, seed=0)
    made = [Coarsening(num_nodes=8, num_val=8, hops=hops)(data) for hops in (0, 2)]
    assert not torch.equal(made[0].x, made[1].x)
    looped = copy.copy(data)
    loops = torch.arange(80).expand(2, -1)
    looped.edge_index = torch.cat([data.edge_index, loops], 1)
    from graphcond.condensers.nodes.coarsening import _links

    nodes = torch.arange(80)
    assert (_links(looped, nodes) != _links(data, nodes)).nnz == 0
    train, val = parts(made[1])
    assert torch.equal(val.y.unique(), data.y[data.val_mask].unique())


@pytest.mark.parametrize("method", [RandomNodes, Partition, Coarsening])
def test_validation_nodes_are_made_of_validation_nodes(method):
    """Features of all other nodes are gone: validation features stay what they were."""
    data = planted_graph(num_nodes=80, num_classes=2, num_features=6, degree=5.0, seed=0)
    data.edge_index = data.edge_index[:, :0]
    moved = copy.copy(data)
    moved.x = torch.where(data.val_mask[:, None], data.x, data.x + 5)
    first, second = (parts(method(num_nodes=6, num_val=6)(each))[1] for each in (data, moved))
    torch.testing.assert_close(first.x, second.x)


def test_a_broken_budget_is_reported(monkeypatch):
    data = load("karate")
    whole = RandomNodes(num_nodes=6, num_val=5)(data)
    for change in ({"num_nodes": 5}, {"num_val": 4}):
        settings = {"num_nodes": 6, "num_val": 5, **change}
        monkeypatch.setattr(RandomNodes, "_condense", lambda *_: Draft(copy.copy(whole)))
        with pytest.raises(BudgetError, match="report it"):
            RandomNodes(**settings)(data)


def test_a_card_names_the_method_its_seed_and_true_sizes():
    card = replace(RandomNodes(**SMALL), seed=7)(load("karate")).card
    assert (card["method"], card["seed"], card["dataset"]) == ("RandomNodes", 7, "karate")
    assert (card["num_train"], card["num_val"]) == (4, 3)
    assert card["ratio_actual"] == pytest.approx(4 / 34)
