"""What may be kept: candidate interactions, where each came from, and which are always kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.errors import require
from graphcond.pairs import pair_keys
from graphcond.training import Recommender

OBSERVED = 0
PSEUDO = 1


@dataclass(frozen=True, eq=False)
class DataPool:
    """Candidate interactions D_pool.

    Args:
        edges: Users in row 0, items in row 1 ``[2, P]``, int64, distinct, ordered by user, then
            item.
        origin: Where each came from ``[P]``, int8: 0 observed, 1 pseudo.
        kept: Which are always kept ``[P]``, bool.
        proxies: The proxy models that proposed pseudo interactions; empty without any.

    Source:
        DConRec, Eq. 5.
    """

    edges: Tensor
    origin: Tensor
    kept: Tensor
    proxies: tuple[Recommender, ...] = ()

    def __post_init__(self) -> None:
        size = self.edges.size(-1)
        good = (
            self.edges.shape == (2, size)
            and self.origin.shape == (size,)
            and self.kept.shape == (size,)
        )
        facts = [tuple(v.shape) for v in (self.edges, self.origin, self.kept)]
        require(
            good,
            "`edges` must have the shape [2, P], `origin` [P] and `kept` [P], but found shapes ="
            f" {facts!r}. Build pools with pools.Union.",
        )

    def __len__(self) -> int:
        return self.edges.size(1)

    @property
    def num_pseudo(self) -> int:
        """Return the number of interactions nobody observed."""
        return int((self.origin == PSEUDO).sum())


class PoolBuilder(ABC):
    """Makes a pool from a data set; the training interactions are all it may take edges from or
    train on.
    """

    @abstractmethod
    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Build the pool.

        Args:
            data: Interactions without a test split.
            seed: Seed of what is random inside, for example the proxy's training.

        Returns:
            The pool.
        """


def make_pool(
    edges: Tensor, origin: int | Tensor, proxies: tuple[Recommender, ...] = ()
) -> DataPool:
    """Return a pool in its one order, repeated pairs merged; the first origin wins.

    Args:
        edges: ``[2, P']``.
        origin: One for all, or one each ``[P']``.
        proxies: Passed on.

    Returns:
        The pool; nothing in it is always kept.

    Example:
        >>> make_pool(torch.tensor([[1, 0, 1], [2, 0, 2]]), torch.tensor([0, 0, 1])).origin.tolist()
        [0, 0]
    """
    if isinstance(origin, int):
        source = torch.full_like(edges[0], origin)
    else:
        source = origin.long()
    edges = edges.long()
    rows = columns = 1
    if edges.size(1):
        rows, columns = (edges.amax(1) + 1).tolist()
    key, order = torch.sort(pair_keys(edges[0], edges[1], (rows, columns)), stable=True)
    # Sorted stably, the first of equal pairs is the one that was named first.
    first = torch.ones_like(key, dtype=torch.bool)
    first[1:] = key[1:] != key[:-1]
    order = order[first]
    pairs = edges[:, order].contiguous()
    return DataPool(
        pairs, source[order].to(torch.int8), torch.zeros_like(order, dtype=torch.bool), proxies
    )
