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
from graphcond.masks.estimators import (
    Estimate,
    Estimator,
    GroupedObjective,
    LeaveOneOut,
    MeanBaseline,
    Objective,
    OneStep,
    PerUser,
    Reinforce,
    RelaxedObjective,
)
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
