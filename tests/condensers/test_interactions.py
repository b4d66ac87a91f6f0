import pytest
import torch

from graphcond.condensers import Majority, RandomInteractions
from graphcond.data import load, num_users, split_interactions, train_edges
from graphcond.errors import BudgetError, InputError
from graphcond.testing.contracts import CondenserContract


class OnSouthernWomen(CondenserContract):
    def data(self):
        return split_interactions(load("southern-women"), seed=0)


class TestRandomInteractions(OnSouthernWomen):
    def condenser(self, seed):
        return RandomInteractions(ratio=0.4, seed=seed)


class TestMajority(OnSouthernWomen):
    def condenser(self, seed):
        return Majority(ratio=0.4, seed=seed)


def test_majority_covers_the_most_users():
    data = split_interactions(load("southern-women"), seed=0)
    kept = torch.bincount(train_edges(Majority(ratio=0.5)(data))[0], minlength=num_users(data))
    degree = torch.bincount(train_edges(data)[0], minlength=num_users(data))
    whole = degree[kept == degree]
    assert (kept > 0).sum() >= (torch.sort(degree).values.cumsum(0) <= int(0.5 * degree.sum())).sum()
    assert whole.max() <= degree[kept < degree].min()


@pytest.mark.parametrize("ratio", [0.0, 1.4, -1])
def test_ratio_out_of_range(ratio):
    data = split_interactions(load("southern-women"), seed=0)
    with pytest.raises(BudgetError, match="ratio"):
        RandomInteractions(ratio=ratio)(data)


def test_node_graphs_are_refused():
    with pytest.raises(InputError, match="HeteroData"):
        RandomInteractions(ratio=0.5)(load("karate"))
