"""Learnable Bernoulli masks: the distribution, its feasible set, exact-size draws, gradient
estimators.
"""

from graphcond.masks.bernoulli import BernoulliMask, Draws
from graphcond.masks.draw import (
    BernoulliDraw,
    ConditionalPoissonDraw,
    Draw,
    SystematicDraw,
    bernoulli,
    conditional_poisson,
    inclusion,
    systematic,
)
from graphcond.masks.estimators.base import (
    Estimate,
    Estimator,
    GroupedObjective,
    Objective,
    RelaxedObjective,
)
from graphcond.masks.estimators.leave_one_out import LeaveOneOut
from graphcond.masks.estimators.mean_baseline import MeanBaseline
from graphcond.masks.estimators.one_step import OneStep
from graphcond.masks.estimators.per_user import PerUser
from graphcond.masks.estimators.reinforce import Reinforce
from graphcond.masks.projection import CappedSimplex

__all__ = [
    "BernoulliDraw",
    "BernoulliMask",
    "CappedSimplex",
    "ConditionalPoissonDraw",
    "Draw",
    "Draws",
    "Estimate",
    "Estimator",
    "GroupedObjective",
    "LeaveOneOut",
    "MeanBaseline",
    "Objective",
    "OneStep",
    "PerUser",
    "Reinforce",
    "RelaxedObjective",
    "SystematicDraw",
    "bernoulli",
    "conditional_poisson",
    "inclusion",
    "systematic",
]
