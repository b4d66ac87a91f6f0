import pytest
import torch

from graphcond.nn import filter_operator
from graphcond.seeding import generator


@pytest.fixture
def small_task():
    """Return what makes a random graph of 3 classes: its operator, features, classes, and training
    and validation masks.
    """

    def make(n=30, d=5):
        stream = generator(0, "task")
        pairs = torch.randint(n, (2, 2 * n), generator=stream)
        operator = filter_operator(torch.cat([pairs, pairs.flip(0)], 1).unique(dim=1), n).double()
        x, y = (
            torch.randn(n, d, generator=stream, dtype=torch.float64),
            torch.randint(3, (n,), generator=stream),
        )
        node = torch.arange(n)
        return operator, x, y, (node < n // 2, node >= n - n // 3)

    return make
