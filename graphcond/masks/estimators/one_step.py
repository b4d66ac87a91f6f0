"""The analytic gradient through relaxed masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from graphcond.errors import NumericalError, require, require_at_least, require_one_of
from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.estimators.base import Estimate, Estimator, RelaxedObjective, halves
from graphcond.seeding import derive


@dataclass(frozen=True)
class OneStep(Estimator[RelaxedObjective]):
    r"""The gradient of the loss after the inner update, differentiated through masks that are let
    be fractional.

    .. math:: g = \frac{1}{K} \sum_k \nabla_m
       L\big(\theta_0 - \nabla_\theta \hat L(\theta_0; m)\big) \Big|_{m = S \text{ or } m = M_k}

    Exact (``at="mean"``) or unbiased (``at="sample"``) for losses that are affine in every mask
    entry on its own; otherwise biased by the curvature of the loss in the mask. There is no score
    in it, so its noise does not grow with P.

    Args:
        samples: K >= 1, here the number of independent inner runs (negatives, initialisation); 2 or
            more give a variance.
        at: Differentiate at the mean mask S or at sampled masks.

    Source:
        Ours: DConRec's one-step inner update (Section 3.4.2) with the implicit derivative of Eq. 14
            instead of Eq. 17.
    """

    samples: int = 2
    at: Literal["mean", "sample"] = "mean"

    def __post_init__(self) -> None:
        require_at_least(1, "It is the number of inner runs per step.", samples=self.samples)
        require_one_of(("mean", "sample"), "It says where the loss is differentiated.", at=self.at)

    def __call__(self, objective: RelaxedObjective, mask: BernoulliMask, *, seed: int) -> Estimate:
        """Estimate the gradient at ``mask.probs``; see :class:`Estimator`."""
        draws = mask.draws(self.samples, seed=seed)
        split = self.samples // 2
        parts = [torch.zeros_like(mask.probs), torch.zeros_like(mask.probs)]
        values = []
        for k in range(self.samples):
            if self.at == "mean":
                point = mask.probs.detach()
            else:
                point = draws[k].to(mask.probs)
            value, grad = _differentiate(objective, point, derive(seed, "one-step", k))
            parts[k >= split].add_(grad)
            values.append(value)
        rest = self.samples - split
        variance = cosine = math.nan
        if split:
            variance, cosine = halves(parts[0] / split, parts[1] / rest, (split, rest))
        return Estimate(
            (parts[0] + parts[1]) / self.samples, sum(values) / self.samples, variance, cosine
        )


def _differentiate(objective: RelaxedObjective, point: Tensor, seed: int) -> tuple[float, Tensor]:
    weight = point.clone().requires_grad_()
    with torch.enable_grad():
        loss = objective.relaxed(weight, seed=seed)
        (grad,) = torch.autograd.grad(loss, weight)
    require(
        math.isfinite(float(loss.detach())),
        f"This needs a finite relaxed loss, but found loss = {float(loss.detach())!r}. Lower the"
        " learning rate of the inner training.",
        error=NumericalError,
    )
    return float(loss.detach()), grad
