"""A small graph and its planted reference. Files that need others have fixtures of their own."""

import pytest

from graphcond.data import planted_graph
from tests.evaluation.planted import planted_reference


@pytest.fixture(scope="module")
def graph():
    return planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=0)


@pytest.fixture(scope="module")
def whole(graph):
    return planted_reference(graph)
