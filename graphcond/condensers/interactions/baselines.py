"""Baselines of DConRec, section 4.1.2: random interactions, Majority, selection via proxy."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import Checkpoint, kept_interactions, num_items, num_users, train_edges
from graphcond.errors import require_at_least
from graphcond.nn.recommender import MF, RecommenderFactory
from graphcond.pools import fit_proxies
from graphcond.seeding import derive, generator
from graphcond.training import BPR, Recommender, UniformNegatives


@final
@dataclass(frozen=True, kw_only=True)
class RandomInteractions(InteractionCondenser):
    """Keep ⌊r |D|⌋ training interactions, drawn uniformly without replacement.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of the draw.

    Source: DConRec, section 4.1.2, "Random".

    Example:
        >>> from graphcond.data import load, split_interactions
        >>> data = split_interactions(load("southern-women"), seed=0)
        >>> small = RandomInteractions(ratio=0.5)(data)
        >>> small.card["ratio_actual"] <= 0.5
        True
    """

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        draw = generator(self.seed, "random")
        chosen = torch.randperm(train_edges(data).size(1), generator=draw)[: self.budget(data)]
        return Draft(kept_interactions(data, chosen))


@final
@dataclass(frozen=True, kw_only=True)
class Majority(InteractionCondenser):
    """Keep all interactions of the users with the fewest, in rising order of degree, until the
    budget is spent.

    The last user whose interactions do not all fit keeps a random part of them; users of one degree
    come in random order.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of the ties.

    Source: DConRec, section 4.1.2, "Majority" (the majority of users, who are the long tail).
    """

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        edges = train_edges(data)
        draw = generator(self.seed, "majority")
        count = torch.bincount(edges[0], minlength=num_users(data))
        tie = torch.randperm(num_users(data), generator=draw).to(edges.device)
        place = torch.empty_like(tie)
        place[torch.argsort(count * num_users(data) + tie)] = torch.arange(
            tie.numel(), device=edges.device
        )
        shuffled = torch.randperm(edges.size(1), generator=draw).to(edges.device)
        order = shuffled[torch.argsort(place[edges[0, shuffled]], stable=True)]
        return Draft(kept_interactions(data, order[: self.budget(data)]))


_BLOCK = 1 << 17


@dataclass(frozen=True, kw_only=True)
class SelectionViaProxy(InteractionCondenser):
    r"""Base of the two orders: interactions ranked by a trained proxy's mean BPR loss.

    .. math:: \ell_{ui} = \frac{1}{n} \sum_{j=1}^{n} -\ln \sigma(s_{ui} - s_{uj})

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of proxy and negatives.
        recommender: Makes the proxy.
        recipe: How it is trained; None is :class:`graphcond.training.BPR`.
        repeats: n >= 1, negatives per interaction.

    Source: Coleman et al., ICLR 2020; DConRec, section 4.1.2, "SVP".
    """

    recommender: RecommenderFactory = MF
    recipe: BPR | None = None
    repeats: int = 8

    def __post_init__(self) -> None:
        require_at_least(1, "8 is usual.", repeats=self.repeats)

    @abstractmethod
    def _order(self, losses: Tensor) -> Tensor:
        """Return the interactions, those to keep first [E]."""

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        (proxy,) = fit_proxies(
            self.recommender, data, 1, recipe=self.recipe, seed=derive(self.seed, "svp")
        )
        losses = proxy_losses(proxy, data, self.repeats, self.seed)
        return Draft(kept_interactions(data, self._order(losses)[: self.budget(data)]))


@final
@dataclass(frozen=True, kw_only=True)
class SVPHardest(SelectionViaProxy):
    """Keep the interactions with the highest loss, as published."""

    def _order(self, losses: Tensor) -> Tensor:
        return torch.argsort(losses, descending=True, stable=True)


@final
@dataclass(frozen=True, kw_only=True)
class SVPEasiest(SelectionViaProxy):
    """Keep the interactions with the lowest loss: those the proxy is sure of."""

    def _order(self, losses: Tensor) -> Tensor:
        return torch.argsort(losses, stable=True)


def proxy_losses(proxy: Recommender, data: HeteroData, repeats: int, seed: int) -> Tensor:
    """Return the mean BPR loss of every training interaction under a trained proxy.

    Args:
        proxy: Trained embeddings.
        data: The original.
        repeats: Negatives per interaction, at least 1.
        seed: Seed of the negatives.

    Returns:
        Losses [E].
    """
    users, items = train_edges(data)
    draw = generator(seed, "svp", device=users.device)
    sample = UniformNegatives(train_edges(data), num_users(data), num_items(data))
    total = torch.zeros(users.numel(), device=users.device)
    for _ in range(repeats):
        others = sample(users, draw)
        for some in torch.arange(users.numel(), device=users.device).split(_BLOCK):
            gap = proxy.items[items[some]] - proxy.items[others[some]]
            total[some] += softplus(-(proxy.users[users[some]] * gap).sum(dim=1))
    return total / repeats
