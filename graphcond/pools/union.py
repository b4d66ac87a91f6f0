"""Several pools as one."""

from __future__ import annotations

import torch
from torch_geometric.data import HeteroData

from graphcond.errors import require
from graphcond.pools.pool import DataPool, PoolBuilder, make_pool


class Union(PoolBuilder):
    """The union of pools; an interaction that several of them hold has the origin of the first.

    Args:
        *builders: At least one.

    Source:
        DConRec, Eq. 5.
    """

    def __init__(self, *builders: PoolBuilder) -> None:
        require(
            len(builders) > 0,
            "This needs at least one pool. For example Union(Observed(), ProxyTopK(mf,"
            " ratio=0.3)).",
        )
        self.builders = builders

    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Build all pools and merge them; see :class:`PoolBuilder`."""
        pools = [builder(data, seed=seed) for builder in self.builders]
        edges = torch.cat([pool.edges for pool in pools], dim=1)
        origin = torch.cat([pool.origin for pool in pools])
        return make_pool(edges, origin, tuple(proxy for pool in pools for proxy in pool.proxies))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Union) and self.builders == other.builders

    def __hash__(self) -> int:
        return hash(self.builders)

    def __repr__(self) -> str:
        return f"Union({', '.join(map(repr, self.builders))})"
