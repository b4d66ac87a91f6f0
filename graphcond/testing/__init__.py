"""For tests, this library's and yours: small planted data sets, dense references, and the contract
every condenser must pass.
"""

from graphcond.testing import dense
from graphcond.testing.edge_lists import EdgeList
from graphcond.testing.planted import (
    awkward_graph,
    awkward_interactions,
    small_graph,
    small_interactions,
)

__all__ = [
    "EdgeList",
    "awkward_graph",
    "awkward_interactions",
    "dense",
    "small_graph",
    "small_interactions",
]
