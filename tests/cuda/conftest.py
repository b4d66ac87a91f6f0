"""Tests of everything that computes on a device; ``GRAPHCOND_TEST_DEVICE=cpu`` runs them without
one, so that they cannot rot between two machines with a GPU.
"""

import importlib.util
import os
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from graphcond.sparse import CSR
from graphcond.sparse.backends import use
from graphcond.sparse.pattern import Pattern

DEVICE = os.environ.get("GRAPHCOND_TEST_DEVICE", "cuda")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.fixture
def device():
    """The device under test; a kernel that failed is met at the end of its own test."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs CUDA, or GRAPHCOND_TEST_DEVICE=cpu")
    yield torch.device(DEVICE)
    if DEVICE == "cuda":
        torch.cuda.synchronize()


@pytest.fixture(params=["torch", "triton"])
def backend(request: pytest.FixtureRequest, device: torch.device):
    """Force each back end in turn."""
    runs = importlib.util.find_spec("triton") and (device.type == "cuda" or INTERPRETED)
    if request.param == "triton" and not runs:
        pytest.skip("Triton needs CUDA, or its interpreter")
    with use(request.param):
        yield request.param


@dataclass(frozen=True)
class Graph:
    """Edges in input order, on the host."""

    row: Tensor
    col: Tensor
    size: tuple[int, int]

    def csr(self, device: torch.device, dtype: torch.dtype = torch.int32) -> CSR:
        """Return the matrix on a device with the given index type."""
        made = CSR.from_edges(self.row.to(device), self.col.to(device), self.size)
        pattern = Pattern(made.indptr.to(dtype), made.indices.to(dtype), self.size)
        return CSR(pattern, None, made.perm)

    def dense(self, weight: Tensor) -> Tensor:
        """Return the dense matrix of weights in input order."""
        empty = torch.zeros(self.size, dtype=weight.dtype)
        return empty.index_put((self.row, self.col), weight, accumulate=True)


def _random(rows: int, cols: int, edges: int, seed: int) -> Graph:
    """Repeated edges for certain; the last two rows empty and the last column isolated."""
    make = torch.Generator().manual_seed(seed)
    row = torch.randint(0, rows - 2, (edges - 2,), generator=make)
    col = torch.randint(0, cols - 1, (edges - 2,), generator=make)
    return Graph(torch.cat([row, row[:2]]), torch.cat([col, col[:2]]), (rows, cols))


def _hubs() -> Graph:
    """Rows of 700, 0, 256, 257 and 3 entries: three pieces, none, one, two, one."""
    row = torch.repeat_interleave(torch.arange(5), torch.tensor([700, 0, 256, 257, 3]))
    return Graph(row, torch.arange(row.numel()) % 13, (5, 13))


GRAPHS = {
    "rectangular": _random(9, 6, 25, 0),
    "square": _random(11, 11, 40, 1),
    "hubs": _hubs(),
    "no edges": Graph(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), (3, 4)),
}


@pytest.fixture(params=list(GRAPHS))
def graph(request: pytest.FixtureRequest) -> Graph:
    return GRAPHS[request.param]


@pytest.fixture
def square() -> Graph:
    return GRAPHS["square"]


@pytest.fixture
def hubs() -> Graph:
    return GRAPHS["hubs"]


@pytest.fixture
def rand():
    """Standard normal numbers on the host, from a generator of the test's own."""
    make = torch.Generator().manual_seed(1234)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=make, dtype=torch.float64)

    return draw
