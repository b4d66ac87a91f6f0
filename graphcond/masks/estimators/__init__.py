"""Estimators of the gradient of an expected loss in the mask's probabilities, one a file."""

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

__all__ = [
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
]
