"""Searching a space on any graph, condensed or not, with Optuna: objectives, a study that resumes,
and promotion to the original.
"""

from graphcond.search.filters import FilterObjective
from graphcond.search.models import ModelObjective
from graphcond.search.study import Promotion, promote, search

__all__ = ["FilterObjective", "ModelObjective", "Promotion", "promote", "search"]
