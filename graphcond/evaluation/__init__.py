"""Judging: how well a condensed set stands in for the original, beside a random control and the
noise ceiling.
"""

from graphcond.evaluation.calibrate import CalibrationReport, calibrate
from graphcond.evaluation.judge import Entry, judge_interactions, judge_nodes
from graphcond.evaluation.node import NodeReport, evaluate_node
from graphcond.evaluation.recommender import RecommenderReport, evaluate_recommender
from graphcond.evaluation.reference import Reference, compare_rankings, held_out_accuracy, reference
from graphcond.evaluation.surrogate import SurrogateScores, linear_surrogate
from graphcond.evaluation.table import COLUMNS, format_report, format_table, make_row, summarise
from graphcond.typing import NodeModelFactory

__all__ = [
    "COLUMNS",
    "CalibrationReport",
    "Entry",
    "NodeModelFactory",
    "NodeReport",
    "RecommenderReport",
    "Reference",
    "SurrogateScores",
    "calibrate",
    "compare_rankings",
    "evaluate_node",
    "evaluate_recommender",
    "format_report",
    "format_table",
    "held_out_accuracy",
    "judge_interactions",
    "judge_nodes",
    "linear_surrogate",
    "make_row",
    "reference",
    "summarise",
]
