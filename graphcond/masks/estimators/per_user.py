"""The score-function estimator that credits an edge with its own user's loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.estimators.base import (
    Estimate,
    GroupedObjective,
    ScoreFunction,
    score_estimate,
)
from graphcond.masks.estimators.leave_one_out import against_others


@dataclass(frozen=True)
class PerUser(ScoreFunction[GroupedObjective]):
    r"""The policy gradient with one leave-one-out loss per user.

    .. math:: g_p = \frac{1}{K} \sum_k
       \Big(L_{k,u(p)} - \frac{1}{K - 1} \sum_{j \ne k} L_{j,u(p)}\Big)
       \nabla_{s_p} \ln p(M_k \mid S)

    Unbiased (where 0 < s < 1) for the gradient of the expected loss of the edge's own user; biased
    for that of the total, because what an edge does to other users through its item is left out. In
    return the noise of all other users is gone.

    Args:
        samples: K >= 2; the cosine of halves needs 4.

    Source:
        Ours. It fits the users it is shown, so the outer loss needs interactions that early
        stopping does not use.
    """

    @staticmethod
    def advantage(losses: Tensor) -> Tensor:
        """Return each loss less the mean of the others."""
        return against_others(losses)

    def __call__(self, objective: GroupedObjective, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``; see :class:`Estimator`."""
        draws = mask.draws(self.samples, seed=seed)
        return score_estimate(
            draws, objective(draws), self.advantage, least=self.least, group=objective.group
        )
