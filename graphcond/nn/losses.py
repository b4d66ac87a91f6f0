"""Bayesian personalised ranking (BPR): the loss, and its gradient written out for large tables."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Triplets(NamedTuple):
    """A batch of BPR triplets: a user, an item it took, an item it did not take.

    Attributes:
        users: Rows of the user table [B], int64.
        positives: Rows of the item table [B], int64.
        negatives: Rows of the item table [B], int64.
        weight: Weight of each triplet [B], or None for 1.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    weight: Tensor | None = None


def bpr_loss(positive: Tensor, negative: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Return the mean BPR loss of pairs of scores, differentiable to any order.

    .. math:: L = \frac{1}{B} \sum_b -w_b \ln \sigma(s^+_b - s^-_b)

    Args:
        positive: Scores of items that were taken [B].
        negative: Scores of items that were not [B].
        weight: Weights [B]; None means 1.

    Returns:
        A scalar.

    Source: Rendle et al., UAI 2009; DConRec Eq. 2.

    Example:
        >>> bpr_loss(torch.zeros(3), torch.zeros(3)).item()  # ln 2
        0.693147...
    """
    losses = softplus(negative - positive)
    return (losses if weight is None else losses * weight).mean()


def bpr_gradient(
    tables: tuple[Tensor, Tensor],
    batch: Triplets,
    into: tuple[Tensor, Tensor],
    *,
    dropout: Tensor | None = None,
    bias_gap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Add the gradient of the mean BPR loss to two buffers, without an autograd graph.

    With :math:`c_b = -w_b \sigma(s^-_b - s^+_b) / B`, row :math:`u` gains
    :math:`c (q_i - q_j)`, row :math:`i` gains :math:`c\,p_u` and row :math:`j` loses it.
    Autograd's gathers would make three tables a batch; this makes none.

    Args:
        tables: User and item embeddings [U, d] and [I, d].
        batch: Triplets.
        into: Buffers of the same shapes; the gradient is added.
        bias_gap: What biases add to the score differences [B].
        dropout: Factors [B, d] for the users' rows (0, or 1 / (1 - p)); dropping a coordinate of
            :math:`p_u` drops it from both scores.

    Returns:
        The summed (not mean) loss, a scalar, and :math:`c` [B], the gradient of the mean loss to
        the score difference.
    """
    users, items = tables
    p = users.index_select(0, batch.users)
    if dropout is not None:
        p = p * dropout
    gap = items.index_select(0, batch.positives).sub_(items.index_select(0, batch.negatives))
    margin = (p * gap).sum(dim=1)
    if bias_gap is not None:
        margin += bias_gap
    return _scatter(margin, p, gap, batch, into, dropout)


def _scatter(
    margin: Tensor,
    p: Tensor,
    gap: Tensor,
    batch: Triplets,
    into: tuple[Tensor, Tensor],
    dropout: Tensor | None,
) -> tuple[Tensor, Tensor]:
    c = torch.sigmoid(-margin).mul_(-1.0 / margin.numel())
    losses = softplus(-margin)
    if batch.weight is not None:
        c, losses = c * batch.weight, losses * batch.weight
    gap.mul_(c[:, None])
    if dropout is not None:
        gap.mul_(dropout)
    into[0].index_add_(0, batch.users, gap)
    torch.mul(p, c[:, None], out=gap)
    into[1].index_add_(0, batch.positives, gap)
    into[1].index_add_(0, batch.negatives, gap, alpha=-1)
    return losses.sum(), c
