"""Search spaces: which hyperparameters may be tried."""

from graphcond.spaces.combined import Product
from graphcond.spaces.discrete import DiscreteSpace
from graphcond.spaces.filters import PolynomialFilters
from graphcond.spaces.graph_nas import GraphNAS, GraphNASChoice
from graphcond.spaces.models import ModelChoice, ModelChoices
from graphcond.spaces.nas_bench_graph import NasBenchGraph, TreeChoice
from graphcond.spaces.reading import space_from_json
from graphcond.spaces.recommenders import RecommenderChoice, Recommenders
from graphcond.spaces.space import SearchSpace
from graphcond.spaces.training import TrainingChoice, TrainingRanges

__all__ = [
    "DiscreteSpace",
    "GraphNAS",
    "GraphNASChoice",
    "ModelChoice",
    "ModelChoices",
    "NasBenchGraph",
    "PolynomialFilters",
    "Product",
    "RecommenderChoice",
    "Recommenders",
    "SearchSpace",
    "TrainingChoice",
    "TrainingRanges",
    "TreeChoice",
    "space_from_json",
]
