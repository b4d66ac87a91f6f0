"""Compensation for long-tailed users: whose interactions are always kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from graphcond.errors import require_at_least, require_one_of
from graphcond.pools.pool import OBSERVED, DataPool


@dataclass(frozen=True)
class Tail:
    """Compensation for long-tailed users: their interactions are always kept.

    Args:
        threshold: ε >= 0; users with fewer interactions are in the tail; 0 for no compensation.
        of: Whether a user's interactions are those in the pool (Eq. 13) or the observed ones.
        budget: ``"included"``: the tail counts, |D_s ∪ D_tail| ≤ r |D|, and ε is lowered until the
            tail takes at most half of it; ``"extra"``: the tail comes on top, as in the paper, and
            the set grows past r.

    Source:
        DConRec, Section 3.3.3.
    """

    threshold: int = 10
    of: Literal["pool", "training"] = "pool"
    budget: Literal["included", "extra"] = "included"

    def __post_init__(self) -> None:
        require_one_of(
            ("included", "extra"), "It says whether the tail counts.", budget=self.budget
        )
        require_one_of(("pool", "training"), "It says whose interactions are counted.", of=self.of)
        require_at_least(0, "0 compensates nobody.", threshold=self.threshold)


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
    require_at_least(0, "It is a number of interactions per user.", threshold=threshold)
    require_one_of(("pool", "training"), "It says whose interactions count.", of=of)
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
