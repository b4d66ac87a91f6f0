"""EASE for many items: every item is regressed on its nearest neighbours alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import train_edges
from graphcond.errors import require_at_least, require_positive
from graphcond.sparse import CSR
from graphcond.training.ranker import ItemWeights, interaction_matrix, rows_of

_BLOCK = 256  # items whose neighbours are sought at once: 256 rows of 100,000 items are 100 MiB
_SOLVED = 64  # items solved at once: 64 Gram matrices of 100 neighbours and their keys are 10 MiB


@final
@dataclass(frozen=True)
class SparseItemWeights(ItemWeights[CSR]):
    """Scores that are a user's items times a sparse matrix of weights between items."""

    def scores(self, start: int, stop: int) -> Tensor:
        """Return the scores [stop - start, I] of consecutive users."""
        rows = rows_of(self.interactions, start, stop)
        value = self.weights.value
        if value is None:
            raise RuntimeError("item weights always have values")
        taken = rows.indices.long()
        first = self.weights.indptr[taken].long()
        count = self.weights.indptr[taken + 1].long() - first
        owner = torch.repeat_interleave(count)
        ahead = count.cumsum(0) - count
        place = torch.arange(owner.numel(), device=owner.device) + (first - ahead)[owner]
        out = value.new_zeros((stop - start) * self.size[1])
        target = rows.row.long()[owner] * self.size[1] + self.weights.indices[place].long()
        out.index_add_(0, target, value[place])
        return out.view(stop - start, self.size[1])


@torch.no_grad()
def fit_sparse_ease(
    train: HeteroData, neighbours: int = 64, *, ridge: float = 50.0
) -> SparseItemWeights:
    r"""Return the ridge regression of every item on the items most similar to it.

    .. math:: w_j = (G_{NN} + \lambda I)^{-1} G_{Nj}, \quad G = R^\top R

    N are the items with the highest cosine to j, of those that share a user with it. Memory is that
    of the pairs of items that share a user, and of neighbours times items. Nothing dense has the
    size items × items.

    Args:
        train: Interactions.
        neighbours: Most items in N, at least 1.
        ridge: λ > 0.

    Returns:
        What ranks by R W.

    Raises:
        InputError: If an argument is out of range, or there is no interaction.

    Source: EASE (Steck, WWW 2019) on the support of an item-based neighbourhood, as fsSLIM (Ning
        and Karypis, ICDM 2011, section 4.3.1) chooses it.
    """
    require_positive("50 is usual.", ridge=ridge)
    require_at_least(1, "64 is usual.", neighbours=neighbours)
    taken = interaction_matrix(train)
    edges, size = train_edges(train), taken.size
    shared = _shared_users(edges, size)
    popularity = torch.bincount(edges[1], minlength=size[1]).to(torch.get_default_dtype())
    near, met = _nearest(shared, popularity, min(neighbours, size[1]))
    counts = _Counts(shared)
    found = []
    for start in range(0, size[1], _SOLVED):
        block = slice(start, min(start + _SOLVED, size[1]))
        found.append(_solve(counts, near[block], met[block], start, ridge))
    weights = torch.cat(found)
    targets = torch.arange(size[1], device=near.device)[:, None].expand_as(near)
    real = met & (weights != 0)
    matrix = CSR.from_edges(near[real], targets[real], (size[1], size[1]), weights[real])
    return SparseItemWeights(taken, matrix)


class _Counts:
    """Entries of a sparse matrix by row and column.

    Args:
        matrix: The matrix, with values.
    """

    def __init__(self, matrix: CSR) -> None:
        if matrix.value is None:
            raise RuntimeError("counts always have values")
        self.value = matrix.value
        self.width = matrix.size[1]
        self.keys = matrix.row.long() * self.width + matrix.indices.long()

    def at(self, row: Tensor, column: Tensor) -> Tensor:
        """Return the entries at pairs, 0 where none is stored."""
        asked = row * self.width + column
        at = torch.searchsorted(self.keys, asked).clamp_(max=self.keys.numel() - 1)
        return torch.where(self.keys[at] == asked, self.value[at], 0.0)


def _shared_users(edges: Tensor, size: tuple[int, int]) -> CSR:
    """Return how many users two items share, where there is one [I, I]."""
    users, items = edges.cpu().numpy()
    ones = torch.ones(edges.size(1)).numpy()
    met = csr_matrix((ones, (users, items)), shape=size)
    counts = (met.T @ met).tocoo()
    row, col, value = (torch.from_numpy(part) for part in (counts.row, counts.col, counts.data))
    device = edges.device
    return CSR.from_edges(row.to(device), col.to(device), (size[1], size[1]), value.to(device))


def _nearest(shared: CSR, popularity: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the items of highest cosine to each, and whether they share a user [I, count]."""
    length = popularity.clamp(min=1).rsqrt()
    near, met = [], []
    for start in range(0, popularity.numel(), _BLOCK):
        stop = min(start + _BLOCK, popularity.numel())
        rows = rows_of(shared, start, stop)
        columns = rows.indices.long()
        place = rows.row.long()
        cosine = length.new_zeros(stop - start, popularity.numel())
        if rows.value is not None:
            cosine[place, columns] = rows.value * length[start:stop][place] * length[columns]
        own = torch.arange(stop - start, device=cosine.device)
        cosine[own, own + start] = 0.0
        best, ids = cosine.topk(count, dim=1)
        near.append(ids)
        met.append(best > 0)
    return torch.cat(near), torch.cat(met)


def _solve(shared: _Counts, near: Tensor, met: Tensor, start: int, ridge: float) -> Tensor:
    """Return the weights [B, k] of the neighbours of consecutive items."""
    both = met[:, :, None] & met[:, None, :]
    system = shared.at(near[:, :, None], near[:, None, :]) * both
    system.diagonal(dim1=1, dim2=2).add_(ridge)
    target = torch.arange(start, start + near.size(0), device=near.device)[:, None]
    right = shared.at(near, target) * met
    factor = torch.linalg.cholesky(system)
    return torch.cholesky_solve(right[:, :, None], factor).squeeze(2)
