"""Several condensed sets of one original in one table, with the original itself and the noise
ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_geometric.data import Data, HeteroData

from graphcond.data import looped
from graphcond.errors import require
from graphcond.evaluation.calibrate import calibrate
from graphcond.evaluation.node import evaluate_node
from graphcond.evaluation.recommender import evaluate_recommender
from graphcond.evaluation.reference import at_least_two, reference
from graphcond.evaluation.table import COLUMNS
from graphcond.nn import GraphNet, PolynomialFilterNet
from graphcond.nn.recommender import RecommenderFactory
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.typing import Record

_RANKING = (
    "spearman_loss",
    "spearman_accuracy",
    "kendall_loss",
    "top_quarter_spearman",
    "regret",
    "ceiling_loss",
    "ceiling_accuracy",
)


@dataclass(frozen=True)
class Entry:
    """One condensed set to judge.

    Attributes:
        data: The set, with its card.
        seeds: Seeds of the trainings on it; one row each.
        seconds_condense: What making it cost, or None if unknown.
    """

    data: Any
    seeds: Sequence[int]
    seconds_condense: float | None = None


def judge_interactions(
    full: HeteroData, entries: Sequence[Entry], factory: RecommenderFactory, *, seeds: Sequence[int]
) -> list[Record]:
    """Train on the original and on every set, and rank on the original's test interactions.

    Args:
        full: The original, with its three splits.
        entries: Sets to judge.
        factory: Makes the recommender, for example ``partial(nn.MF, dim=64)``.
        seeds: Seeds of the trainings on the original. The spread of its ``percent_of_full`` is the
            noise ceiling.

    Returns:
        Rows in the shared vocabulary: method "Full" first.
    """
    whole = evaluate_recommender(factory, full, full, ks=(10,), seeds=seeds)
    base = whole.mean("ndcg@10") or math.nan
    rows: list[Record] = [
        {**row, "percent_of_full": 100 * _number(row, "ndcg@10") / base} for row in whole.rows
    ]
    for entry in entries:
        report = evaluate_recommender(
            factory, entry.data, full, ks=(10,), seeds=entry.seeds, full=whole
        )
        rows += [_costed(row, entry) for row in report.rows]
    return rows


def judge_nodes(
    full: Data, entries: Sequence[Entry], *, seeds: Sequence[int], candidates: int = 20
) -> list[Record]:
    """Train GCN on the original and on every set, and rank random polynomial filters on all of
    them.

    Args:
        full: The original, with its three splits.
        entries: Sets to judge.
        seeds: Seeds of the trainings on the original.
        candidates: Filters to rank, at least 5; 0 skips the ranking. They come from a random stream
            of their own, which no condenser uses.

    Returns:
        Rows in the shared vocabulary: method "Full" first, then the linear surrogate on the
        original, then the entries. Filters see a set without any edges as A' = I
        (:func:`~graphcond.data.looped`). ``accuracy`` is that of the GCN, except for the surrogate,
        where it is that of the filter it picks.
    """
    require(
        candidates == 0 or candidates >= 5,
        f"`candidates` must be 0 or at least 5, but it is {candidates!r}. Fewer cannot be ranked.",
    )
    whole = evaluate_node(GraphNet, full, full, seeds=seeds)
    base = whole.mean("accuracy") or math.nan
    rows: list[Record] = [
        {**row, "percent_of_full": 100 * _number(row, "accuracy") / base} for row in whole.rows
    ]
    # Small and shallow on purpose: this many filters are trained on the original, too.
    net = PolynomialFilterNet(full.num_features, hidden=16, num_classes=int(full.y.max()) + 1)
    lam = PolynomialFilters(order=2).sample(max(candidates, 1), seed=derive(0, "judge"))
    known = reference(net, lam, full, seeds=at_least_two(seeds)) if candidates else None
    for number, entry in enumerate(entries):
        report = evaluate_node(GraphNet, entry.data, full, seeds=entry.seeds, full=whole)
        ranking = None
        ranked: Sequence[Record] = [{}] * len(report.rows)
        if known:
            small = entry.data
            if not small.num_edges:
                small = looped(small)
            ranking = calibrate(net, lam, full=known, condensed=small, seeds=entry.seeds)
            ranked = ranking.condensed_rows
        if ranking and number == 0:
            ceiling = ranking.rows[0]
            surrogate = ranking.rows[1]
            rows = [*({**_ranked(ceiling), **row} for row in rows), surrogate]
        rows += [
            _costed({**_ranked(scores), **row}, entry) for row, scores in zip(report.rows, ranked)
        ]
    ordered: list[Record] = [{name: row[name] for name in COLUMNS if name in row} for row in rows]
    return ordered


def _ranked(row: Record) -> Record:
    """Return the columns that speak of ranking."""
    return {name: value for name, value in row.items() if name in _RANKING}


def _number(row: Record, name: str) -> float:
    return float(row[name] or 0)


def _costed(row: Record, entry: Entry) -> Record:
    if entry.seconds_condense is None:
        return row
    return {**row, "seconds_condense": entry.seconds_condense}
