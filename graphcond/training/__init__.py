"""The training loop, early stopping and negative sampling."""

from graphcond.training.adam import Adam, AdamTraining
from graphcond.training.classifiers import ClassifierTraining, infer, predict, train_classifier
from graphcond.training.closed_forms import (
    EASE,
    ClosedFormRecommender,
    GraphFilter,
    LeastSquares,
    Popularity,
)
from graphcond.training.ease import DenseItemWeights, fit_ease
from graphcond.training.filter_graphs import FilterGraph, filter_graph
from graphcond.training.filter_program import FilterTraining
from graphcond.training.fit import Fitted, Program, fit
from graphcond.training.forest import ForestRuns, ForestTraining, train_forest
from graphcond.training.full_softmax import FullSoftmax, FullSoftmaxProgram, fit_full_softmax
from graphcond.training.graph_filter import ensemble, fit_gfcf, fit_graph_filter
from graphcond.training.least_squares import fit_least_squares
from graphcond.training.negatives import UniformNegatives
from graphcond.training.nodes import FilterRuns, train_filters
from graphcond.training.ranker import Ranker, Recommender
from graphcond.training.ranking_looks import RankingLooks
from graphcond.training.recommender import BPR, BPRProgram, fit_recommender
from graphcond.training.selection import Choice, Contender, choose_recipe, held_out_ndcg
from graphcond.training.sparse_ease import SparseItemWeights, fit_sparse_ease
from graphcond.training.stopping import EarlyStopping

__all__ = [
    "Adam",
    "AdamTraining",
    "BPR",
    "BPRProgram",
    "Choice",
    "ClassifierTraining",
    "ClosedFormRecommender",
    "Contender",
    "DenseItemWeights",
    "EASE",
    "EarlyStopping",
    "FilterGraph",
    "FilterRuns",
    "FilterTraining",
    "Fitted",
    "ForestRuns",
    "ForestTraining",
    "FullSoftmax",
    "FullSoftmaxProgram",
    "GraphFilter",
    "LeastSquares",
    "Popularity",
    "Program",
    "Ranker",
    "RankingLooks",
    "Recommender",
    "SparseItemWeights",
    "UniformNegatives",
    "choose_recipe",
    "ensemble",
    "filter_graph",
    "fit",
    "fit_ease",
    "fit_full_softmax",
    "fit_gfcf",
    "fit_graph_filter",
    "fit_least_squares",
    "fit_recommender",
    "fit_sparse_ease",
    "held_out_ndcg",
    "infer",
    "predict",
    "train_classifier",
    "train_filters",
    "train_forest",
]
