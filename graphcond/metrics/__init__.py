"""Pure metric functions on tensors."""

from graphcond.metrics.classification import accuracy
from graphcond.metrics.correlation import kendall, ranks, regret, spearman, top_quarter_spearman
from graphcond.metrics.ranking import hits, mean_over_users, ndcg, recall

__all__ = [
    "accuracy",
    "hits",
    "kendall",
    "mean_over_users",
    "ndcg",
    "ranks",
    "recall",
    "regret",
    "spearman",
    "top_quarter_spearman",
]
