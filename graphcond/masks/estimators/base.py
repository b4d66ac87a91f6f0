"""What an estimator takes and returns, and the one pass over edges that all score-function
estimators share.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from graphcond.errors import NumericalError, require, require_at_least
from graphcond.masks.bernoulli import CLAMP, BernoulliMask, Draws


class Objective(Protocol):
    """Losses of masks; the model, its inner training and its outer loss live behind it."""

    def __call__(self, masks: Sequence[Tensor]) -> Tensor:
        """Return the losses ``[K, G]`` of K masks ``[P]``; the loss of a mask is the sum over its G
        groups.
        """
        ...


class GroupedObjective(Objective, Protocol):
    """An objective that knows whose loss an edge is credited with."""

    @property
    def group(self) -> Tensor:
        """Return the group of each edge ``[P]``, int64 in [0, G)."""
        ...


class RelaxedObjective(Protocol):
    """An objective that can be differentiated in the mask."""

    def relaxed(self, weight: Tensor, *, seed: int) -> Tensor:
        """Return the loss, a scalar, of fractional masks ``[P]``, differentiable in them; ``seed``
        draws what is random inside.
        """
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate of the gradient of the expected loss in S.

    Attributes:
        grad: ``[P]``.
        value: The expected loss, estimated by the mean over samples.
        variance: Estimate of the total variance, the expected squared distance from the mean; NaN
            with one sample.
        cosine: Cosine of the gradients of two independent halves of the samples: the
            signal-to-noise to look at. Without signal it is of the order 1 / sqrt(P); NaN where the
            halves are too small.
    """

    grad: Tensor
    value: float
    variance: float
    cosine: float


Goal = TypeVar("Goal", contravariant=True)
"""What an estimator asks of its objective."""


class Estimator(ABC, Generic[Goal]):
    """Base of the estimators: K masks in, one :class:`Estimate` out.

    Attributes:
        samples: K, masks per estimate.
    """

    samples: int

    @abstractmethod
    def __call__(self, objective: Goal, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``.

        Args:
            objective: The loss; for :class:`PerUser` and :class:`OneStep` one that can more.
            mask: The distribution over the P edges.
            seed: The same seed gives the same estimate.

        Returns:
            The estimate.

        Raises:
            NumericalError: If a loss is NaN or infinite.
        """


@dataclass(frozen=True)
class ScoreFunction(Estimator[Goal]):
    """Base of the score-function estimators, which differ in what a loss is compared with.

    Attributes:
        samples: K, masks per estimate.
        least: Smallest number of losses that :meth:`advantage` works with.
    """

    samples: int = 4
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        hint = "It is the number of masks per step; a baseline needs a second one."
        require_at_least(self.least, hint, samples=self.samples)

    @staticmethod
    @abstractmethod
    def advantage(losses: Tensor) -> Tensor:
        """Return losses less their baseline, both ``[k, G]``."""


@dataclass(frozen=True)
class TotalScore(ScoreFunction[Objective]):
    """Base of those that credit every edge with the loss of all groups."""

    def __call__(self, objective: Objective, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``; see :class:`Estimator`."""
        draws = mask.draws(self.samples, seed=seed)
        losses = objective(draws).sum(-1, keepdim=True)
        return score_estimate(draws, losses, self.advantage, least=self.least)


def weighted_scores(draws: Draws, weights: Tensor, group: Tensor | None = None) -> Tensor:
    r"""Return sums over samples of weighted scores, without keeping a mask.

    .. math:: \sum_k w_{rk} \nabla_{s_p} \ln p(M_k)
       = \frac{\sum_k w_{rk} m_{kp} - s_p \sum_k w_{rk}}{s_p (1 - s_p)}

    Args:
        draws: K masks over P edges.
        weights: ``[R, K]``; ``[G, R, K]`` where a weight depends on the edge's group.
        group: Group of each edge ``[P]``.

    Returns:
        ``[R, P]``.
    """
    probs = draws.mask.probs.detach()
    weights = weights.to(probs)
    out = probs.new_empty(weights.size(-2), probs.numel())
    for edges, masks in draws.blocks():
        # The formula's fraction with the denominator of all samples taken out of the sum.
        safe = probs[edges].clamp(CLAMP, 1 - CLAMP)
        if group is None:
            total = torch.mm(weights, masks).addcmul_(weights.sum(-1, keepdim=True), safe, value=-1)
        else:
            own = weights.index_select(0, group[edges])
            total = torch.einsum("prk,kp->rp", own, masks).sub_(own.sum(-1).t() * safe)
        torch.div(total, safe.mul_(1 - safe), out=out[:, edges])
    return out


def score_estimate(
    draws: Draws,
    losses: Tensor,
    advantage: Callable[[Tensor], Tensor],
    *,
    least: int,
    group: Tensor | None = None,
) -> Estimate:
    """Return the score-function estimate, with its variance and cosine from two halves that share
    no mask.

    Args:
        draws: K masks.
        losses: Losses ``[K, G]``, G = 1 without groups.
        advantage: Maps losses ``[k, G]`` to advantages ``[k, G]``; applied to all masks for the
            gradient, to each half for its noise.
        least: Smallest k that ``advantage`` works with.
        group: Group of each edge ``[P]``.

    Returns:
        The estimate.

    Raises:
        NumericalError: If a loss is NaN or infinite.
    """
    finite = bool(torch.isfinite(losses).all())
    require(
        finite,
        f"This needs finite losses of all masks, but found losses = {losses.sum(-1).tolist()!r}."
        " Lower the learning rate of the inner training.",
        error=NumericalError,
    )
    # Two halves that share no mask are two estimates, whose difference tells the variance. All
    # three sums are made in one pass over the masks.
    samples = len(draws)
    half = len(draws) // 2
    rows = [advantage(losses) / samples]
    if half >= least:
        rows += [
            _place(advantage(losses[:half]) / half, 0, samples),
            _place(advantage(losses[half:]) / (samples - half), half, samples),
        ]
    weights = torch.stack(rows)
    if group is None:
        weights = weights[..., 0]
    else:
        weights = weights.permute(2, 0, 1).contiguous()
    grads = weighted_scores(draws, weights, group)
    variance = cosine = math.nan
    if len(rows) == 3:
        variance, cosine = halves(grads[1], grads[2], (half, samples - half))
    return Estimate(grads[0], float(losses.sum(-1).mean()), variance, cosine)


def halves(first: Tensor, second: Tensor, sizes: tuple[int, int] = (1, 1)) -> tuple[float, float]:
    """Return the variance of the mean over all samples of two independent halves, and the halves'
    cosine (0 where one is zero).

    Args:
        first: Mean over the first half [P].
        second: Mean over the second half [P].
        sizes: Samples in either half, a and b: E|first - second|² = v / a + v / b, and the mean of
            all has variance v / (a + b).
    """
    norms = float(first.norm()) * float(second.norm())
    cosine = 0.0
    if norms > 0:
        cosine = float(torch.dot(first, second)) / norms
    share = sizes[0] * sizes[1] / sum(sizes) ** 2
    return float((first - second).square_().sum()) * share, cosine


def _place(part: Tensor, start: int, samples: int) -> Tensor:
    whole = part.new_zeros(samples, part.size(1))
    whole[start : start + part.size(0)] = part
    return whole
