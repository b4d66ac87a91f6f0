"""Distances between hypergradients, and between losses over a pool of hyperparameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphcond.errors import require


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return D_c = 1 - cos(a, b) row by row, the distance of HCDC.

    Args:
        a: ``[..., H]``.
        b: ``[..., H]``.

    Returns:
        ``[...]`` in [0, 2]; 1 where a row is zero.

    Source: hcdc, definition 2.

    Example:
        >>> a = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> b = torch.tensor([[2.0, 0.0], [-1.0, -1.0]])
        >>> cosine_distance(a, b).round()
        tensor([0., 2.])
    """
    return 1.0 - F.cosine_similarity(a, b, dim=-1)


def euclidean_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b| row by row; unlike the cosine it asks for equal lengths too.

    Args:
        a: ``[..., H]``.
        b: ``[..., H]``.

    Returns:
        ``[...]``, ≥ 0.
    """
    distance: Tensor = torch.linalg.vector_norm(a - b, dim=-1)
    return distance


def pearson_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - Pearson's correlation over a pool of hyperparameters.

    Args:
        a: Values at P hyperparameters, ``[..., P]``, for example log validation losses on the
            condensed graph.
        b: The same on the original graph, ``[..., P]``.

    Returns:
        ``[...]`` in [0, 2].

    Raises:
        InputError: If P < 2.
    """
    require(
        a.shape[-1] >= 2,
        f"This needs at least 2 hyperparameters in the pool, but found pool = {a.shape[-1]!r}. One"
        " value has no correlation.",
    )
    # Pearson's correlation is the cosine of what is left without the means.
    return 1.0 - F.cosine_similarity(
        a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True), dim=-1
    )
