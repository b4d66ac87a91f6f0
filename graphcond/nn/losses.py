"""Losses of recommenders: Bayesian personalised ranking (BPR) with its gradient written out for
large tables, and two losses against many shared negatives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from graphcond.errors import require, require_at_least, require_positive


class Triplets(NamedTuple):
    """A batch of BPR triplets: a user, an item it took, an item it did not take.

    Attributes:
        users: Rows of the user table [B], int64.
        positives: Rows of the item table [B], int64.
        negatives: Rows of the item table, int64: one for each triplet [B], or, for a
            :class:`SharedNegatives` loss, some that all users of the batch share [N].
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
        c = c * batch.weight
        losses = losses * batch.weight
    # In place from here on: the gathered rows are buffers that nobody else holds.
    gap.mul_(c[:, None])
    if dropout is not None:
        gap.mul_(dropout)
    into[0].index_add_(0, batch.users, gap)
    torch.mul(p, c[:, None], out=gap)
    into[1].index_add_(0, batch.positives, gap)
    into[1].index_add_(0, batch.negatives, gap, alpha=-1)
    return losses.sum(), c


@dataclass(frozen=True)
class SharedNegatives(ABC):
    """A loss that sets each positive against many negatives that the whole batch shares.

    All scores against the shared negatives are one dense product. So a thousand negatives cost
    about as much as the gathers and scatters of one. Scores are cosines, as both papers have it, or
    inner products, which let popular items have long embeddings.
    A shared negative may be an item that a user took: with uniform draws that is as rare as the
    data are sparse, and the softmax of the full catalogue holds those items too.

    Args:
        negatives: Items N that are drawn uniformly for each batch, at least 1.
        cosine: Whether scores are cosines; otherwise they are inner products.
    """

    negatives: int = 1024
    cosine: bool = True

    def __post_init__(self) -> None:
        require_at_least(1, "It is the number of items a batch shares.", negatives=self.negatives)

    @abstractmethod
    def losses(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the loss of each interaction [B].

        Args:
            positive: Scores of users and the items they took [B].
            negative: Scores of users and the shared negatives [B, N].
        """

    def scored(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tables whose inner products are ranked; for cosines those of length one."""
        if not self.cosine:
            return users, items
        return normalize(users, dim=1), normalize(items, dim=1)


@final
@dataclass(frozen=True)
class SampledSoftmax(SharedNegatives):
    r"""Softmax cross-entropy of the positive among the shared negatives.

    .. math:: -\ln \frac{e^{s^+ / \tau}}{e^{s^+ / \tau} + \sum_j e^{s_j / \tau}}

    Args:
        negatives: Items N that are drawn uniformly for each batch, at least 1.
        cosine: Whether scores are cosines; otherwise they are inner products.
        temperature: τ > 0; the lower, the more the hardest negatives count. 1 suits inner products.

    Source: Wu et al., "On the effectiveness of sampled softmax loss for item recommendation", TOIS
        2024, equation 4, with uniform negatives in place of those in the batch.

    Example:
        >>> SampledSoftmax(temperature=1.0).losses(torch.zeros(1), torch.zeros(1, 1)).item()  # ln 2
        0.693147...
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("0.1 is usual.", temperature=self.temperature)

    def losses(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the cross-entropies [B]."""
        logits = torch.cat([positive[:, None], negative], dim=1) / self.temperature
        return torch.logsumexp(logits, dim=1) - logits[:, 0]


@final
@dataclass(frozen=True)
class CosineContrastive(SharedNegatives):
    r"""Pull the positive to cosine one, push each negative below a margin.

    .. math:: (1 - s^+) + \frac{w}{N} \sum_j \max(0, s_j - m)

    Args:
        negatives: Items N that are drawn uniformly for each batch, at least 1.
        cosine: Whether scores are cosines, as the paper has it.
        margin: m in [-1, 1); negatives below it cost nothing.
        weight: w > 0.

    Source: Mao et al., CIKM 2021 (SimpleX), equation 1.
    """

    margin: float = 0.6
    weight: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            -1 <= self.margin < 1,
            f"`margin` must be in [-1, 1), but it is {self.margin!r}. 0.6 is usual.",
        )
        require_positive("100 is usual.", weight=self.weight)

    def losses(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the sums of both parts [B]."""
        return (1 - positive) + self.weight * (negative - self.margin).relu().mean(dim=1)


def shared_gradient(
    loss: SharedNegatives,
    tables: tuple[Tensor, Tensor],
    batch: Triplets,
    into: tuple[Tensor, Tensor],
) -> Tensor:
    """Add the gradient of the mean loss of a batch to two buffers.

    Only the rows that the batch meets are differentiated, so that no table is copied.

    Args:
        loss: The loss.
        tables: User and item embeddings [U, d] and [I, d].
        batch: Users and positives [B], shared negatives [N].
        into: Buffers of the tables' shapes; the gradient is added.

    Returns:
        The summed (not mean) loss, a scalar.
    """
    # The three kinds of rows of a batch, and which table each is of.
    places = (batch.users, batch.positives, batch.negatives)
    owners = (0, 1, 1)
    with torch.enable_grad():
        rows = [
            tables[owner].detach().index_select(0, place).requires_grad_()
            for owner, place in zip(owners, places)
        ]
        users, positives, negatives = (
            normalize(row, dim=1) if loss.cosine else row for row in rows
        )
        losses = loss.losses((users * positives).sum(dim=1), users @ negatives.T)
        if batch.weight is not None:
            losses = losses * batch.weight
        gradients = torch.autograd.grad(losses.mean(), rows)
    for owner, place, gradient in zip(owners, places, gradients):
        into[owner].index_add_(0, place, gradient)
    return losses.detach().sum()


def relative_square(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return ‖ours - theirs‖² / ‖theirs‖² by row [K]; 0 where ``theirs`` is zero, as for a class of
    which a batch has no node.
    """
    size = theirs.square().sum(1)
    return torch.where(
        size > 0, (ours - theirs).square().sum(1) / torch.where(size > 0, size, 1.0), 0.0
    )
