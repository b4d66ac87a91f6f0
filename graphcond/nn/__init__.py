"""Models and losses."""

from graphcond.nn.filters import PolynomialFilterNet, dense_operator, filter_features, filter_operator, polynomial, stored_bases

__all__ = [
    "PolynomialFilterNet",
    "dense_operator",
    "filter_features",
    "filter_operator",
    "polynomial",
    "stored_bases",
]
