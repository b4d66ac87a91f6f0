"""Pure metric functions on tensors."""

from graphcond.metrics.classification import accuracy
from graphcond.metrics.correlation import kendall, ranks, regret, spearman, top_quarter_spearman

__all__ = ["accuracy", "kendall", "ranks", "regret", "spearman", "top_quarter_spearman"]
