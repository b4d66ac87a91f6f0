"""DConRec: which interactions the outer loss asks a trained model to rank first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import (
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    train_edges,
    val_edges,
)
from graphcond.errors import require
from graphcond.pools import DataPool
from graphcond.seeding import derive


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
        require(
            self.length >= 1,
            f"`length` must be at least 1, but it is {self.length}."
            " It counts the favourites of each user; 10 is usual.",
        )

    def edges(self, data: HeteroData, pool: DataPool, seed: int) -> Tensor:
        """Return every active user with each of its favourites ``[2, V]``."""
        known = train_edges(data)
        items = pool.proxies[0].rank(min(self.length, num_items(data)), known)[1]
        users = torch.arange(items.size(0), device=items.device)[:, None].expand_as(items)
        active = torch.bincount(known[0], minlength=num_users(data)) > 0
        good = (items >= 0) & active[:, None]
        return torch.stack([users[good], items[good]])
