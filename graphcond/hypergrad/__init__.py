"""Gradients of a validation loss with respect to hyperparameters, through the training that they
steer.
"""

from graphcond.hypergrad.closed_form import ClosedForm
from graphcond.hypergrad.distance import cosine_distance, euclidean_distance, pearson_distance
from graphcond.hypergrad.implicit import Implicit
from graphcond.hypergrad.problem import BilevelProblem, Hypergradient
from graphcond.hypergrad.sensitivity import Sensitivity, sensitivity
from graphcond.hypergrad.unrolled import Unrolled

__all__ = [
    "BilevelProblem",
    "ClosedForm",
    "Hypergradient",
    "Implicit",
    "Sensitivity",
    "Unrolled",
    "cosine_distance",
    "euclidean_distance",
    "pearson_distance",
    "sensitivity",
]
