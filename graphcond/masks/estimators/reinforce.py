"""The plain score-function estimator."""

from __future__ import annotations

from dataclasses import dataclass

from graphcond.errors import require
from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.estimators.base import Estimate, Estimator, Objective, score_estimate


@dataclass(frozen=True)
class Reinforce(Estimator[Objective]):
    r"""The policy gradient as published.

    .. math:: g = \frac{1}{K} \sum_k L(M_k) \nabla_S \ln p(M_k \mid S)

    Unbiased for the gradient of the expected loss where 0 < s < 1; an edge at 0 or 1 is never seen
    otherwise, so its entry is not an estimate. The variance grows with the square of the loss, not
    of its spread.

    Args:
        samples: K >= 1.

    Source:
        DConRec, Eq. 15-17 (K = 1 there).
    """

    samples: int = 1

    def __post_init__(self) -> None:
        require(
            self.samples >= 1,
            f"`samples` must be at least 1, but it is {self.samples!r}. It is the number of masks"
            " per step.",
        )

    def __call__(self, objective: Objective, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``; see :class:`Estimator`."""
        draws = mask.draws(self.samples, seed=seed)
        losses = objective(draws).sum(-1, keepdim=True)
        return score_estimate(draws, losses, lambda part: part, least=1)
