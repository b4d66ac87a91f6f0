"""For tests, this library's and yours: small planted data sets, and the contract every condenser
must pass.
"""

from graphcond.testing.planted import (
    awkward_graph,
    awkward_interactions,
    small_graph,
    small_interactions,
)

__all__ = ["awkward_graph", "awkward_interactions", "small_graph", "small_interactions"]
