"""What ranks items for users, whatever it is made of: scores a block of users at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.ambient import steady
from graphcond.data import num_items, num_users, train_edges
from graphcond.errors import require, require_range
from graphcond.sparse import CSR
from graphcond.sparse.pattern import Pattern
from graphcond.training.fit import Fitted

_BLOCK = 512  # users scored at once: 512 rows of 100,000 items are 200 MiB


class Ranker(ABC):
    """Scores of every user for every item, never built in full.

    Attributes:
        history: How training went; empty where nothing was trained by steps.
    """

    history: Fitted

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Numbers of users and items."""

    @abstractmethod
    def scores(self, start: int, stop: int) -> Tensor:
        """Return a new tensor with the scores [stop - start, I] of consecutive users.

        Args:
            start: First user.
            stop: One past the last.
        """

    @torch.no_grad()
    @steady()
    def rank(self, k: int, exclude: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return every user's ``k`` best items, blocked.

        Args:
            k: Length of the lists, in [1, I].
            exclude: Interactions [2, E] that are left out.

        Returns:
            Scores [U, k] and item ids [U, k], best first; -inf and -1 where nothing is left.
        """
        num_users, num_items = self.size
        require_range(1, num_items, "It is the length of the lists.", k=k)
        out = None
        if exclude is not None:
            out = CSR.from_edges(exclude[0], exclude[1], self.size)
        best = []
        ids = []
        for start in range(0, num_users, _BLOCK):
            stop = min(start + _BLOCK, num_users)
            part = self.scores(start, stop)
            if out is not None:
                rows = rows_of(out, start, stop)
                part[rows.row.long(), rows.indices.long()] = -torch.inf
            value, which = part.topk(k, dim=1)
            best.append(value)
            ids.append(which.masked_fill_(value == -torch.inf, -1))
        return torch.cat(best), torch.cat(ids)


@dataclass(frozen=True)
class Recommender(Ranker):
    """A trained recommender, reduced to what is scored.

    Attributes:
        users: User embeddings [U, d'].
        items: Item embeddings [I, d']; scores are ``users @ items.T``.
        history: How training went.
    """

    users: Tensor
    items: Tensor
    history: Fitted

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of users and items."""
        return self.users.size(0), self.items.size(0)

    def scores(self, start: int, stop: int) -> Tensor:
        """Return the scores [stop - start, I] of consecutive users."""
        return self.users[start:stop] @ self.items.T


@dataclass(frozen=True)
class LinearRanker(Ranker):
    """Base of scores that are a linear map of a user's interactions.

    Attributes:
        interactions: Training interactions [U, I].
        history: Empty: nothing is trained by steps.
    """

    interactions: CSR
    history: Fitted = field(default_factory=Fitted, kw_only=True)

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of users and items."""
        return self.interactions.size


Weights = TypeVar("Weights", Tensor, CSR)


@dataclass(frozen=True)
class ItemWeights(LinearRanker, Generic[Weights]):
    """Base of scores that are a user's items times weights between items.

    Attributes:
        interactions: Training interactions [U, I].
        weights: Weights [I, I], from an item that was taken to one that is scored.
    """

    weights: Weights


def interaction_matrix(train: HeteroData) -> CSR:
    """Return the training interactions as a matrix [U, I].

    Raises:
        InputError: If there is none.
    """
    edges = train_edges(train)
    require(
        edges.size(1) > 0, "The set has no interaction. A closed form needs some to be made from."
    )
    return CSR.from_edges(edges[0], edges[1], (num_users(train), num_items(train)))


def rows_of(csr: CSR, start: int, stop: int) -> CSR:
    """Return consecutive rows of a matrix as a matrix of their own.

    Args:
        csr: The matrix [R, C].
        start: First row.
        stop: One past the last.

    Returns:
        A matrix [stop - start, C].
    """
    low = int(csr.indptr[start])
    high = int(csr.indptr[stop])
    pattern = Pattern(
        csr.indptr[start : stop + 1] - low, csr.indices[low:high], (stop - start, csr.size[1])
    )
    return CSR(pattern, None if csr.value is None else csr.value[low:high])
