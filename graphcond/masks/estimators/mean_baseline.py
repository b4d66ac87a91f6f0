"""The score-function estimator with the mean loss as its baseline."""

from __future__ import annotations

from dataclasses import dataclass

from graphcond.errors import require
from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.estimators.base import Estimate, Estimator, Objective, score_estimate


@dataclass(frozen=True)
class MeanBaseline(Estimator[Objective]):
    r"""The policy gradient with the mean of all K losses subtracted.

    .. math:: g = \frac{1}{K} \sum_k (L_k - \bar L) \nabla_S \ln p(M_k \mid S)

    Biased by the factor 1 - 1 / K (the baseline holds the mask's own loss): :class:`LeaveOneOut`
    times that factor.

    Args:
        samples: K >= 2.

    Source:
        Ours, between DConRec's Eq. 17 and :class:`LeaveOneOut`.
    """

    samples: int = 4

    def __post_init__(self) -> None:
        require(
            self.samples >= 2,
            f"`samples` must be at least 2, but it is {self.samples!r}. A baseline needs a second"
            " mask.",
        )

    def __call__(self, objective: Objective, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``; see :class:`Estimator`."""
        draws = mask.draws(self.samples, seed=seed)
        losses = objective(draws).sum(-1, keepdim=True)
        return score_estimate(draws, losses, lambda part: part - part.mean(0), least=2)
