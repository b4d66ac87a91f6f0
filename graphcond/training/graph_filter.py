"""Low-pass filters of the normalised interactions, the ideal one and GF-CF. No epochs, one
decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.ambient import steady
from graphcond.data import train_edges
from graphcond.data.pair_checks import check_pair_stores
from graphcond.errors import require, require_at_least
from graphcond.sparse import CSR, bipartite_norm, spmm
from graphcond.training.directions import leading_directions
from graphcond.training.fit import Fitted
from graphcond.training.ranker import LinearRanker, Recommender, interaction_matrix, rows_of


@steady()
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
        factors; :func:`fit_gfcf` has both.
    """
    check_pair_stores(train)
    normal = bipartite_norm(interaction_matrix(train))
    _, right = leading_directions(normal, rank, sweeps=sweeps, seed=seed)
    popularity = torch.bincount(train_edges(train)[1], minlength=right.size(0)).to(right.dtype)
    return Recommender(spmm(normal, right), right * popularity.sqrt()[:, None], Fitted())


@dataclass(frozen=True)
class LinearAndIdeal(LinearRanker):
    """Scores of the linear filter plus those of the ideal low pass.

    Attributes:
        interactions: Training interactions [U, I].
        normal: The same, divided by the roots of both degrees.
        left: Items' factors that interactions are multiplied by [I, r].
        right: Items' factors of the scores [I, r].
    """

    normal: CSR
    left: Tensor
    right: Tensor

    def scores(self, start: int, stop: int) -> Tensor:
        """Return the scores [stop - start, I] of consecutive users."""
        rows = rows_of(self.interactions, start, stop)
        dense = self.left.new_zeros(self.size[1], stop - start)
        dense[rows.indices.long(), rows.row.long()] = 1.0
        linear = spmm(self.normal.T, spmm(self.normal, dense)).T
        return torch.addmm(linear, spmm(rows, self.left), self.right.T)


@steady()
@torch.no_grad()
def fit_gfcf(
    train: HeteroData, rank: int = 256, *, ideal: float = 0.3, sweeps: int = 6, seed: int = 0
) -> LinearAndIdeal:
    r"""Return GF-CF: the linear filter of a set of interactions plus its ideal low pass.

    .. math:: S = R\,(\hat R^\top \hat R + \alpha\, D_i^{-1/2} V V^\top D_i^{1/2})

    Args:
        train: Interactions.
        rank: Singular vectors V of the ideal low pass, at least 1.
        ideal: α, at least 0.
        sweeps: Rounds of subspace iteration, at least 1.
        seed: Seed of the first subspace.

    Returns:
        What ranks by S.

    Raises:
        InputError: If an argument is out of range, or there is no interaction.

    Source: Shen et al., CIKM 2021, equation 11; α = 0.3 is theirs.
    """
    require_at_least(0, "It is the weight of the low pass.", ideal=ideal)
    met = interaction_matrix(train)
    normal = bipartite_norm(met)
    _, vectors = leading_directions(normal, rank, sweeps=sweeps, seed=seed)
    popularity = torch.bincount(train_edges(train)[1], minlength=vectors.size(0)).to(vectors.dtype)
    root = popularity.sqrt()[:, None]
    left = vectors * ideal / root.clamp(min=1.0)
    return LinearAndIdeal(met, normal, left, vectors * root)


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
        f"This needs at least one model, but found models = {len(models)!r}. Pass a tuple of"
        " trained recommenders.",
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
