from dataclasses import replace
from functools import partial

import pytest
import torch

from graphcond.condensers import GradientMatching
from graphcond.condensers.nodes.distribution_matching import DistributionMatching, _class_means
from graphcond.condensers.nodes.kernel_inducing_points import KernelInducingPoints, krr
from graphcond.condensers.nodes.trajectory_matching import TrajectoryMatching
from graphcond.data import load, parts, planted_graph
from graphcond.errors import FileFormatError, InputError
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.nn.teacher import propagate, propagation
from graphcond.spaces import PolynomialFilters
from graphcond.testing.contracts import CondenserContract

SMALL = {"num_nodes": 4, "num_val": 3, "rounds": 2, "steps": 2}
METHODS = [DistributionMatching, KernelInducingPoints, TrajectoryMatching]


class TestDistributionMatching(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return DistributionMatching(**SMALL, seed=seed)

    def data(self):
        return load("karate")


class TestKernelInducingPoints(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return KernelInducingPoints(
            **SMALL, adjacency="learned", space=PolynomialFilters(order=2), seed=seed
        )

    def data(self):
        return load("karate")


class TestTrajectoryMatching(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return TrajectoryMatching(**SMALL, experts=1, expert_steps=30, seed=seed)

    def data(self):
        return load("karate")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("adjacency", ["identity", "learned"])
def test_the_loss_falls(method, adjacency):
    condense = method(
        num_nodes=4,
        num_val=3,
        rounds=6,
        steps=10,
        start="nodes",
        targets="train",
        adjacency=adjacency,
        keep_best=False,
    )
    result = condense.condense(load("karate"))
    losses = [record["loss"] for record in result.history if record["part"] == "train"]
    assert losses[-1] < losses[0]
    assert (parts(result.data)[0].num_edges == 0) == (adjacency == "identity")


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_resumes_to_the_same_graph(method, tmp_path, monkeypatch):
    from graphcond.condensers.nodes.learner import Learner

    condense, data = method(num_nodes=4, num_val=2, rounds=12, steps=1), load("karate")
    whole, update, calls = condense(data), Learner.update, []

    def stopping(self, loss, where):
        calls.append(where)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return update(self, loss, where)

    monkeypatch.setattr(Learner, "update", stopping)
    with pytest.raises(KeyboardInterrupt):
        condense.condense(data, checkpoint=tmp_path / "state")
    again = condense.condense(data, checkpoint=tmp_path / "state").data
    assert calls[12] == "step 10"
    assert torch.equal(whole.x, again.x)
    with pytest.raises(FileFormatError, match="same settings and data"):
        replace(condense, seed=1).condense(data, checkpoint=tmp_path / "state")


@pytest.mark.parametrize(
    "method", [DistributionMatching, partial(GradientMatching, distance="l2", adjacency="identity")]
)
def test_a_batch_without_one_of_the_classes_leaves_that_class_alone(method):
    """Two nodes of class 2 among 30 training nodes: some batches of 16 have neither."""
    data = planted_graph(num_nodes=300, num_classes=2, seed=0)
    data.y[data.train_mask.nonzero()[:2, 0]] = 2
    data.y[data.val_mask.nonzero()[:2, 0]] = 2
    options = {
        "num_nodes": 6,
        "num_val": 6,
        "targets": "train",
        "start": "nodes",
        "batch": 16,
        "keep_best": False,
    }
    result = method(**options).condense(data)
    assert max(record["loss"] for record in result.history) < 1e3


def test_kernel_ridge_predictions_equal_ridge_regression():
    random = torch.Generator().manual_seed(0)
    z, other = (torch.randn(n, 3, generator=random, dtype=torch.float64) for n in (5, 4))
    y = torch.randn(5, 2, generator=random, dtype=torch.float64)
    level = 0.3 * z.square().sum(1).mean()
    expected = other @ torch.linalg.solve(z.T @ z + level * torch.eye(3), z.T @ y)
    assert torch.allclose(krr(z, y, other, (0.3,))[0], expected)


def test_kernel_features_of_a_space_are_two_layers_of_its_filters(karate):
    space = PolynomialFilters(order=2)
    condense = KernelInducingPoints(**SMALL, space=space, filters=2)
    nodes = torch.arange(karate.num_nodes)
    weight = torch.zeros(karate.num_nodes, karate.num_nodes)
    weight[karate.edge_index[1], karate.edge_index[0]] = 1
    for original, own in condense._pairs(condense._bases(karate, nodes), karate.x, weight, seed=3):
        assert torch.allclose(original, own, atol=1e-5)
    scale = weight.sum(1).rsqrt()
    operator = -scale[:, None] * weight * scale
    lam = space.sample(2, seed=3)[0]
    one = (
        lam[0] * torch.eye(len(weight))
        + lam[1] * operator
        + lam[2] * (2 * operator @ operator - torch.eye(len(weight)))
    )
    assert torch.allclose(
        condense._pairs(condense._bases(karate, nodes), karate.x, weight, seed=3)[0][0],
        one @ one @ karate.x,
        atol=1e-5,
    )


def test_matching_the_original_itself_costs_nothing(karate):
    """All nodes with their own labels, features and edges, given as the synthetic graph."""
    full = karate.clone()
    full.y = load("karate").y
    full.train_mask = torch.ones_like(full.train_mask)
    members = LabelledNodes.of_part(full, "train")
    weight = torch.zeros(full.num_nodes, full.num_nodes)
    weight[full.edge_index[1], full.edge_index[0]] = 1
    graph = SyntheticGraph.start(full.x, full.y, "identity")
    for method in (
        DistributionMatching(**SMALL),
        TrajectoryMatching(**SMALL, span=10, student_steps=10, expert_steps=40),
    ):
        loss = method._loss(full, members, graph, seed=0)
        assert loss(full.x, weight, 0) < 1e-6
        assert loss(full.x.flip(0), weight, 0) > 1e-3


def test_class_means_are_weighted():
    z = torch.tensor([[1.0], [3.0], [7.0]])
    means = _class_means(
        z, torch.tensor([0, 0, 1]), torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0, 1])
    )
    assert means[:, 0].tolist() == pytest.approx([2.5, 7.0])


def test_propagation_of_the_synthetic_graph_is_that_of_the_original(karate):
    weight = torch.zeros(karate.num_nodes, karate.num_nodes)
    weight[karate.edge_index[1], karate.edge_index[0]] = 1
    assert torch.allclose(
        gcn_norm_dense(weight) @ karate.x, propagate(propagation(karate), karate.x, 1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KernelInducingPoints(num_nodes=4, ridges=(0.0,)), "ridges"),
        (lambda: TrajectoryMatching(num_nodes=4, expert_steps=5), "expert_steps > span"),
        (lambda: DistributionMatching(num_nodes=4, rounds=0), "`rounds` must be at least 1"),
        (lambda: DistributionMatching(num_nodes=4, targets="all"), "targets"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
