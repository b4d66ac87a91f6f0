"""How well embeddings rank held-out interactions while they are trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphcond.metrics.ranking import hits, mean_over_users, ndcg
from graphcond.seeding import generator
from graphcond.sparse import CSR, topk


class RankingLooks:
    """Mean NDCG@10 of embeddings on held-out interactions of a fixed sample of users.

    Args:
        held: Held-out interactions [2, V].
        exclude: Interactions left out of the rankings [2, E].
        size: Numbers of users and items.
        max_users: Most users to look at.
    """

    def __init__(
        self, held: Tensor, exclude: Tensor, size: tuple[int, int], max_users: int
    ) -> None:
        users = torch.unique(held[0])
        if users.numel() > max_users:
            chosen = torch.randperm(users.numel(), generator=generator(0, "looks"))[:max_users]
            # A fixed seed, whatever the training's: looks of two runs are then comparable.
            users = users[chosen.to(users.device)].sort().values
        place = torch.full((size[0],), -1, device=users.device)
        place[users] = torch.arange(users.numel(), device=users.device)
        self.users = users
        self.num_items = size[1]
        self.held = _renumber(held, place)
        out = _renumber(exclude, place)
        self.exclude = CSR.from_edges(out[0], out[1], (users.numel(), size[1]))

    def __call__(self, users: Tensor, items: Tensor) -> float:
        """Return the mean NDCG@10 of user and item embeddings [U, d] and [I, d]; NaN if they are
        not finite.
        """
        # Rankings of NaN are rankings all the same. NaN stops the run with its cure.
        if not bool(torch.isfinite(items).all()):
            return math.nan
        k = min(10, self.num_items)
        hit, count = hits(
            topk(users[self.users], items, k, self.exclude)[1], self.held, self.num_items
        )
        return mean_over_users(ndcg(hit, count, k), count)


def _renumber(edges: Tensor, place: Tensor) -> Tensor:
    row = place[edges[0]]
    return torch.stack([row, edges[1]])[:, row >= 0]
