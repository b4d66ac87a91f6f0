import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers.nodes.partition import Partition, cluster, cluster_means
from graphcond.condensers.synthesis import NodeSynthesis, WorseThanRandomWarning
from graphcond.data import load, parts
from graphcond.errors import BudgetError, NumericalError
from graphcond.nn import filters
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import gcn_norm_dense
from graphcond.nn.teacher import RidgeTeacher
from graphcond.testing.contracts import CondenserContract


class TestPartition(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return Partition(num_nodes=4, num_val=3, seed=seed)

    def data(self):
        return load("karate")


def dense_operator(data):
    weight = torch.zeros(data.num_nodes, data.num_nodes)
    weight[data.edge_index[1], data.edge_index[0]] = data.get("edge_weight", torch.tensor(1.0))
    return gcn_norm_dense(weight)


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize(("count", "dense"), [(3, 1000), (3, 0), (40, 1000)])
def test_cluster_means_are_weighted_means_of_propagated_features(hops, count, dense, monkeypatch):
    """Whichever side is narrower, features stored in full or not, weights of one direction."""
    monkeypatch.setattr(filters, "_DENSE_NODES", dense)
    data = load("karate")
    data.edge_weight = 0.5 + (data.edge_index[0] + 2 * data.edge_index[1]) % 5
    random = torch.Generator().manual_seed(0)
    members = LabelledNodes(
        torch.arange(30), torch.zeros(30).long(), torch.rand(30, generator=random) + 0.1
    )
    assigned = torch.arange(30) % min(count, 12)
    propagated = torch.linalg.matrix_power(dense_operator(data), hops) @ data.x
    got = cluster_means(data, members, assigned, count, hops)
    for j in range(min(count, 12)):
        inside = (assigned == j).nonzero()[:, 0]
        expected = (members.weight[inside, None] * propagated[inside]).sum(0) / members.weight[
            inside
        ].sum()
        assert torch.allclose(got[j], expected, atol=1e-6)


def test_every_cluster_has_a_member_even_if_points_coincide():
    members = LabelledNodes(torch.arange(6), torch.tensor([0, 0, 0, 0, 1, 1]), torch.ones(6))
    assigned = cluster(torch.zeros(6, 2), members, torch.tensor([0, 0, 0, 1]), seed=0)
    assert assigned.unique().tolist() == [0, 1, 2, 3]
    assert (assigned[:4] < 3).all()
    assert (assigned[4:] == 3).all()


def test_the_teacher_equals_ridge_regression_written_out():
    data = load("karate")
    taught = RidgeTeacher(hops=(2,), ridges=(0.5,), restarts=(0.0,))(data)
    z = torch.linalg.matrix_power(dense_operator(data), 2) @ data.x
    z = torch.nn.functional.normalize(z, dim=1) if taught.normalize else z
    target = torch.nn.functional.one_hot(data.y[data.train_mask]).float()
    rows = z[data.train_mask] - z[data.train_mask].mean(0)
    level = 0.5 * rows.square().sum(1).mean()
    weight = torch.linalg.solve(
        rows.T @ rows + level * torch.eye(z.shape[1]), rows.T @ (target - target.mean(0))
    )
    scores = (z - z[data.train_mask].mean(0)) @ weight + target.mean(0)
    rest = ~data.train_mask
    assert torch.allclose(taught.scores[rest], scores[rest], atol=1e-4)
    assert (taught.labels[data.train_mask] == data.y[data.train_mask]).all()
    assert taught.accuracy == pytest.approx(
        (scores.argmax(1) == data.y)[data.val_mask].float().mean().item()
    )


def test_the_teacher_that_is_asked_gives_the_classes(monkeypatch):
    data, teacher, asked = load("karate"), RidgeTeacher(hops=(3,)), []
    labels = (torch.arange(34) % 4 == 0).long()
    members = LabelledNodes(torch.arange(34), labels, torch.ones(34))
    monkeypatch.setattr(
        LabelledNodes, "taught", lambda data, teacher: (asked.append(teacher), members)[1]
    )
    graph, _ = Partition(num_nodes=8, teacher=teacher, hops=0).part(data, "train", 8)
    assert asked == [teacher]
    assert graph.y.tolist() == [0] * 6 + [1] * 2
    for row, label in zip(graph.x, graph.y):  # features are the nodes' identities
        assert (labels[row > 0] == label).all()


def test_labels_train_uses_training_nodes_alone():
    data = load("digits")
    moved = data.clone()
    unlabelled = ~(data.train_mask | data.val_mask)
    moved.x = data.x.clone()
    moved.x[unlabelled] = 0
    condense = Partition(num_nodes=20, hops=0, cluster_hops=0, labels="train")
    assert torch.equal(condense(data).x, condense(moved).x)
    assert not torch.equal(Partition(num_nodes=20)(data).x, Partition(num_nodes=20)(moved).x)


def test_validation_labels_choose_the_setting_and_enter_nothing_else():
    data = load("digits")
    swapped = data.clone()
    swapped.y = torch.where(data.val_mask, (data.y + 1) % 10, data.y)
    condense = Partition(num_nodes=20, labels="train")
    first, second = parts(condense(data))[0], parts(condense(swapped))[0]
    assert torch.equal(first.x, second.x)
    teachers = [RidgeTeacher((2,), (1.0,), (0.1,))(graph) for graph in (data, swapped)]
    assert teachers[0].accuracy != teachers[1].accuracy
    if teachers[0].normalize == teachers[1].normalize:
        assert torch.equal(teachers[0].scores, teachers[1].scores)


def test_fewer_nodes_than_classes_are_refused():
    with pytest.raises(BudgetError):
        Partition(num_nodes=3)(load("digits"))


class Noise(NodeSynthesis):
    scale = 1.0

    def part(self, data, part, count, checkpoint=None):
        x = (
            torch.randn(count, data.num_features, generator=torch.Generator().manual_seed(0))
            * self.scale
        )
        none = torch.empty(2, 0, dtype=torch.long)
        return (
            Data(x=x, y=torch.arange(count) % 10, edge_index=none, edge_weight=torch.empty(0)),
            [],
        )


class Broken(Noise):
    scale = float("nan")


def test_a_result_worse_than_random_warns_and_a_broken_one_stops():
    with pytest.warns(WorseThanRandomWarning, match="scale of the features"):
        result = Noise(num_nodes=20).condense(load("digits"))
    assert result.report["linear_accuracy"] < result.report["linear_accuracy_random"]
    with pytest.raises(NumericalError, match="learning rate"):
        Broken(num_nodes=20)(load("digits"))


@pytest.mark.dataset
def test_cora_partition_beats_random_by_far(data_root):
    report = Partition(num_nodes=70).condense(load("cora", data_root)).report
    assert report["linear_accuracy"] > report["linear_accuracy_random"] + 0.02
    assert report["linear_accuracy"] > 0.77
