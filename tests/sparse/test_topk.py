"""Blocked top-k against the full product."""

import pytest
import torch
from torch.testing import assert_close

from graphcond.errors import InputError
from graphcond.sparse import CSR, topk


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("k", [1, 4, 6])
def test_best_columns_of_the_full_product(rectangular, rand, block, k):
    users, items = rand(9, 5), rand(6, 5)
    full = users @ items.T
    full[rectangular.row, rectangular.col] = -torch.inf
    scores, indices = topk(users, items, k, rectangular.csr, block)
    expected = full.topk(k)
    assert_close(scores, expected.values)
    found = expected.values > -torch.inf
    assert torch.equal(indices[found], expected.indices[found])
    assert bool((indices[~found] == -1).all())


def test_without_exclusion(rand):
    users, items = rand(7, 3), rand(20, 3)
    assert torch.equal(topk(users, items, 5)[1], (users @ items.T).topk(5).indices)


def test_all_excluded_gives_no_candidates():
    everything = CSR.from_edges(torch.zeros(3, dtype=torch.long), torch.arange(3), (1, 3))
    scores, indices = topk(torch.ones(1, 2), torch.ones(3, 2), 2, everything)
    assert indices.tolist() == [[-1, -1]]
    assert scores.tolist() == [[-torch.inf, -torch.inf]]


def test_bad_input_is_named():
    with pytest.raises(InputError, match="`k`"):
        topk(torch.ones(2, 3), torch.ones(4, 3), 5)
    with pytest.raises(InputError, match="one width|`users`"):
        topk(torch.ones(2, 3), torch.ones(4, 2), 1)
    with pytest.raises(InputError, match="exclude"):
        topk(
            torch.ones(2, 3),
            torch.ones(4, 3),
            1,
            CSR.from_edges(torch.tensor([0]), torch.tensor([0]), (1, 1)),
        )
