"""Small graphs with every oddity, their dense reference, and the back ends to run them on."""

import importlib.util
import os
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from graphcond.sparse import CSR
from graphcond.sparse.backends import use

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@dataclass(frozen=True)
class Graph:
    """Edges in input order, the CSR, and the same product done densely."""

    row: Tensor
    col: Tensor
    size: tuple[int, int]

    @property
    def csr(self) -> CSR:
        return CSR.from_edges(self.row, self.col, self.size)

    @property
    def edges(self) -> int:
        return self.row.numel()

    def dense(self, weight: Tensor) -> Tensor:
        empty = torch.zeros(self.size, dtype=weight.dtype)
        return empty.index_put((self.row.long(), self.col.long()), weight, accumulate=True)


def _random(rows: int, cols: int, edges: int, seed: int, dtype: torch.dtype = torch.int64) -> Graph:
    """Repeated edges for certain; the last two rows empty and the last column isolated."""
    make = torch.Generator().manual_seed(seed)
    row = torch.randint(0, rows - 2, (edges - 2,), generator=make)
    col = torch.randint(0, cols - 1, (edges - 2,), generator=make)
    return Graph(
        torch.cat([row, row[:2]]).to(dtype), torch.cat([col, col[:2]]).to(dtype), (rows, cols)
    )


GRAPHS = {
    "rectangular": _random(9, 6, 25, 0),
    "wide": _random(5, 14, 25, 1),
    "square": _random(11, 11, 40, 2),
    "int32": _random(8, 8, 20, 3, torch.int32),
    "hub": Graph(torch.zeros(12, dtype=torch.long), torch.arange(12) % 7, (4, 7)),
    "crowded": _random(4, 3, 30, 4),
    "no edges": Graph(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), (3, 4)),
}


@pytest.fixture(params=list(GRAPHS))
def graph(request: pytest.FixtureRequest) -> Graph:
    return GRAPHS[request.param]


@pytest.fixture
def square() -> Graph:
    return GRAPHS["square"]


@pytest.fixture
def rectangular() -> Graph:
    return GRAPHS["rectangular"]


@pytest.fixture(params=["torch", pytest.param("triton", marks=pytest.mark.triton)])
def backend(request: pytest.FixtureRequest):
    """Force each back end in turn; Triton needs its interpreter, switched on before the import."""
    if request.param == "triton" and not (INTERPRETED and importlib.util.find_spec("triton")):
        pytest.skip("set TRITON_INTERPRET=1 and install triton")
    with use(request.param):
        yield request.param


@pytest.fixture
def tolerance(backend: str) -> dict[str, float]:
    """Rounding of fp64; the same for every back end."""
    return {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def rand():
    """Standard normal numbers from a generator of the test's own, fp64 unless said otherwise."""
    make = torch.Generator().manual_seed(1234)

    def draw(*shape: int, grad: bool = False, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(*shape, generator=make, dtype=dtype).requires_grad_(grad)

    return draw
