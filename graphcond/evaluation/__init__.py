"""Judging: how well a condensed set stands in for the original, beside a random control and the noise ceiling."""

from graphcond.evaluation.recommender import RecommenderReport, evaluate_recommender
from graphcond.evaluation.table import COLUMNS, format_table, make_row, summarise

__all__ = [
    "COLUMNS",
    "RecommenderReport",
    "evaluate_recommender",
    "format_table",
    "make_row",
    "summarise",
]
