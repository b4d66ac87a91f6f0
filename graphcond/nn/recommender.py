"""Recommender models whose score is an inner product: matrix factorisation and LightGCN, one or
many at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from graphcond.errors import require, require_positive, require_share
from graphcond.nn.inputs import check_ids
from graphcond.pairs import widened
from graphcond.seeding import generator
from graphcond.sparse import CSR, bipartite_norm, spmm

Tables = tuple[Tensor, Tensor]


class RecommenderFactory(Protocol):
    """What users pass: ``partial(nn.MF, dim=64)``."""

    def __call__(
        self, num_users: int, num_items: int, *, seed: int = 0, num_models: int = 1
    ) -> EmbeddingRecommender:
        """Return a freshly initialised model."""


class EmbeddingRecommender(torch.nn.Module, ABC):
    r"""A recommender with scores :math:`s_{ui} = p_u^\top q_i + b_i`.

    K models live side by side: model k owns rows kU..(k+1)U of the user table and kI..(k+1)I of the
    item table, and is trained on interactions with those offsets (:meth:`offset`), so that K runs
    are one run over a block-diagonal matrix.

    Args:
        num_users: U.
        num_items: I.
        dim: Width d of the embeddings, at least 1.
        num_layers: L, how often the tables are propagated; None is ``usual_num_layers``. At least 1
            for a model that uses the graph, 0 for one that does not.
        bias: Whether items have a bias b.
        dropout: Probability, in [0, 1), of dropping a coordinate of a user's embedding in a
            training triplet.
        init_std: Standard deviation of the normal initialisation, > 0; None is ``usual_init_std``.
            Small on purpose: large ones keep noise in directions that few interactions ever
            correct, and cost a quarter of the NDCG on Last.fm.
        num_models: K, at least 1.
        seed: Seed of the initialisation.

    Attributes:
        uses_graph: Whether it propagates over the training interactions.
        usual_num_layers: L where none is given.
        usual_init_std: Standard deviation where none is given.
        usual_learning_rate: Step size of Adam that suits it, where a recipe names none.
        usual_weight_decay: λ of λ/2 (|p_u|² + |q_i|² + |q_j|²) per triplet, on the embeddings that
            are learned, that suits it.
    """

    uses_graph: ClassVar[bool]
    usual_num_layers: ClassVar[int]
    usual_init_std: ClassVar[float]
    usual_learning_rate: ClassVar[float] = 0.002
    usual_weight_decay: ClassVar[float] = 0.02

    def __init__(
        self,
        num_users: int,
        num_items: int,
        dim: int = 64,
        num_layers: int | None = None,
        *,
        bias: bool = False,
        dropout: float = 0.0,
        init_std: float | None = None,
        num_models: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if num_layers is None:
            num_layers = self.usual_num_layers
        if init_std is None:
            init_std = self.usual_init_std
        counts: dict[str, Any] = {
            "num_users": num_users,
            "num_items": num_items,
            "dim": dim,
            "num_models": num_models,
        }
        require(
            all(isinstance(count, Integral) and int(count) >= 1 for count in counts.values()),
            f"Sizes must be positive whole numbers, but they are {counts}. Give the counts of the"
            " data set.",
        )
        require_share("0 switches it off.", dropout=dropout)
        require_positive("0.05 and 0.1 are usual.", init_std=init_std)
        require(
            (num_layers >= 1) == self.uses_graph and num_layers >= 0,
            f"`num_layers` must be at least 1 for LightGCN and 0 for MF, but it is {num_layers!r}."
            " Leave it out, or take the other model.",
        )
        self.num_users = num_users
        self.num_items = num_items
        self.dim = dim
        self.num_layers = num_layers
        self.num_models = num_models
        self.dropout = dropout
        draw = generator(seed, "init")
        self.user = torch.nn.Parameter(
            torch.randn(num_models * num_users, dim, generator=draw) * init_std
        )
        self.item = torch.nn.Parameter(
            torch.randn(num_models * num_items, dim, generator=draw) * init_std
        )
        self.item_bias = torch.nn.Parameter(torch.zeros(num_models * num_items)) if bias else None

    def offset(self, edge_index: Tensor, model: int) -> Tensor:
        """Return interactions [2, E] of model ``model`` in the rows of the shared tables."""
        shift = torch.tensor(
            [[model * self.num_users], [model * self.num_items]], device=edge_index.device
        )
        return edge_index + shift

    def graph(self, edge_index: Tensor, edge_weight: Tensor | None = None) -> CSR | None:
        """Return what :meth:`propagate` runs over, or None where the model does without.

        Args:
            edge_index: Training interactions [2, E], with offsets where ``num_models`` > 1.
            edge_weight: Weights [E], or None for 1.
        """
        if not self.uses_graph:
            return None
        size = (self.user.size(0), self.item.size(0))
        return bipartite_norm(CSR.from_edges(edge_index[0], edge_index[1], size, edge_weight))

    @abstractmethod
    def propagate(self, tables: Tables, graph: CSR | None) -> Tables:
        """Map learned tables to the tables that are scored; linear and self-adjoint, so that it
        also maps gradients back.
        """

    def embeddings(self, graph: CSR | None) -> Tables:
        """Return the tables that are scored, [K·U, d'] and [K·I, d']; a bias becomes one more
        coordinate.

        Args:
            graph: Of :meth:`graph`, of the interactions the model was trained on.
        """
        users, items = self.propagate((self.user, self.item), graph)
        if self.item_bias is None:
            return users, items
        return torch.cat([users, torch.ones_like(users[:, :1])], dim=1), torch.cat(
            [items, self.item_bias[:, None]], dim=1
        )

    def forward(self, edge_index: Tensor, graph: CSR | None = None) -> Tensor:
        """Return the scores [B] of user-item pairs [2, B]; differentiable to any order."""
        require(
            isinstance(edge_index, Tensor) and edge_index.dim() == 2 and len(edge_index) == 2,
            "Pairs must be a tensor [2, B], users in row 0 and items in row 1, but they are"
            f" {tuple(getattr(edge_index, 'shape', ())) or type(edge_index).__name__!r}. Stack"
            " both.",
        )
        require(
            # -1 would be the last one; elsewhere asking would make the device wait
            edge_index.device.type != "cpu" or not edge_index.numel() or int(edge_index.min()) >= 0,
            "Ids of users and items must be at least 0, but one is negative. Number them from 0.",
        )
        users, items = self.embeddings(graph)
        try:
            pairs = widened(edge_index)
            return (users[pairs[0]] * items[pairs[1]]).sum(dim=1)
        except (IndexError, RuntimeError):
            check_ids(edge_index[0], users.size(0), "users", users.device)
            check_ids(edge_index[1], items.size(0), "items", items.device)
            raise


class MF(EmbeddingRecommender):
    """Matrix factorisation: the learned tables are scored as they are.

    Arguments and their defaults: see :class:`EmbeddingRecommender`; Adam 0.002, N(0, 0.05²), λ =
    0.02, chosen on the validation split of Last.fm; on Gowalla a smaller step and decay (0.001,
    0.01) with N(0, 0.1²) validate slightly better.

    Source: Koren et al. 2009; trained by BPR, Rendle et al. 2009.

    Example:
        >>> MF(3, 5, dim=4)(torch.tensor([[0, 2], [4, 1]])).shape
        torch.Size([2])
    """

    uses_graph = False
    usual_num_layers = 0
    usual_init_std = 0.05

    def propagate(self, tables: Tables, graph: CSR | None) -> Tables:
        """Return ``tables``; the graph is not used."""
        return tables


class LightGCN(EmbeddingRecommender):
    r"""LightGCN: the mean of 0..L propagations over the normalised interactions.

    .. math:: (P, Q) = \frac{1}{L + 1} \sum_{l=0}^{L}
       \begin{pmatrix} 0 & \hat R \\ \hat R^\top & 0 \end{pmatrix}^l (P_0, Q_0),
       \quad \hat R = D_u^{-1/2} R D_i^{-1/2}

    Arguments: see :class:`EmbeddingRecommender`. The weight decay is on :math:`P_0, Q_0`.

    Source: He et al., SIGIR 2020, equations 3 and 4.
    """

    uses_graph = True
    usual_num_layers = 3
    usual_init_std = 0.1
    usual_learning_rate = 0.005
    usual_weight_decay = 1e-4

    def propagate(self, tables: Tables, graph: CSR | None) -> Tables:
        """Return the mean over layers; ``graph`` is that of :meth:`graph`."""
        if graph is None:
            require(
                False,
                f"This needs LightGCN scored with its training graph, but found graph = {graph!r}."
                " Pass `graph=model.graph(edge_index)`.",
            )
            raise AssertionError
        users, items = tables
        total_users = users
        total_items = items
        share = 1.0 / (self.num_layers + 1)
        for layer in range(1, self.num_layers + 1):
            last = 1.0
            if layer == self.num_layers:
                last = share
            next_users = spmm(graph, items)
            items = spmm(graph.T, users)
            users = next_users
            total_users = (total_users + users) * last
            total_items = (total_items + items) * last
        return total_users, total_items
