"""The training loop, early stopping and negative sampling."""

from graphcond.training.fit import Fitted, Program, fit
from graphcond.training.negatives import UniformNegatives
from graphcond.training.recommender import BPR, BPRProgram, RankingLooks, Recommender, fit_recommender
from graphcond.training.stopping import EarlyStopping

__all__ = [
    "BPR",
    "BPRProgram",
    "EarlyStopping",
    "Fitted",
    "Program",
    "RankingLooks",
    "Recommender",
    "UniformNegatives",
    "fit",
    "fit_recommender",
]
