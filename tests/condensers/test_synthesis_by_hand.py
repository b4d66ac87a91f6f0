"""Budgets at their ends, the control beside every made graph, and what makes nodes, written out."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from torch_geometric.data import Data

from graphcond.condensers import Partition, RandomNodes, synthesis
from graphcond.condensers.budget import interaction_budget, node_budget
from graphcond.condensers.nodes import partition
from graphcond.condensers.nodes.coarsening import _links
from graphcond.condensers.nodes.learner import Learner
from graphcond.condensers.nodes.neighbourhoods import sampled_neighbours
from graphcond.condensers.synthesis import best_linear, linear_accuracy
from graphcond.data import load, planted_graph
from graphcond.errors import NumericalError
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense, synthetic_labels
from graphcond.seeding import derive, generator
from tests.condensers.made_nodes import dense, planted


@pytest.fixture(scope="module")
def graph():
    return planted()


def test_budgets_reach_their_ends(graph):
    """Floors that floats would miss by a hair; one node a class, and all there are; only classes
    that were seen are counted.
    """
    assert interaction_budget(100, 0.29) == 29
    assert interaction_budget(4, 0.25) == 1
    assert interaction_budget(10, 0.19) == 1
    counts = {"ratio": None, "of": "nodes"}
    train, val = int(graph.train_mask.sum()), int(graph.val_mask.sum())
    for nodes, held in ((3, 3), (train, val)):
        found = node_budget(graph, num_nodes=nodes, num_val=held, **counts)
        assert (found.num_train, found.num_val) == (nodes, held)
        assert found.ratio == nodes / 300
        assert found.ratio_train == nodes / train
    fewer = copy.copy(graph)
    fewer.y = torch.where(graph.train_mask & (graph.y == 2), 0, graph.y)
    assert node_budget(fewer, num_nodes=2, num_val=3, **counts).num_train == 2
    fewer.y = torch.where(graph.val_mask & (graph.y == 2), 0, graph.y)
    assert node_budget(fewer, num_nodes=3, num_val=2, **counts).num_val == 2


def test_the_edges_that_are_kept_keep_their_weights():
    data = load("karate")
    row, col = data.edge_index
    data.edge_weight = (row.minimum(col) * 34 + row.maximum(col) + 1).float()
    small = RandomNodes(num_nodes=8, num_val=6)(data)
    places = small.x.argmax(1)  # karate's features name the nodes
    row, col = places[small.edge_index]
    assert small.edge_weight.tolist() == (row.minimum(col) * 34 + row.maximum(col) + 1).tolist()


def test_the_share_of_each_class_is_kept_of_labelled_nodes(graph):
    for part, count in (("train", 11), ("val", 13)):
        small = RandomNodes(num_nodes=11, num_val=13)(graph)
        wanted = synthetic_labels(graph.y[graph[f"{part}_mask"]], count)
        assert torch.equal(small.y[small[f"{part}_mask"]].sort().values, wanted)


def ridge_accuracy(data, z, y, hops, ridge=0.1):
    """The same by the other normal equation, in double precision."""
    rows, target = z.double(), F.one_hot(y, 3).double()
    mean, prior = rows.mean(0), target.mean(0)
    centred = rows - mean
    level = ridge * centred.square().sum(1).mean()
    weight = torch.linalg.solve(
        centred.T @ centred + level * torch.eye(rows.shape[1]), centred.T @ (target - prior)
    )
    known = torch.linalg.matrix_power(gcn_norm_dense(dense(data)).double(), hops) @ data.x.double()
    right = ((known - mean) @ weight + prior).argmax(1) == data.y
    return float(right[data.val_mask].double().mean())


def test_the_controls_model_is_ridge_regression_with_a_prior(graph):
    """Draws of few nodes whose classes are uneven, so that the prior and the ridge decide."""
    draw = torch.Generator().manual_seed(0)
    y = torch.tensor([0, 0, 0, 0, 0, 1, 2])
    better, one_way = set(), graph.clone()
    one_way.edge_index = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    for _ in range(12):
        rows = torch.randperm(300, generator=draw)[: len(y)]
        z = graph.x[rows] + torch.randn(len(y), 8, generator=draw)
        wanted = [ridge_accuracy(graph, z, y, hops) for hops in range(4)]
        assert [linear_accuracy(graph, z, y, hops) for hops in range(4)] == pytest.approx(wanted)
        assert best_linear(graph, z, y) == pytest.approx(max(wanted[1:3]))
        better.add(wanted[1] > wanted[2])
        assert linear_accuracy(one_way, z, y, 2) == pytest.approx(ridge_accuracy(one_way, z, y, 2))
    assert better == {True, False}


def test_the_controls_model_may_know_a_class_that_the_graph_has_not():
    data = planted_graph(num_nodes=60, num_classes=2, num_features=4, degree=4.0, seed=0)
    z, y = torch.eye(3, 4), torch.tensor([0, 1, 2])
    assert 0 <= linear_accuracy(data, z, y) <= 1


def test_the_control_compares_with_three_random_sets_of_the_same_classes(graph, monkeypatch):
    seen, answers = [], iter([0.5, 0.3, 0.4, 0.8])

    def judged(data, z, y):
        seen.append((z, y))
        return next(answers)

    monkeypatch.setattr(synthesis, "best_linear", judged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # .5 is as good as the mean of the others
        card = Partition(num_nodes=6, num_val=6, seed=4)(graph).card
    assert card["linear_accuracy"] == 0.5
    assert card["linear_accuracy_random"] == pytest.approx(0.5)
    made, _ = Partition(num_nodes=6, num_val=6, seed=4).part(graph, "train", 6)
    torch.testing.assert_close(seen[0][0], made.x)  # no edges: two propagations change nothing
    assert torch.equal(seen[0][1], made.y)
    operator = gcn_norm_dense(dense(graph))
    twice = operator @ operator @ graph.x
    found = []
    for z, y in seen[1:]:
        gaps = torch.cdist(z, twice)
        rows = gaps.argmin(1)
        assert float(gaps.amin(1).max()) < 1e-3
        assert graph.train_mask[rows].all()
        assert torch.equal(y, graph.y[rows])
        assert torch.equal(y, made.y)
        found.append(rows.tolist())
    assert len(found) == len(set(map(tuple, found))) == 3


def test_the_controls_random_nodes_are_propagated_along_the_edges_of_a_directed_graph(
    graph, monkeypatch
):
    seen = []
    monkeypatch.setattr(synthesis, "best_linear", lambda _, z, y: seen.append(z) or 1.0)
    one_way = graph.clone()
    one_way.edge_index = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    few = Data(x=graph.x[:3], y=torch.arange(3), edge_index=torch.empty(2, 0, dtype=torch.long))
    Partition(num_nodes=6, num_val=6, seed=4)._control(one_way, few)
    operator = gcn_norm_dense(dense(one_way))
    twice = operator @ operator @ graph.x
    for z in seen[1:]:
        assert float((z[:, None] - twice).norm(dim=2).amin(1).max()) < 1e-5


def test_a_graph_with_edges_is_judged_after_two_propagations(graph, monkeypatch):
    seen = []
    monkeypatch.setattr(synthesis, "best_linear", lambda _, z, y: seen.append(z) or 1.0)
    x, row = torch.eye(3, 8), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    weight = torch.tensor([0.5, 0.5, 2.0, 2.0])
    small = Data(x=x, y=torch.arange(3), edge_index=row, edge_weight=weight)
    Partition(num_nodes=3)._control(graph, small)
    operator = gcn_norm_dense(dense(small, weight))
    torch.testing.assert_close(seen[0], operator @ operator @ x)


@pytest.mark.parametrize("broken", ["x", "edge_weight"])
def test_nan_in_features_or_in_weights_stops(broken):
    small = Data(x=torch.ones(2, 1), edge_weight=torch.ones(2))
    synthesis._check_finite(small, "train", "Method")
    small[broken][1] = torch.nan
    with pytest.raises(NumericalError, match="infinite train nodes"):
        synthesis._check_finite(small, "train", "Method")


def test_many_points_are_clustered_in_batches(monkeypatch):
    seen = []

    class Watched(MiniBatchKMeans):
        def fit(self, points, y=None, sample_weight=None):
            seen.append((self.n_init, self.batch_size, self.random_state, sample_weight))
            return super().fit(points, y, sample_weight)

    monkeypatch.setattr(partition, "MiniBatchKMeans", Watched)
    monkeypatch.setattr(partition, "_MANY_POINTS", 5)
    labels = torch.tensor([0] * 5 + [3] * 6)
    members = LabelledNodes(torch.arange(11), labels, torch.arange(11) + 1.0)
    points = torch.tensor([[0.0]] * 5 + [[0.0]] * 3 + [[9.0]] * 3)
    group = partition.cluster(points, members, torch.tensor([0, 3, 3]), seed=2)
    (n_init, batch, state, weight), *others = seen
    assert not others  # five points are not many
    assert (n_init, batch, state) == (1, 4096, derive(2, "cluster", 3) % 2**32)
    assert weight.tolist() == list(range(6, 12))
    assert group[:5].tolist() == [0] * 5
    assert sorted({tuple(group[5:8].tolist()), tuple(group[8:].tolist())}) == [(1,) * 3, (2,) * 3]


def test_an_empty_cluster_takes_the_last_member_of_the_largest():
    found = partition._fill(torch.tensor([1, 1, 1, 0, 0]), 4)
    assert found.tolist() == [1, 1, 2, 0, 3]
    assert partition._fill(torch.tensor([2, 0, 1]), 3).tolist() == [2, 0, 1]


def test_clusters_are_numbered_by_class_and_others_have_none():
    members = LabelledNodes(torch.arange(5), torch.tensor([2, 1, 0, 2, 1]), torch.ones(5))
    group = partition.cluster(torch.zeros(5, 2), members, torch.tensor([0, 2]), seed=0)
    assert group.tolist() == [1, -1, 0, 1, -1]


def test_the_training_clusters_are_the_teachers_and_the_widest_are_projected(karate, monkeypatch):
    seen, drawn = [], []
    cluster, sketch = partition.cluster, partition.sketch

    def clustering(points, members, labels, seed):
        seen.append((members, labels, seed))
        return cluster(points, members, labels, seed)

    monkeypatch.setattr(partition, "cluster", clustering)
    monkeypatch.setattr(
        partition,
        "sketch",
        lambda *args, **options: (drawn.append((args[1:], options)), sketch(*args, **options))[1],
    )
    how = Partition(num_nodes=5, num_val=4, seed=3)
    graph, history = how.part(karate, "train", 5)
    taught = LabelledNodes.taught(karate, how.teacher)
    members, labels, seed = seen[0]
    assert torch.equal(members.labels, taught.labels)
    assert torch.equal(labels, synthetic_labels(taught.labels, 5))
    assert seed == derive(3, "train")
    assert drawn == [((256,), {"entries": 0, "seed": 3})]
    assert torch.equal(graph.y, labels)
    assert (graph.num_edges, history) == (0, [])


def test_a_round_is_judged_by_its_mean_graph_propagated_twice(graph):
    draw = torch.Generator().manual_seed(0)
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    for _ in range(6):
        x = graph.x[torch.randperm(300, generator=draw)[:6]]
        start = SyntheticGraph.start(x, y, "bernoulli")
        with torch.no_grad():
            start.edge_params["logits"].normal_(generator=draw)
        operator = gcn_norm_dense(start.weight().detach())
        wanted = ridge_accuracy(graph, operator @ operator @ x, y, 2)
        assert Learner(start, 0.1, 0.1, "")._judge(graph) == pytest.approx(wanted)


def test_links_are_of_both_ways_weigh_one_and_join_no_node_with_itself():
    one_way = torch.tensor([[0, 1, 2, 2, 4, 4], [1, 2, 2, 1, 0, 3]])
    data = Data(x=torch.ones(5, 1), edge_index=one_way, edge_weight=torch.arange(6) + 2.0)
    found = _links(data, torch.tensor([0, 1, 2, 4])).toarray()
    wanted = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert found.tolist() == wanted


def test_a_node_is_sampled_once():
    """A star from its middle: however many hops, no more of it than the fan-out."""
    spokes = torch.stack([torch.zeros(6, dtype=torch.long), torch.arange(1, 7)])
    data = Data(x=torch.eye(7), edge_index=torch.cat([spokes, spokes.flip(0)], 1))
    for hops in (1, 2, 4):
        found = sampled_neighbours(data, torch.tensor([0]), hops, 2, generator(0, "draw"))
        assert len(found) == 2
