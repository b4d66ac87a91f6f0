"""Pairwise ranking losses by index, for one factor model or K at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphcond.errors import require
from graphcond.sparse.csr import CSR
from graphcond.sparse.sddmm import sddmm


def bpr_losses(
    user_table: Tensor,
    item_table: Tensor,
    triples: tuple[Tensor, Tensor, Tensor],
    deterministic: bool = True,
) -> Tensor:
    r"""Return :math:`-\ln\sigma(\langle u_b, i_b\rangle - \langle u_b, j_b\rangle)` for each triple
    (user, kept item, other item).

    The deterministic way lays the triples out as one sparse matrix with 2B entries: scores are
    inner products at its places, and the gradients of both tables two products with it, summed in
    fixed order, with no ``[B, d]`` copy of any row. The other way gathers rows and scatters
    gradients, by atomic additions on CUDA. Both are differentiable to any order.

    Args:
        user_table: ``[U, d]``; for K models their tables below one another, ``[K * U, d]``.
        item_table: ``[I, d]`` or ``[K * I, d]``.
        triples: Users, positives, negatives ``[B]`` each, ids into the tables; a block-diagonal
            matrix of :func:`~graphcond.sparse.sample_compact` has them offset by model already:
            ``kept.row[e], kept.indices[e]``.
        deterministic: Whether gradients are the same bit for bit on every run.

    Returns:
        ``[B]``; take means or sums a model as the training asks.

    Raises:
        InputError: If shapes do not match.

    Source: Rendle et al. 2009 (BPR-OPT), without the prior's term: weight decay is the optimiser's.

    Example:
        >>> one = torch.ones(1, 2)
        >>> bpr_losses(one, torch.eye(2), (torch.tensor([0]), torch.tensor([0]), torch.tensor([1])))
        tensor([0.6931])
    """
    users, positives, negatives = triples
    require(
        users.dim() == 1 and users.shape == positives.shape == negatives.shape,
        "This needs users, positives and negatives of one shape [B], but found users ="
        f" {tuple(users.shape)!r}, positives = {tuple(positives.shape)!r}, negatives ="
        f" {tuple(negatives.shape)!r}. Flatten the batch; ids of K models are offset by model.",
    )
    if not deterministic:
        rows = user_table.index_select(0, users)
        gap = item_table.index_select(0, positives) - item_table.index_select(0, negatives)
        return -logsigmoid((rows * gap).sum(1))
    places = CSR.from_edges(
        torch.cat([users, users]),
        torch.cat([positives, negatives]).to(users.dtype),
        (user_table.size(0), item_table.size(0)),
    )
    scores = torch.empty_like(places.perm).scatter_(
        0, places.perm, torch.arange(places.nnz, device=places.device)
    )
    better, worse = sddmm(places, user_table, item_table).index_select(0, scores).chunk(2)
    return -logsigmoid(better - worse)
