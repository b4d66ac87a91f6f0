"""Models and losses."""

from graphcond.nn.filters import PolynomialFilterNet, dense_operator, filter_features, filter_operator, polynomial, stored_bases
from graphcond.nn.linear_filters import RidgeFilters, RidgeScores, compose, ridge_filters
from graphcond.nn.losses import Triplets, bpr_gradient, bpr_loss
from graphcond.nn.recommender import MF, EmbeddingRecommender, LightGCN, RecommenderFactory
from graphcond.nn.zoo import WEIGHTED, GraphNet, Kind

__all__ = [
    "EmbeddingRecommender",
    "GraphNet",
    "Kind",
    "LightGCN",
    "MF",
    "PolynomialFilterNet",
    "RecommenderFactory",
    "RidgeFilters",
    "RidgeScores",
    "Triplets",
    "WEIGHTED",
    "bpr_gradient",
    "bpr_loss",
    "compose",
    "dense_operator",
    "filter_features",
    "filter_operator",
    "polynomial",
    "ridge_filters",
    "stored_bases",
]
