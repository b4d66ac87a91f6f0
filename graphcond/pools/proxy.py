"""Pseudo interactions: what proxy models rank highest among the items a user has not met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import num_items, num_users, train_edges, val_edges
from graphcond.errors import require_at_least, require_one_of, require_positive
from graphcond.nn import RecommenderFactory
from graphcond.pools.pool import PSEUDO, DataPool, PoolBuilder, make_pool
from graphcond.seeding import derive
from graphcond.sparse import CSR, topk
from graphcond.training import BPR, Recommender, fit_recommender

Quota = Literal["degree", "sqrt", "uniform", "global"]


@dataclass(frozen=True)
class ProxyTopK(PoolBuilder):
    r"""The best-scored unobserved items of every user, :math:`|D_{pseudo}| = r_{pseudo} |D|` in
    all.

    .. math:: TopK(u) = \operatorname*{arg\,topK}_{i \in I \setminus D_u} score_u(i)

    Args:
        recommender: Makes a proxy, for example ``partial(nn.MF, dim=64)``.
        ratio: r_pseudo > 0, pseudo interactions per observed one.
        quota: How many each user gets: proportional to its degree, to the square root of it, the
            same for all (each with at least 1 as far as the total allows, and at most the items
            left), or as many as its scores among the best of all users ("global").
        ensemble: Number of proxies, differing in their seed; their scores are added.
        recipe: How a proxy is trained; None is :class:`graphcond.training.BPR`.
        block: Users scored at once; memory is block * items.

    Raises:
        InputError: If an argument is out of range.

    Source:
        DConRec, Eq. 3-4. The paper gives K per user no formula; quotas and ensembles are ours.
    """

    recommender: RecommenderFactory
    ratio: float = 0.3
    quota: Quota = "degree"
    ensemble: int = 1
    recipe: BPR | None = None
    block: int = 512

    def __post_init__(self) -> None:
        require_positive(
            "It is the number of pseudo interactions per observed one.", ratio=self.ratio
        )
        require_one_of(
            ("degree", "sqrt", "uniform", "global"),
            "It says how the pseudo interactions are shared among users.",
            quota=self.quota,
        )
        require_at_least(1, "It is the number of proxies.", ensemble=self.ensemble)
        require_at_least(1, "It is the number of users scored at once.", block=self.block)

    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Train the proxies and take their favourites; see :class:`PoolBuilder`."""
        proxies = fit_proxies(self.recommender, data, self.ensemble, recipe=self.recipe, seed=seed)
        return make_pool(self.select(proxies, data), PSEUDO, proxies)

    def select(self, proxies: tuple[Recommender, ...], data: HeteroData) -> Tensor:
        """Return the pseudo interactions of given proxies.

        Args:
            proxies: Trained models.
            data: Their data; its training interactions are left out.

        Returns:
            ``[2, P]``, ordered by user, then by falling score (``quota="global"``: in no order).
        """
        # Embeddings side by side score as the sum of the proxies' scores.
        tables = (
            torch.cat([p.users for p in proxies], dim=1),
            torch.cat([p.items for p in proxies], dim=1),
        )
        edges = train_edges(data)
        total = round(self.ratio * train_edges(data).size(1))
        if self.quota == "global":
            return best_overall(tables, edges, total, self.block)
        degree = torch.bincount(edges[0], minlength=num_users(data))
        shares = {
            "degree": degree.double(),
            "sqrt": degree.double().sqrt(),
            "uniform": (degree > 0).double(),
        }
        room = torch.where(degree > 0, num_items(data) - degree, 0)
        return best_per_user(tables, edges, apportion(shares[self.quota], total, room), self.block)


def fit_proxies(
    factory: RecommenderFactory,
    data: HeteroData,
    count: int,
    *,
    recipe: BPR | None = None,
    seed: int = 0,
) -> tuple[Recommender, ...]:
    """Train ``count`` proxies on the training interactions, stopping by validation NDCG@10.

    Args:
        factory: Makes a proxy.
        data: Interactions without a test split.
        count: How many, at least 1.
        recipe: How they are trained.
        seed: Proxy n has the seed ``derive(seed, "proxy", n)``.

    Returns:
        The trained proxies.
    """
    seeds = (derive(seed, "proxy", n) for n in range(count))
    return tuple(
        fit_recommender(factory, data, val_edges(data), recipe=recipe, seed=each) for each in seeds
    )


def apportion(share: Tensor, total: int, room: Tensor) -> Tensor:
    """Divide ``total`` among users in proportion to their share, at least 1 each where there is
    enough, by largest remainders.

    Args:
        share: ``[U]``, float64, >= 0.
        total: What is divided.
        room: Most a user can take ``[U]``.

    Returns:
        Counts ``[U]``, int64, summing to min(total, room) as nearly as the room of users with a
        share allows.

    Example:
        >>> apportion(torch.tensor([6.0, 3.0, 1.0]).double(), 7, torch.tensor([9, 9, 9])).tolist()
        [4, 2, 1]
    """
    room = torch.where(share > 0, room, 0)
    # One each first, so that no user goes without; then what the shares still want, round by round,
    # because users without room leave theirs to the others.
    count = torch.minimum((share > 0).long() * int(total >= int((share > 0).sum())), room)
    ideal = share / share.sum().clamp(min=1e-300) * total
    while (left := min(total, int(room.sum())) - int(count.sum())) > 0:
        want = torch.where(count < room, (ideal - count).clamp(min=0), 0)
        if float(want.sum()) == 0:  # all have their share and more: fill what room there is
            want = (room - count).double()
        want = want * min(1.0, left / float(want.sum()))
        more = torch.minimum(want.floor().long(), room - count)
        rest = torch.where(count + more < room, want - more, -1.0)
        spare = left - int(more.sum())
        # Only when whole parts are given out do the largest remainders take one each.
        if spare and not int(more.sum()):
            best = rest.topk(min(spare, int((rest > 0).sum()))).indices
            more[best] += 1
        count = count + more
    return count


def best_per_user(
    tables: tuple[Tensor, Tensor], exclude: Tensor, count: Tensor, block: int
) -> Tensor:
    """Return each user's ``count`` best items; users with similar counts share a block.

    Args:
        tables: User and item embeddings ``[U, d]``, ``[I, d]``.
        exclude: Interactions left out ``[2, E]``.
        count: Per user ``[U]``.
        block: Users scored at once.

    Returns:
        ``[2, sum(count)]``, ordered by user, then by falling score; fewer where items run out.
    """
    order = torch.argsort(count, descending=True, stable=True)
    order = order[: int((count > 0).sum())]
    found = []
    for users, seen in _blocks(order, exclude, tables, block):
        k = min(int(count[users].max()), tables[1].size(0))
        items = topk(tables[0][users], tables[1], k, seen, block)[1]
        good = (torch.arange(k, device=items.device) < count[users, None]) & (items >= 0)
        found.append(torch.stack([users[:, None].expand_as(items)[good], items[good]]))
    if found:
        pairs = torch.cat(found, dim=1)
    else:
        pairs = exclude.new_empty(2, 0)
    return pairs[:, torch.argsort(pairs[0], stable=True)]


def best_overall(tables: tuple[Tensor, Tensor], exclude: Tensor, total: int, block: int) -> Tensor:
    """Return the ``total`` best user-item pairs of all, exactly, in memory block * items + total.

    Args:
        tables: User and item embeddings ``[U, d]``, ``[I, d]``.
        exclude: Interactions left out ``[2, E]``; users without any get nothing.
        total: How many.
        block: Users scored at once.

    Returns:
        ``[2, total]``, fewer where items run out.
    """
    best = tables[0].new_empty(0)
    pairs = exclude.new_empty(2, 0)
    threshold = -torch.inf
    known = torch.bincount(exclude[0], minlength=tables[0].size(0)) > 0
    for users, seen in _blocks(known.nonzero().squeeze(1), exclude, tables, block):
        scores = tables[0][users] @ tables[1].T
        scores[seen.row.long(), seen.indices.long()] = -torch.inf
        # The first block's own best set a bar just below its last; few later scores pass it, and
        # only those are kept and sorted again.
        if threshold == -torch.inf and scores.numel() > total > 0:
            threshold = float(
                torch.nextafter(
                    scores.flatten().topk(total).values[-1], scores.new_tensor(-torch.inf)
                )
            )
        row, item = torch.nonzero(scores > threshold, as_tuple=True)
        best = torch.cat([best, scores[row, item]])
        pairs = torch.cat([pairs, torch.stack([users[row], item])], dim=1)
        if best.numel() > total:
            best, which = best.topk(total)
            pairs = pairs[:, which]
            if total:
                threshold = float(best[-1])
            else:
                threshold = torch.inf
    return pairs


def _blocks(
    users: Tensor, exclude: Tensor, tables: tuple[Tensor, Tensor], block: int
) -> Iterator[tuple[Tensor, CSR]]:
    """Yield blocks of users with what they have met, as a CSR ``[block, I]``."""
    if not users.numel():
        return
    place = torch.full((tables[0].size(0),), -1, dtype=torch.int64, device=users.device)
    place[users] = torch.arange(users.numel(), device=users.device)
    # Users of a block need not be neighbours: interactions are sorted by the place of their user.
    rank = place[exclude[0]]
    order = torch.argsort(rank, stable=True)
    rank = rank[order]
    items = exclude[1, order]
    starts = torch.arange(0, users.numel() + block, block, device=users.device)
    bounds = torch.searchsorted(rank, starts).tolist()
    for n, part in enumerate(users.split(block)):
        own = slice(bounds[n], bounds[n + 1])
        yield (
            part,
            CSR.from_edges(rank[own] - n * block, items[own], (part.numel(), tables[1].size(0))),
        )
