"""What may be kept: candidate interactions, where each came from, and which are always kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

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


def keep_tail(
    pool: DataPool,
    num_users: int,
    *,
    threshold: int,
    of: Literal["pool", "training"],
    limit: int | None = None,
) -> tuple[DataPool, int]:
    r"""Mark the interactions of long-tailed users as always kept.

    .. math:: D_{tail} = \bigcup_{|D_u| < \epsilon} D_u

    Args:
        pool: The pool.
        num_users: U.
        threshold: ε >= 0; users with fewer interactions are in the tail. 0 leaves the tail empty.
        of: Whether D_u are the user's interactions in the pool or its observed ones.
        limit: Most interactions in the tail; ε is lowered to the largest value whose tail fits.
            None: no limit.

    Returns:
        The pool with ``kept`` set, and the ε used.

    Raises:
        InputError: If an argument is out of range.

    Source:
        DConRec, Eq. 13 (``of="pool"``, no limit).
    """
    require(
        threshold >= 0,
        f"This needs tail threshold >= 0, but found threshold = {threshold!r}. It is a number of"
        " interactions per user.",
    )
    require(
        of in ("pool", "training"),
        f"`of` must be 'pool' or 'training', but it is {of!r}. It says whose interactions count.",
    )
    if of == "pool":
        counted = torch.ones_like(pool.kept)
    else:
        counted = pool.origin == OBSERVED
    degree = torch.bincount(pool.edges[0, counted], minlength=num_users)
    if limit is not None and threshold:
        size = torch.bincount(degree[degree < threshold], minlength=threshold) * torch.arange(
            threshold, device=degree.device
        )
        threshold = int((size.cumsum(0) <= limit).sum())
    kept = counted & (degree < threshold)[pool.edges[0]]
    return replace(pool, kept=kept), threshold
