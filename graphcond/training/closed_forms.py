"""Recommenders without steps, as values: what a factory is to a trained model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch_geometric.data import HeteroData

from graphcond.data import num_items, num_users, train_edges
from graphcond.errors import require
from graphcond.training.ease import fit_ease
from graphcond.training.fit import Fitted
from graphcond.training.graph_filter import fit_gfcf, fit_graph_filter
from graphcond.training.least_squares import fit_least_squares
from graphcond.training.ranker import Ranker, Recommender
from graphcond.training.sparse_ease import fit_sparse_ease


class ClosedFormRecommender(ABC):
    """A recommender that is solved for, not trained: no epochs, and nothing to stop."""

    @abstractmethod
    def fit(self, train: HeteroData, seed: int = 0) -> Ranker:
        """Return what ranks, made from the training interactions alone.

        Args:
            train: Interactions.
            seed: Seed of what is drawn, if anything is.
        """


@final
@dataclass(frozen=True)
class EASE(ClosedFormRecommender):
    """The ridge regression of every item on all others.

    With few items the weights are a dense matrix. With many, an item is regressed on its nearest
    neighbours alone, so that nothing has the size items × items.

    Args:
        ridge: λ > 0.
        neighbours: Neighbours of an item above ``dense_items``, at least 1.
        dense_items: Most items of the dense form; 20,000 take 5 GB while it is solved.

    Source: Steck, WWW 2019.
    """

    ridge: float = 200.0
    neighbours: int = 64
    dense_items: int = 20_000

    def fit(self, train: HeteroData, seed: int = 0) -> Ranker:
        """Return what ranks; ``seed`` has no effect."""
        if num_items(train) <= self.dense_items:
            return fit_ease(train, self.ridge)
        return fit_sparse_ease(train, self.neighbours, ridge=self.ridge)


@final
@dataclass(frozen=True)
class LeastSquares(ClosedFormRecommender):
    """Factors by weighted alternating least squares (iALS).

    Args:
        dim: Width of the factors, at least 1.
        unobserved: Weight of every pair, > 0.
        ridge: Regularisation, > 0.
        sweeps: Rounds of both half-steps, at least 1.

    Source: Hu, Koren and Volinsky, ICDM 2008; Rendle et al., RecSys 2022.
    """

    dim: int = 64
    unobserved: float = 0.1
    ridge: float = 0.003
    sweeps: int = 12

    def fit(self, train: HeteroData, seed: int = 0) -> Ranker:
        """Return what ranks; ``seed`` is that of the first factors."""
        return fit_least_squares(
            train,
            self.dim,
            unobserved=self.unobserved,
            ridge=self.ridge,
            sweeps=self.sweeps,
            seed=seed,
        )


@final
@dataclass(frozen=True)
class GraphFilter(ClosedFormRecommender):
    """The low-pass filter of the normalised interactions.

    Args:
        rank: Singular vectors of the ideal low pass, at least 1.
        ideal: Weight of the ideal low pass beside the linear filter, at least 0; None leaves the
            linear filter out, so that the scores have factors and rank ten times faster.

    Source: Shen et al., CIKM 2021 (GF-CF).
    """

    rank: int = 256
    ideal: float | None = None

    def fit(self, train: HeteroData, seed: int = 0) -> Ranker:
        """Return what ranks; ``seed`` is that of the singular vectors."""
        if self.ideal is None:
            return fit_graph_filter(train, self.rank, seed=seed)
        return fit_gfcf(train, self.rank, ideal=self.ideal, seed=seed)


@final
@dataclass(frozen=True)
class Popularity(ClosedFormRecommender):
    """Every user is shown the items that most users took."""

    def fit(self, train: HeteroData, seed: int = 0) -> Ranker:
        """Return what ranks by the items' counts; ``seed`` has no effect."""
        edges = train_edges(train)
        require(edges.size(1) > 0, "The set has no interaction. Popularity counts them.")
        counts = torch.bincount(edges[1], minlength=num_items(train)).float()[:, None]
        return Recommender(counts.new_ones(num_users(train), 1), counts, Fitted())
