"""Searching a space on any graph, condensed or not, with Optuna: objectives, a study that resumes,
and promotion to the original.
"""

from graphcond.search.descent import Descended, FilterDescent
from graphcond.search.filters import FilterObjective
from graphcond.search.history import draw_history, history_rows, write_history
from graphcond.search.models import ModelObjective
from graphcond.search.promotion import Promotion, promote
from graphcond.search.ranking import Interval, RankReport, rank_report
from graphcond.search.recommenders import RankerObjective
from graphcond.search.script import ScriptObjective
from graphcond.search.study import fault, search
from graphcond.search.supernet import DARTSPT, GDAS, SupernetChoice

__all__ = [
    "DARTSPT",
    "Descended",
    "FilterDescent",
    "FilterObjective",
    "GDAS",
    "Interval",
    "ModelObjective",
    "Promotion",
    "RankReport",
    "RankerObjective",
    "ScriptObjective",
    "SupernetChoice",
    "draw_history",
    "fault",
    "history_rows",
    "promote",
    "rank_report",
    "search",
    "write_history",
]
