"""Models and losses."""

from graphcond.nn.adjacency import Adjacency, Bernoulli, Identity, Learned, PairMLP
from graphcond.nn.filters import (
    PolynomialFilterNet,
    dense_operator,
    filter_features,
    filter_operator,
    polynomial,
    stored_bases,
)
from graphcond.nn.linear_filters import RidgeFilters, RidgeScores, compose, ridge_filters
from graphcond.nn.losses import (
    CosineContrastive,
    SampledSoftmax,
    SharedNegatives,
    Triplets,
    bpr_gradient,
    bpr_loss,
    shared_gradient,
)
from graphcond.nn.operation_forest import ForestGraph, OperationForest, Tree
from graphcond.nn.operation_supernet import (
    OperationSupernet,
    soft_weights,
    straight_through,
    supernet_problem,
)
from graphcond.nn.operation_tree import OPERATIONS, Operation, OperationTree
from graphcond.nn.random_features import RandomFilters, random_filters
from graphcond.nn.recommender import MF, EmbeddingRecommender, LightGCN, RecommenderFactory
from graphcond.nn.supernet_head import SupernetHead
from graphcond.nn.synthetic import DiffusedBases, SyntheticGraph, synthetic_labels
from graphcond.nn.teacher import RidgeTeacher
from graphcond.nn.zoo import WEIGHTED, GraphNet, Kind

__all__ = [
    "Adjacency",
    "Bernoulli",
    "CosineContrastive",
    "DiffusedBases",
    "EmbeddingRecommender",
    "ForestGraph",
    "GraphNet",
    "Identity",
    "Kind",
    "Learned",
    "LightGCN",
    "MF",
    "OPERATIONS",
    "Operation",
    "OperationForest",
    "OperationSupernet",
    "OperationTree",
    "PairMLP",
    "PolynomialFilterNet",
    "RandomFilters",
    "RecommenderFactory",
    "RidgeFilters",
    "RidgeScores",
    "RidgeTeacher",
    "SampledSoftmax",
    "SharedNegatives",
    "SupernetHead",
    "SyntheticGraph",
    "Tree",
    "Triplets",
    "WEIGHTED",
    "bpr_gradient",
    "bpr_loss",
    "compose",
    "dense_operator",
    "filter_features",
    "filter_operator",
    "polynomial",
    "random_filters",
    "ridge_filters",
    "shared_gradient",
    "soft_weights",
    "stored_bases",
    "straight_through",
    "supernet_problem",
    "synthetic_labels",
]
