"""The plain score-function estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from graphcond.masks.estimators.base import TotalScore


@dataclass(frozen=True)
class Reinforce(TotalScore):
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
    least: ClassVar[int] = 1

    @staticmethod
    def advantage(losses: Tensor) -> Tensor:
        """Return the losses as they are."""
        return losses
