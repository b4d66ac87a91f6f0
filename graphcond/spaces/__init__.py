"""Search spaces: which hyperparameters may be tried."""

from graphcond.spaces.filters import PolynomialFilters

__all__ = ["PolynomialFilters"]
