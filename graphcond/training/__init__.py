"""The training loop, early stopping and negative sampling."""

from graphcond.training.classifiers import ClassifierTraining, infer, predict, train_classifier
from graphcond.training.ease import DenseItemWeights, fit_ease
from graphcond.training.fit import Fitted, Program, fit
from graphcond.training.graph_filter import ensemble, fit_graph_filter
from graphcond.training.least_squares import fit_least_squares
from graphcond.training.negatives import UniformNegatives
from graphcond.training.nodes import (
    FilterGraph,
    FilterRuns,
    FilterTraining,
    filter_graph,
    train_filters,
)
from graphcond.training.ranker import Ranker
from graphcond.training.recommender import (
    BPR,
    BPRProgram,
    RankingLooks,
    Recommender,
    fit_recommender,
)
from graphcond.training.stopping import EarlyStopping

__all__ = [
    "BPR",
    "BPRProgram",
    "ClassifierTraining",
    "DenseItemWeights",
    "EarlyStopping",
    "FilterGraph",
    "FilterRuns",
    "FilterTraining",
    "Fitted",
    "Program",
    "Ranker",
    "RankingLooks",
    "Recommender",
    "UniformNegatives",
    "ensemble",
    "filter_graph",
    "fit",
    "fit_ease",
    "fit_graph_filter",
    "fit_least_squares",
    "fit_recommender",
    "infer",
    "predict",
    "train_classifier",
    "train_filters",
]
