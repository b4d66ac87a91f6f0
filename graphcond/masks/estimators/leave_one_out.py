"""The score-function estimator with a leave-one-out baseline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphcond.masks.estimators.base import TotalScore


@dataclass(frozen=True)
class LeaveOneOut(TotalScore):
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

    @staticmethod
    def advantage(losses: Tensor) -> Tensor:
        """Return each loss less the mean of the others."""
        return against_others(losses)


def against_others(losses: Tensor) -> Tensor:
    """Return each loss less the mean of the others.

    Args:
        losses: ``[K, G]``, K >= 2.

    Returns:
        ``[K, G]``.
    """
    samples = losses.size(0)
    return (losses - losses.mean(0)) * (samples / (samples - 1))
