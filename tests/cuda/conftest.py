"""Tests of everything that computes on a device; ``GRAPHCOND_TEST_DEVICE=cpu`` runs them without
one, so that they cannot rot between two machines with a GPU.
"""

import importlib.util
import os

import pytest
import torch
from torch import Tensor

from graphcond.sparse.backends import use
from tests.edge_lists import EdgeList

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


def _hubs() -> EdgeList:
    """Rows of 700, 0, 256, 257 and 3 entries: three pieces, none, one, two, one."""
    row = torch.repeat_interleave(torch.arange(5), torch.tensor([700, 0, 256, 257, 3]))
    return EdgeList(row, torch.arange(row.numel()) % 13, (5, 13))


GRAPHS = {
    "rectangular": EdgeList.random((9, 6), 25, seed=0),
    "square": EdgeList.random((11, 11), 40, seed=1),
    "hubs": _hubs(),
    "no edges": EdgeList.empty((3, 4)),
}


@pytest.fixture(params=list(GRAPHS))
def graph(request: pytest.FixtureRequest) -> EdgeList:
    return GRAPHS[request.param]


@pytest.fixture
def square() -> EdgeList:
    return GRAPHS["square"]


@pytest.fixture
def hubs() -> EdgeList:
    return GRAPHS["hubs"]


@pytest.fixture
def rand():
    """Standard normal numbers on the host, from a generator of the test's own."""
    make = torch.Generator().manual_seed(1234)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=make, dtype=torch.float64)

    return draw
