"""The score-function estimator with a leave-one-out baseline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphcond.errors import require
from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.estimators.base import Estimate, Estimator, Objective, score_estimate


@dataclass(frozen=True)
class LeaveOneOut(Estimator[Objective]):
    r"""The policy gradient with the mean loss of the other masks subtracted.

    .. math:: g = \frac{1}{K} \sum_k \Big(L_k - \frac{1}{K - 1} \sum_{j \ne k} L_j\Big)
       \nabla_S \ln p(M_k \mid S)

    Unbiased for the gradient of the expected loss where 0 < s < 1; 0 for an edge at 0 or 1, which
    all masks agree on.

    Args:
        samples: K >= 2; the cosine of halves needs 4.

    Source:
        Kool, van Hoof and Welling, 2019; not in DConRec.
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
        return score_estimate(draws, losses, against_others, least=2)


def against_others(losses: Tensor) -> Tensor:
    """Return each loss less the mean of the others.

    Args:
        losses: ``[K, G]``, K >= 2.

    Returns:
        ``[K, G]``.
    """
    samples = losses.size(0)
    return (losses - losses.mean(0)) * (samples / (samples - 1))
