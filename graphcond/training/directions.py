"""The leading right singular vectors of a sparse matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require_at_least
from graphcond.seeding import generator
from graphcond.sparse import CSR, spmm

_MORE = 16  # extra directions carried along, so that the last one asked for converges too


@torch.no_grad()
def leading_directions(
    matrix: CSR, rank: int, *, sweeps: int = 6, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return squared singular values and right singular vectors, the largest first.

    Args:
        matrix: A sparse matrix [m, n].
        rank: How many, at least 1; at most min(m, n) are.
        sweeps: Rounds of subspace iteration, at least 1.
        seed: Seed of the first subspace.

    Returns:
        Squares [r] and vectors [n, r].

    Raises:
        InputError: If ``rank`` or ``sweeps`` is not positive.

    Source: Halko et al., SIAM Review 2011, algorithm 4.4.
    """
    require_at_least(1, "It counts singular vectors.", rank=rank)
    require_at_least(1, "It counts the rounds that find them.", sweeps=sweeps)
    width = min(rank + _MORE, *matrix.size)
    start = torch.randn(matrix.size[1], width, generator=generator(seed, "subspace"))
    basis = torch.linalg.qr(start.to(matrix.indptr.device)).Q
    for _ in range(sweeps):
        image = torch.linalg.qr(spmm(matrix, basis)).Q
        basis = torch.linalg.qr(spmm(matrix.T, image)).Q
    image = spmm(matrix, basis)
    squares, vectors = torch.linalg.eigh(image.T @ image)
    order = torch.argsort(squares, descending=True)[: min(rank, width)]
    return squares[order].clamp(min=0), basis @ vectors[:, order]
