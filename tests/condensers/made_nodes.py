"""A planted graph, and its dense adjacency, for tests of condensers that make or learn nodes."""

from torch import Tensor
from torch_geometric.data import Data

from graphcond.data import planted_graph, without_test
from tests.dense import adjacency


def planted() -> Data:
    """Return 300 nodes of three communities, without their test part."""
    data = planted_graph(num_nodes=300, num_classes=3, num_features=8, degree=6.0, seed=0)
    return without_test(data)


def dense(data: Data, weight: Tensor | None = None) -> Tensor:
    """Return A [n, n] with A[target, source] in single precision, as the library's own."""
    return adjacency(data.edge_index, data.num_nodes, weight).float()
