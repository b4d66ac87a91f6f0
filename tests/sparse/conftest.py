"""Small graphs with every oddity, their dense reference, and the back ends to run them on."""

import importlib.util
import os

import pytest
import torch
from torch import Tensor

from graphcond.sparse.backends import use
from tests.edge_lists import EdgeList

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


GRAPHS = {
    "rectangular": EdgeList.random((9, 6), 25, seed=0),
    "wide": EdgeList.random((5, 14), 25, seed=1),
    "square": EdgeList.random((11, 11), 40, seed=2),
    "int32": EdgeList.random((8, 8), 20, seed=3, dtype=torch.int32),
    "hub": EdgeList(torch.zeros(12, dtype=torch.long), torch.arange(12) % 7, (4, 7)),
    "crowded": EdgeList.random((4, 3), 30, seed=4),
    "no edges": EdgeList.empty((3, 4)),
}


@pytest.fixture(params=list(GRAPHS))
def graph(request: pytest.FixtureRequest) -> EdgeList:
    return GRAPHS[request.param]


@pytest.fixture
def square() -> EdgeList:
    return GRAPHS["square"]


@pytest.fixture
def rectangular() -> EdgeList:
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
