"""DConRec: what the outer loss asks of a trained model, and the loss itself."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch_geometric.data import HeteroData

from graphcond.data import (
    EDGE,
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    train_edges,
    val_edges,
)
from graphcond.errors import require, require_at_least
from graphcond.pairs import pair_keys
from graphcond.pools import DataPool
from graphcond.seeding import derive, generator
from graphcond.training import UniformNegatives


class OuterInteractions(ABC):
    """The interactions V of the outer loss.

    Attributes:
        needs_proxy: Whether the pool must bring a proxy model.
        sees_validation: Whether V is the validation split, which early stopping then no longer
            judges fairly.
    """

    needs_proxy: ClassVar[bool] = False
    sees_validation: ClassVar[bool] = False

    def held_out(self, data: HeteroData, seed: int) -> Tensor | None:
        """Return the training interactions ``[2, V]`` that must leave the pool, None for none."""
        return None

    @abstractmethod
    def edges(self, data: HeteroData, pool: DataPool, seed: int) -> Tensor:
        """Return V ``[2, V]``.

        Args:
            data: Interactions without a test split.
            pool: The candidates and, where :attr:`needs_proxy`, their proxy model.
            seed: The condenser's seed.
        """


@final
@dataclass(frozen=True)
class ValidationInteractions(OuterInteractions):
    """The validation split.

    Source: DConRec, Eq. 7.
    """

    sees_validation: ClassVar[bool] = True

    def edges(self, data: HeteroData, pool: DataPool, seed: int) -> Tensor:
        """Return the validation interactions ``[2, V]``."""
        return val_edges(data)


@final
@dataclass(frozen=True)
class HeldOutInteractions(OuterInteractions):
    """A share of every user's training interactions, which leave the pool; ours.

    Args:
        share: In (0, 1).
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        require(
            0 < self.share < 1,
            f"`share` must be in (0, 1), but it is {self.share}."
            " It is the part of the training interactions that is held out; 0.1 is usual.",
        )

    def held_out(self, data: HeteroData, seed: int) -> Tensor:
        """Return the share of every user's training interactions ``[2, V]``."""
        training = make_interactions(train_edges(data), num_users(data), num_items(data))
        ratios = (1 - self.share, self.share, 0.0)
        return val_edges(split_interactions(training, seed=derive(seed, "outer"), ratios=ratios))

    def edges(self, data: HeteroData, pool: DataPool, seed: int) -> Tensor:
        """Return what is held out ``[2, V]``."""
        return self.held_out(data, seed)


@final
@dataclass(frozen=True)
class TeacherFavourites(OuterInteractions):
    """The items that a proxy model ranks first for every user, observed ones left out; ours.

    Args:
        length: Favourites of each user, >= 1.
    """

    length: int = 10
    needs_proxy: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_at_least(1, "It counts a user's favourites; 10 is usual.", length=self.length)

    def edges(self, data: HeteroData, pool: DataPool, seed: int) -> Tensor:
        """Return every active user with each of its favourites ``[2, V]``."""
        known = train_edges(data)
        items = pool.proxies[0].rank(min(self.length, num_items(data)), known)[1]
        users = torch.arange(items.size(0), device=items.device)[:, None].expand_as(items)
        active = torch.bincount(known[0], minlength=num_users(data)) > 0
        good = (items >= 0) & active[:, None]
        return torch.stack([users[good], items[good]])


BLOCK = 1 << 14
"""Triplets whose rows are gathered at once."""


@final
@dataclass(frozen=True, eq=False)
class OuterLoss:
    r"""Mean BPR loss of held-out interactions, kept apart by user.

    .. math:: L_{k,u} = \frac{1}{n |V|} \sum_{(u, i) \in V} \sum_{j} -\ln \sigma(s_{kui} - s_{kuj})

    Args:
        edges: V ``[2, V]``.
        negatives: Draws items that are in no interaction the condenser has seen.
        size: U and I.
        repeats: n, negatives per interaction.

    Source:
        DConRec, Eq. 7. The released code draws the negatives from the test sampler; ours knows no
        test interactions.
    """

    edges: Tensor
    negatives: UniformNegatives
    size: tuple[int, int]
    repeats: int = 4

    def triplets(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return users, positives and negatives ``[n V]``, the same for the same seed."""
        users = self.edges[0].repeat(self.repeats)
        items = self.edges[1].repeat(self.repeats)
        return users, items, self.negatives(users, generator(seed, "outer", device=users.device))

    def __call__(self, tables: tuple[Tensor, Tensor], models: int, *, seed: int) -> Tensor:
        """Return the losses of models side by side.

        Args:
            tables: Scored user and item embeddings ``[K U, d]``, ``[K I, d]``.
            models: K.
            seed: Seed of the negatives; all models get the same.

        Returns:
            ``[K, U]``; a row sums to the model's mean loss.
        """
        users, items, others = self.triplets(seed)
        out = tables[0].new_zeros(models, self.size[0])
        for k in range(models):
            p = tables[0][k * self.size[0] :]
            q = tables[1][k * self.size[1] :]
            for some in torch.arange(users.numel(), device=users.device).split(BLOCK):
                gap = q.index_select(0, items[some]).sub_(q.index_select(0, others[some]))
                losses = softplus(-(p.index_select(0, users[some]) * gap).sum(1))
                out[k].index_add_(0, users[some], losses)
        return out / max(users.numel(), 1)


def _among(pairs: Tensor, others: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which pairs [2, E] are among others [2, E']."""
    return torch.isin(pair_keys(pairs[0], pairs[1], size), pair_keys(others[0], others[1], size))


def _without(data: HeteroData, pairs: Tensor) -> HeteroData:
    """Return the data without some of their training interactions [2, E']."""
    left = copy.copy(data)
    store = data[EDGE]
    rest = ~_among(store.edge_index, pairs, (num_users(data), num_items(data)))
    left[EDGE].edge_index = store.edge_index[:, rest]
    if "edge_weight" in store:
        left[EDGE].edge_weight = store.edge_weight[rest]
    return left
