"""Interactions of low-degree users first: the most users covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.condensers.random_interactions import subset
from graphcond.data import Checkpoint, num_users, train_edges
from graphcond.seeding import generator


@final
@dataclass(frozen=True, kw_only=True)
class Majority(InteractionCondenser):
    """Keep all interactions of the users with the fewest, in rising order of degree, until the budget is spent.

    The last user whose interactions do not all fit keeps a random part of them; users of one degree come in random order.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of the ties.

    Source: DConRec, section 4.1.2, "Majority" (the majority of users, who are the long tail).
    """

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        edges, draw = train_edges(data), generator(self.seed, "majority")
        count = torch.bincount(edges[0], minlength=num_users(data))
        tie = torch.randperm(num_users(data), generator=draw).to(edges.device)
        place = torch.empty_like(tie)
        place[torch.argsort(count * num_users(data) + tie)] = torch.arange(tie.numel(), device=edges.device)
        shuffled = torch.randperm(edges.size(1), generator=draw).to(edges.device)
        order = shuffled[torch.argsort(place[edges[0, shuffled]], stable=True)]
        return Draft(subset(data, order[: self.budget(data)]))
