"""Dense references: each operation of the library in a few lines on full matrices, in double
precision, for tests at small sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def adjacency(edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None) -> Tensor:
    """Return A [n, n] with A[target, source] = sum of the weights, as PyG passes messages.

    Args:
        edge_index: Sources in row 0, targets in row 1 [2, m].
        num_nodes: Number of nodes n.
        edge_weight: Weights [m], 1 if None.
    """
    weight = torch.ones(edge_index.size(1)) if edge_weight is None else edge_weight
    matrix = torch.zeros(num_nodes, num_nodes, dtype=torch.double)
    return matrix.index_put((edge_index[1], edge_index[0]), weight.double(), accumulate=True)


def gcn_norm(matrix: Tensor, self_loops: bool = True) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2 with row sums D; rows of degree 0 stay 0.

    Args:
        matrix: A [n, n].
        self_loops: Whether I is added; where A has a self-loop already, that one is kept and none
            is added, as in PyG.
    """
    if self_loops:
        matrix = matrix + torch.diag((matrix.diagonal() == 0).to(matrix.dtype))
    scale = _power(matrix.sum(1), -0.5)
    return scale[:, None] * matrix * scale[None, :]


def scaled_laplacian(matrix: Tensor, lambda_max: float = 2.0) -> Tensor:
    """Return 2 L / λmax - I with L = I - D^-1/2 A D^-1/2.

    Args:
        matrix: A [n, n].
        lambda_max: λmax.
    """
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return 2 * (identity - gcn_norm(matrix, self_loops=False)) / lambda_max - identity


def chebyshev(operator: Tensor, x: Tensor, order: int) -> list[Tensor]:
    """Return T_0(L) x, ..., T_order(L) x from the eigenvalues: T_k(cos t) = cos(k t).

    Args:
        operator: Symmetric L [n, n] with eigenvalues in [-1, 1].
        x: Features [n, d].
        order: The largest k.
    """
    value, vector = torch.linalg.eigh(operator)
    angle = torch.arccos(value.clamp(-1, 1))
    return [vector @ (torch.cos(k * angle)[:, None] * (vector.t() @ x)) for k in range(order + 1)]


def bipartite(pairs: Tensor, num_users: int, num_items: int) -> Tensor:
    """Return the interaction matrix R [U, I].

    Args:
        pairs: Users in row 0, items in row 1 [2, E].
        num_users: U.
        num_items: I.
    """
    matrix = torch.zeros(num_users, num_items, dtype=torch.double)
    matrix[pairs[0], pairs[1]] = 1
    return matrix


def lightgcn(pairs: Tensor, users: Tensor, items: Tensor, num_layers: int) -> tuple[Tensor, Tensor]:
    """Return LightGCN's user and item embeddings: the mean over layers 0..K of powers of the
    normalised bipartite matrix.

    Args:
        pairs: Interactions [2, E].
        users: Embeddings [U, d].
        items: Embeddings [I, d].
        num_layers: K.
    """
    matrix = bipartite(pairs, len(users), len(items))
    norm = _power(matrix.sum(1), -0.5)[:, None] * matrix * _power(matrix.sum(0), -0.5)[None, :]
    layers = [(users.double(), items.double())]
    for _ in range(num_layers):
        layers.append((norm @ layers[-1][1], norm.t() @ layers[-1][0]))
    return torch.stack([u for u, _ in layers]).mean(0), torch.stack([i for _, i in layers]).mean(0)


def ranking(scores: Tensor, train: Tensor, relevant: Tensor, k: int) -> tuple[float, float]:
    """Return Recall@k and NDCG@k by sorting all scores, as means over users with relevant items.

    Args:
        scores: Every user's score of every item [U, I].
        train: Interactions left out of the ranking [2, E].
        relevant: Held-out interactions [2, T].
        k: Length of the list.
    """
    scores = scores.double().clone()
    scores[train[0], train[1]] = -torch.inf
    recalls = []
    gains = []
    for user in relevant[0].unique().tolist():
        wanted = set(relevant[1][relevant[0] == user].tolist())
        best = scores[user].argsort(descending=True, stable=True)[:k].tolist()
        hits = torch.tensor(
            [float(item in wanted and bool(torch.isfinite(scores[user, item]))) for item in best],
            dtype=torch.double,
        )
        discount = 1 / torch.log2(torch.arange(2, len(best) + 2, dtype=torch.double))
        recalls.append(float(hits.sum()) / len(wanted))
        gains.append(float((hits * discount).sum() / discount[: min(len(wanted), k)].sum()))
    return sum(recalls) / len(recalls), sum(gains) / len(gains)


def all_masks(size: int) -> Tensor:
    """Return every mask of ``size`` entries [2^size, size], for expectations by enumeration.

    Args:
        size: At most 20.

    Example:
        >>> all_masks(2).tolist()
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    return (torch.arange(2**size)[:, None] >> torch.arange(size) & 1).double()


def _power(degree: Tensor, exponent: float) -> Tensor:
    return torch.where(degree > 0, degree.clamp(min=1e-300) ** exponent, 0.0)
