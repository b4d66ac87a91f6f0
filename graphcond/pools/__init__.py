"""Which interactions may be kept: observed ones, and those that proxy models propose."""

from graphcond.pools.observed import Observed
from graphcond.pools.pool import OBSERVED, PSEUDO, DataPool, PoolBuilder, make_pool
from graphcond.pools.proxy import ProxyTopK, fit_proxies
from graphcond.pools.tail import Tail, keep_tail
from graphcond.pools.union import Union

__all__ = [
    "DataPool",
    "OBSERVED",
    "Observed",
    "PSEUDO",
    "PoolBuilder",
    "ProxyTopK",
    "Tail",
    "Union",
    "fit_proxies",
    "keep_tail",
    "make_pool",
]
