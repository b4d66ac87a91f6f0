"""Small data sets that many tests of condensers look at; nobody changes them."""

from __future__ import annotations

import pytest
from torch_geometric.data import Data, HeteroData

from graphcond.data import load, planted_graph, split_interactions, without_test


@pytest.fixture(scope="module")
def karate() -> Data:
    return without_test(load("karate"))


@pytest.fixture(scope="module")
def graph() -> Data:
    data = planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=0)
    return without_test(data)


@pytest.fixture(scope="module")
def women() -> HeteroData:
    return without_test(split_interactions(load("southern-women"), seed=0))
