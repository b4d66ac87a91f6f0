"""Coarsening against dense references."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from graphcond.condensers import Coarsening
from graphcond.condensers.nodes.coarsening import groups, quotient
from graphcond.data import load
from graphcond.errors import InputError
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.teacher import RidgeTeacher
from graphcond.testing.contracts import CondenserContract


class TestCoarseningContract(CondenserContract):
    reads_validation = True  # validation labels choose the setting of the teacher
    draws = False  # only features wider than 64 are projected at random

    def condenser(self, seed):
        return Coarsening(num_nodes=4, num_val=4, seed=seed)

    def data(self):
        return load("karate")


def ring(size):
    forward = np.roll(np.eye(size), 1, axis=1)
    return sp.csr_matrix(forward + forward.T)


def test_groups_grow_along_links_and_stay_within_a_class():
    """On a ring of two classes all features are alike, so only links can decide."""
    classes = torch.tensor([0] * 6 + [1] * 6)
    group = groups(np.zeros((12, 1)), ring(12), classes, torch.tensor([0, 0, 1, 1]))
    assert group[:6].unique().tolist() == [0, 1]
    assert group[6:].unique().tolist() == [2, 3]
    for label in range(4):
        place = (group == label).nonzero()[:, 0]
        assert place.max() - place.min() + 1 == len(place), "a group is an arc of the ring"


def test_features_decide_among_links():
    points = np.array([[0.0], [0.1], [5.0], [5.1]])
    chain = sp.csr_matrix(np.eye(4, k=1) + np.eye(4, k=-1))
    group = groups(points, chain, torch.zeros(4).long(), torch.tensor([0, 0]))
    assert group[0] == group[1] != group[2] == group[3]


def test_groups_are_wards_and_grow_along_links_whatever_the_features_say():
    """0 and 2 are alike and so are 1 and 3, but only neighbours on the chain may be merged. The
    lone 2.2 joins 1, which costs .72, and 1 not the four at 0, which costs .8 though they are near.
    """
    chain = sp.csr_matrix(np.eye(6, k=1) + np.eye(6, k=-1))
    points = np.array([[0.0], [5.0], [0.1], [5.1], [0.2], [5.2]])
    group = groups(points, chain, torch.zeros(6).long(), torch.tensor([0, 0]))
    assert (group.diff() != 0).sum() == 1
    points = np.array([[0.0], [0.0], [0.0], [0.0], [1.0], [2.2]])
    group = groups(points, chain, torch.zeros(6).long(), torch.tensor([0, 0]))
    assert group[:4].unique().numel() == 1
    assert group[0] != group[4] == group[5]


def test_groups_of_a_class_are_of_its_own_points_and_come_after_those_before():
    classes = torch.tensor([1, 0, 1, 0, 1, 0, 1, 0])
    points = np.array([[0.0], [7.0], [0.1], [7.1], [9.0], [1.0], [9.1], [1.1]])
    links = sp.csr_matrix(1 - np.eye(8))
    group = groups(points, links, classes, torch.tensor([0, 0, 1, 1]))
    assert group[0] == group[2] != group[4] == group[6]
    assert group[1] == group[3] != group[5] == group[7]
    assert set(group[::2].tolist()) == {2, 3}
    whole = groups(points, links, classes, torch.tensor([0, 1, 1, 1, 1]))
    assert whole.tolist() == [1, 0, 2, 0, 3, 0, 4, 0]


def test_the_training_graph_is_of_the_teachers_classes(monkeypatch):
    """In the proportions of its classes, each group the mean of its members."""
    data, teacher = load("karate"), RidgeTeacher(hops=(3,))
    labels = (torch.arange(34) % 4 == 0).long()
    members = LabelledNodes(torch.arange(34), labels, torch.ones(34))
    asked = []
    monkeypatch.setattr(
        LabelledNodes, "taught", lambda data, teacher: (asked.append(teacher), members)[1]
    )
    how = Coarsening(num_nodes=8, teacher=teacher, hops=1)
    train, _ = how.part(data, "train", 8)
    assert asked == [teacher]
    assert train.y.tolist() == [0] * 6 + [1] * 2
    size = 1 / train.x.clamp(min=1e-9).amax(1)  # features are the nodes' identities
    assert float(size.sum()) == pytest.approx(34)
    for row, label in zip(train.x, train.y):
        assert (labels[row > 0] == label).all()
    val, _ = how.part(data, "val", 4)
    assert asked == [teacher]
    assert (data.val_mask[(val.x > 0).any(0)]).all()


def test_the_quotient_is_that_of_dense_matrices():
    torch.manual_seed(0)
    links = np.triu(np.random.default_rng(0).random((8, 8)) < 0.5, 1).astype(float)
    links = links + links.T
    group, labels = torch.tensor([0, 0, 1, 1, 1, 2, -1, 2]), torch.tensor([0, 1, 1])
    x, nodes = torch.randn(10, 3), torch.arange(2, 10)
    small = quotient(x, nodes, sp.csr_matrix(links), group, labels)
    place = torch.nn.functional.one_hot(group.clamp(min=0), 3).double() * (group >= 0)[:, None]
    between = place.T @ torch.from_numpy(links) @ place
    size = place.sum(0)
    mass = between.diagonal() + size
    expected = (between / (mass[:, None] * mass).sqrt()).fill_diagonal_(0)
    dense = torch.zeros(3, 3).double()
    dense[small.edge_index[0], small.edge_index[1]] = small.edge_weight.double()
    torch.testing.assert_close(dense, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(small.x.double(), place.T @ x[nodes].double() / size[:, None])
    assert small.y.tolist() == [0, 1, 1]


def test_hops_are_checked():
    with pytest.raises(InputError, match="`hops` must be at least 0"):
        Coarsening(num_nodes=4, hops=-1)
