"""The training interactions themselves."""

from __future__ import annotations

from dataclasses import dataclass

from torch_geometric.data import HeteroData

from graphcond.data import train_edges
from graphcond.pools.pool import OBSERVED, DataPool, PoolBuilder, make_pool


@dataclass(frozen=True)
class Observed(PoolBuilder):
    """All observed training interactions D.

    Source:
        DConRec, Section 2.1.

    Example:
        >>> from graphcond.data import load, split_interactions
        >>> data = split_interactions(load("southern-women"), seed=0)
        >>> len(Observed()(data, seed=0)) == data["user", "interacts", "item"].edge_index.size(1)
        True
    """

    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Return the training interactions; ``seed`` changes nothing."""
        return make_pool(train_edges(data), OBSERVED)
