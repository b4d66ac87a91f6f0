"""The score-function estimator with the mean loss as its baseline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphcond.masks.estimators.base import TotalScore


@dataclass(frozen=True)
class MeanBaseline(TotalScore):
    r"""The policy gradient with the mean of all K losses subtracted.

    .. math:: g = \frac{1}{K} \sum_k (L_k - \bar L) \nabla_S \ln p(M_k \mid S)

    Biased by the factor 1 - 1 / K (the baseline holds the mask's own loss): :class:`LeaveOneOut`
    times that factor.

    Args:
        samples: K >= 2.

    Source:
        Ours, between DConRec's Eq. 17 and :class:`LeaveOneOut`.
    """

    @staticmethod
    def advantage(losses: Tensor) -> Tensor:
        """Return the losses less their mean."""
        return losses - losses.mean(0)
