"""A smaller data set of the same make: some of the users, and the most popular of their items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import Checkpoint, kept_interactions, num_items, train_edges
from graphcond.errors import require
from graphcond.seeding import generator


@final
@dataclass(frozen=True, kw_only=True)
class PopularCore(InteractionCondenser):
    """Keep what a random share of the users have of the items that are most popular among them.

    For comparing recommenders, not for training one: users and items that are left out cannot be
    ranked. Those that stay have nearly as many interactions as before, where a random set of the
    same size leaves all of them a few, so that what trains well on the core trains well on
    everything. :class:`graphcond.search.RankerObjective` trains and validates on the core
    alone.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of the draw of the users.
        users: Share of the users, in (0, 1]; None is √r: as large a part of the users as of their
            interactions. With fewer than r there may be less to keep than the budget.

    Source: Ours. That dense parts rank algorithms as the whole does is Sachdeva, Wu and McAuley's
        finding ("On Sampling Collaborative Filtering Datasets", WSDM 2022), whose best samples
        come from random walks and a proxy.

    Example:
        >>> from graphcond.data import load, split_interactions
        >>> data = split_interactions(load("southern-women"), seed=0)
        >>> small = PopularCore(ratio=0.25, users=0.5)(data)
        >>> small["user", "item"].edge_index[0].unique().numel() <= 9
        True
    """

    users: float | None = None

    def __post_init__(self) -> None:
        if self.users is not None:
            require(
                0 < self.users <= 1,
                f"`users` must be in (0, 1], but it is {self.users}. Leave it out for the square"
                " root of `ratio`.",
            )

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        edges = train_edges(data)
        draw = generator(self.seed, "core")
        known = edges[0].unique()
        share = self.ratio**0.5 if self.users is None else self.users
        chosen = torch.randperm(known.numel(), generator=draw)[: round(share * known.numel()) or 1]
        inside = torch.isin(edges[0], known[chosen.to(known.device)]).nonzero()[:, 0]
        count = torch.bincount(edges[1, inside], minlength=num_items(data))
        place = torch.empty_like(count)
        place[torch.argsort(count, descending=True, stable=True)] = torch.arange(
            count.numel(), device=count.device
        )
        # Of the last item, which the budget cuts, a random part stays.
        mixed = inside[torch.randperm(inside.numel(), generator=draw).to(inside.device)]
        order = mixed[torch.argsort(place[edges[1, mixed]], stable=True)]
        return Draft(kept_interactions(data, order[: self.budget(data)]))
