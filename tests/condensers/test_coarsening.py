"""Coarsening against dense references."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from graphcond.condensers import Coarsening
from graphcond.condensers.nodes.coarsening import groups, quotient
from graphcond.data import load
from graphcond.errors import InputError
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
