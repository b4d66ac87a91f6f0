"""A closed-form recommender: the ideal low-pass filter of the normalised interactions. No epochs,
one decomposition.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import num_items, num_users, train_edges
from graphcond.errors import require
from graphcond.seeding import generator
from graphcond.sparse import CSR, bipartite_norm, spmm
from graphcond.training.fit import Fitted
from graphcond.training.recommender import Recommender


@torch.no_grad()
def fit_graph_filter(
    train: HeteroData, rank: int = 256, *, sweeps: int = 6, seed: int = 0
) -> Recommender:
    r"""Return the low-pass graph filter of a set of interactions as user and item embeddings.

    With :math:`\hat R = D_u^{-1/2} R D_i^{-1/2}` and its leading right singular vectors V,

    .. math:: S = \hat R\, V V^\top D_i^{1/2}

    Args:
        train: Interactions.
        rank: Singular vectors kept, at least 1; at most min(U, I) are.
        sweeps: Rounds of subspace iteration, at least 1.
        seed: Seed of the first subspace.

    Returns:
        Embeddings [U, rank] and [I, rank].

    Raises:
        InputError: If ``rank`` or ``sweeps`` is not positive, or there is no interaction.

    Source: Shen et al., CIKM 2021 (GF-CF), equation 11, without its linear term, which has no
        factors. The subspace iteration is Halko et al., SIAM Review 2011, algorithm 4.4,
        oversampled by 16.
    """
    edges, size = train_edges(train), (num_users(train), num_items(train))
    require(
        rank >= 1 and sweeps >= 1,
        "`rank` >= 1 and `sweeps` >= 1",
        "Check them.",
        rank=rank,
        sweeps=sweeps,
    )
    require(
        edges.size(1) > 0,
        "at least one interaction",
        "The set is empty.",
        interactions=edges.size(1),
    )
    normal = bipartite_norm(CSR.from_edges(edges[0], edges[1], size))
    width = min(rank + 16, *size)
    start = torch.randn(size[1], width, generator=generator(seed, "subspace")).to(edges.device)
    basis = torch.linalg.qr(start).Q
    for _ in range(sweeps):
        basis = torch.linalg.qr(spmm(normal.T, torch.linalg.qr(spmm(normal, basis)).Q)).Q
    right = _leading(spmm(normal, basis), basis, min(rank, width))
    popularity = torch.bincount(edges[1], minlength=size[1]).to(right.dtype)
    return Recommender(spmm(normal, right), right * popularity.sqrt()[:, None], Fitted())


def _leading(image: Tensor, basis: Tensor, rank: int) -> Tensor:
    """Return the right singular vectors of the matrix restricted to ``basis``, largest first."""
    values, vectors = torch.linalg.eigh(image.T @ image)
    right: Tensor = basis @ vectors[:, torch.argsort(values, descending=True)[:rank]]
    return right


def ensemble(models: tuple[Recommender, ...]) -> Recommender:
    r"""Return one recommender whose scores are the mean of the models', each standardised within a
    user.

    For factors the standard deviation of a user's scores over items is :math:`\sqrt{p^\top
    \mathrm{Cov}(q)\, p}`, so that no score has to be computed; the mean shifts all items of a user
    alike and is left out.

    Args:
        models: Trained models of the same users and items, at least one.

    Returns:
        Embeddings side by side, [U, Σd] and [I, Σd].
    """
    require(
        len(models) > 0,
        "at least one model",
        "Pass a tuple of trained recommenders.",
        models=len(models),
    )
    users = []
    for model in models:
        count, width = model.items.shape
        covariance = torch.cov(model.items.T, correction=min(1, count - 1)).reshape(width, width)
        spread = (model.users @ covariance * model.users).sum(dim=1)
        users.append(model.users / spread.clamp(min=1e-20).sqrt()[:, None] / len(models))
    return Recommender(
        torch.cat(users, dim=1),
        torch.cat([model.items for model in models], dim=1),
        models[0].history,
    )
