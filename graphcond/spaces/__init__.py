"""Search spaces: which hyperparameters may be tried."""

from graphcond.spaces.filters import PolynomialFilters
from graphcond.spaces.models import ModelChoice, ModelChoices

__all__ = ["ModelChoice", "ModelChoices", "PolynomialFilters"]
