"""The ridge teacher's whole choice, by another normal equation and dense propagation."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from graphcond.data import planted_graph
from graphcond.errors import InputError
from graphcond.nn import teacher as module
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import gcn_norm_dense, synthetic_labels
from graphcond.nn.teacher import RidgeTeacher

HOPS, RIDGES, RESTARTS = (3, 1), (0.1, 5.0), (0.0, 0.3)


def graph(num_features):
    """Wide or narrow, so that either normal equation is the smaller one."""
    return planted_graph(
        num_nodes=90, num_classes=3, num_features=num_features, degree=5.0, seed=num_features
    )


def dense(data):
    weight = torch.zeros(data.num_nodes, data.num_nodes)
    weight[data.edge_index[1], data.edge_index[0]] = 1
    return gcn_norm_dense(weight).double()


def settings(data, train):
    """Scores and validation accuracies of every setting, in the order in which they are tried."""
    operator, target = dense(data), F.one_hot(data.y[train], 3).double()
    prior, found = target.mean(0), []
    for hops, normalize, ridge in itertools.product(sorted(HOPS), (False, True), RIDGES):
        z = torch.linalg.matrix_power(operator, hops) @ data.x.double()
        z = F.normalize(z, dim=1) if normalize else z
        rows = z[train] - z[train].mean(0)
        level = ridge * rows.square().sum(1).mean() * torch.eye(z.size(1))
        weight = torch.linalg.solve(rows.T @ rows + level, rows.T @ (target - prior))
        plain = (z - z[train].mean(0)) @ weight + prior
        for restart in RESTARTS:
            scores = plain
            for _ in range(10 if restart else 0):
                scores = (1 - restart) * operator @ scores + restart * plain
            right = (scores.argmax(1) == data.y)[data.val_mask].double().mean()
            found.append((float(right), hops, normalize, ridge, restart, scores))
    return found


@pytest.mark.parametrize("num_features", [5, 60])
@pytest.mark.parametrize("few", [False, True])
def test_the_first_of_the_best_settings_is_taken(num_features, few):
    data = graph(num_features)
    train = data.train_mask.clone()
    if few:
        train[train.nonzero()[::2, 0]] = False
    taught = RidgeTeacher(HOPS, RIDGES, RESTARTS)(data, train if few else None)
    tried = settings(data, train)
    best = max(tried, key=lambda each: each[0])
    told = (taught.accuracy, taught.hops, taught.normalize, taught.ridge, taught.restart)
    assert told == (pytest.approx(best[0]), *best[1:5])
    rest = ~train
    torch.testing.assert_close(taught.scores[rest].double(), best[5][rest], rtol=1e-3, atol=1e-4)
    assert torch.equal(taught.scores[train], F.one_hot(data.y[train], 3).float())
    gap = best[5].topk(2, dim=1).values
    wanted = torch.where(train, 1.0, (gap[:, 0] - gap[:, 1]).clamp(1e-3, 1))
    torch.testing.assert_close(taught.margin.double(), wanted, rtol=1e-2, atol=1e-3)


def test_with_many_scores_only_the_three_best_are_smoothed(monkeypatch):
    data, smoothed = graph(5), []
    smooth = module.smooth
    monkeypatch.setattr(module, "_MANY_SCORES", 1)
    monkeypatch.setattr(
        module, "smooth", lambda *args: (smoothed.append(args[1:]), smooth(*args))[1]
    )
    RidgeTeacher(HOPS, RIDGES, RESTARTS)(data)
    tried = [each for each in settings(data, data.train_mask) if each[4] == 0]
    best = sorted(tried, key=lambda each: -each[0])[:3]
    assert len(smoothed) == 6
    for (scores, restart), (entry, wanted) in zip(smoothed, itertools.product(best, RESTARTS)):
        assert restart == wanted
        torch.testing.assert_close(scores.double(), entry[5], rtol=1e-3, atol=1e-4)


def test_a_class_without_a_training_node_is_never_named_and_one_class_is_sure():
    data = graph(5)
    train = data.train_mask & (data.y != 1)
    taught = RidgeTeacher(HOPS, RIDGES, RESTARTS)(data, train)
    assert (taught.scores[:, 1] == -torch.inf).all()
    assert set(taught.labels.unique().tolist()) == {0, 2}
    right = (taught.labels == data.y)[data.val_mask].double().mean()
    assert taught.accuracy == pytest.approx(float(right))
    alone = RidgeTeacher(HOPS, RIDGES, RESTARTS)(data, data.train_mask & (data.y == 2))
    assert (alone.labels == 2).all()
    assert (alone.margin == 1).all()
    with pytest.raises(InputError, match="at least one training node"):
        RidgeTeacher()(data, torch.zeros(90, dtype=torch.bool))
    with pytest.raises(InputError, match="a value each"):
        RidgeTeacher(restarts=())(data)


def test_all_nodes_enter_with_what_the_teacher_says_and_how_sure_it_is():
    data = graph(5)
    taught = RidgeTeacher()(data)
    nodes = LabelledNodes.taught(data, RidgeTeacher())
    assert nodes.nodes.tolist() == list(range(90))
    assert torch.equal(nodes.labels, taught.labels)
    torch.testing.assert_close(nodes.weight, taught.margin)
    few = nodes.thinned(20, seed=1)
    assert len(few.nodes.unique()) == 20
    assert torch.equal(few.labels, taught.labels[few.nodes])
    assert torch.equal(few.weight, taught.margin[few.nodes])
    assert nodes.thinned(90, seed=1) is nodes
    own = LabelledNodes.of_part(data, "val")
    assert torch.equal(own.nodes, data.val_mask.nonzero()[:, 0])
    assert torch.equal(own.labels, data.y[data.val_mask])
    assert own.weight.unique().tolist() == [1]


@pytest.mark.parametrize(
    ("counts", "size", "wanted"),
    [
        # Two small classes are lifted to one node, which the class most above its share pays.
        ([90, 5, 5], 4, [2, 1, 1]),
        ([50, 30, 1, 1, 1], 8, [3, 2, 1, 1, 1]),
        ([5, 5, 5], 4, [2, 1, 1]),
        ([1, 2, 3], 6, [1, 2, 3]),
        # What is left goes to the largest remainder: of 3.5, 2.1, 1.4, and of 4, 2.4, 1.6.
        ([50, 30, 20], 7, [4, 2, 1]),
        ([50, 30, 20], 8, [4, 2, 2]),
    ],
)
def test_shares_are_whole_numbers_with_one_of_every_class(counts, size, wanted):
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    y = torch.cat([y, torch.full((7,), -1)])
    found = synthetic_labels(y[torch.randperm(len(y))], size)
    assert found.bincount().tolist() == wanted
    assert torch.equal(found, found.sort().values)
