"""How well a set of interactions stands in for the whole: train on it, rank every item for every
user, look at the test split once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.ambient import steady
from graphcond.data import (
    check_apart,
    check_interactions,
    kept_interactions,
    num_items,
    num_users,
    statistics,
    test_edges,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.data.pair_checks import check_pair_stores
from graphcond.data.plain import plain
from graphcond.errors import require
from graphcond.evaluation.seeds import whole_numbers
from graphcond.evaluation.table import Report, format_table, make_row, name_of_original
from graphcond.measure import Measure
from graphcond.metrics.ranking import hits, mean_over_users, ndcg, recall
from graphcond.nn.recommender import RecommenderFactory
from graphcond.training import BPR, ClosedFormRecommender, Contender, Ranker, choose_recipe
from graphcond.typing import Record

Judge = RecommenderFactory | ClosedFormRecommender | Sequence[Contender]
"""What a set is judged by: a model that is trained on it, a closed form, or several candidates of
which each set gets the one that validates best.
"""


@dataclass(frozen=True)
class RecommenderReport(Report):
    """What a set of interactions is worth.

    Attributes:
        rows: One row per seed in the shared vocabulary
            (:data:`graphcond.evaluation.table.COLUMNS`), with ``recall@k`` and ``ndcg@k`` for every
            k asked for.
    """

    def ceiling(self, column: str = "ndcg@10") -> float:
        """Return the noise ceiling in percent: the worse of the first two seeds over the better.

        Of the report of the full set, this is how near to "100 % of Full" a second run on
        *everything* comes; NaN for one seed.
        """
        if len(self.rows) < 2:
            return math.nan
        low, high = sorted(float(row[column]) for row in self.rows[:2])  # type: ignore[arg-type]
        if high:
            return 100.0 * low / high
        return math.nan

    def __str__(self) -> str:
        """Return the table, mean ± std over seeds, and a line for each further k."""
        lines = [format_table(self.rows)]
        others = [name for name in self.rows[0] if "@" in name and not name.endswith("@10")]
        lines += [f"{name}: {self.mean(name):.4f} ± {self.std(name):.4f}" for name in others]
        return "\n".join(lines)


@steady()
def evaluate_recommender(
    factory: Judge,
    train: HeteroData,
    test: HeteroData,
    *,
    ks: Sequence[int] = (5, 10),
    seeds: Iterable[int] = range(3),
    recipe: BPR | None = None,
    full: Iterable[Record] | RecommenderReport | None = None,
) -> RecommenderReport:
    """Train on ``train`` from scratch for every seed and judge by full ranking on the test
    interactions of ``test``.

    Early stopping looks at the validation interactions of ``test``. Rankings, of validation and of
    test, leave out the training interactions of ``test`` (the original), not of ``train``, so that
    every set is asked the same question.

    Args:
        factory: Makes the model, for example ``partial(nn.MF, dim=64)``; or a closed form, for
            example ``training.EASE()``; or candidates, of which one is chosen on validation for
            this set, with the first seed.
        train: The set to judge: a condensed set, or ``test`` itself (method "Full").
        test: The original, with its three splits.
        ks: Lengths of the lists; 10 is always among the rows' columns.
        seeds: Seeds of initialisation, order and negatives.
        recipe: How a factory's models are trained; None is the default
            :class:`graphcond.training.BPR`.
        full: Rows or report of the original, for ``percent_of_full`` (by NDCG@10).

    Returns:
        One row per seed, with true sizes, seconds, peak memory, and the recipe in words. Seconds of
        training are without those of choosing, which stand beside them.

    Raises:
        InputError: If the sets do not share users and items, there are no test interactions, or
            ``train`` was made from another split or holds test interactions.
    """
    same = train is test
    test = plain(test)
    train = plain(train)
    if same:
        train = test
    ks = whole_numbers("ks", ks, "(10, 20)")
    seeds = whole_numbers("seeds", seeds, "range(3)")
    _check(train, test, ks)
    reference = _reference(full)
    facts = _facts(train, test)
    learned = without_test(train)
    if isinstance(factory, Sequence):
        choice = choose_recipe(
            factory, learned, val_edges(test), exclude=train_edges(test), seed=seeds[0]
        )
        contender = choice.contender
        facts["seconds_choose"] = choice.seconds
    else:
        contender = Contender(factory, recipe)
    facts["recipe"] = str(contender)
    rows = []
    for seed in seeds:
        with Measure() as cost:
            start = time.process_time()
            # Items of the original are left out, not of the condensed set: one question for all.
            model = contender.fit(learned, val_edges(test), exclude=train_edges(test), seed=seed)
            cpu_seconds = time.process_time() - start
            scores = rank_scores(model, test, sorted({*ks, 10}))
        percent = None
        if reference and "ndcg@10" in scores:
            percent = 100.0 * scores["ndcg@10"] / reference
        row = make_row(
            **facts,
            seed=seed,
            percent_of_full=percent,
            seconds_train=cost.seconds,
            cpu_seconds_train=cpu_seconds,
            peak_mib=cost.peak_mib,
        )
        rows.append({**row, **scores})
    return RecommenderReport(tuple(rows))


def _check(train: HeteroData, test: HeteroData, ks: Sequence[int]) -> None:
    """Raise unless the set can be judged on these data."""
    check_interactions(test)
    check_pair_stores(train)
    require(
        (num_users(train), num_items(train)) == (num_users(test), num_items(test)),
        "`train` and `test` must have the same users and items, but they have"
        f" {_size(train)} and {_size(test)}."
        " Judge a condensed set against the data set it was made from.",
    )
    check_apart(train, test)
    require(
        test_edges(test).size(1) > 0,
        "`test` has no test interactions. Split the data first: split_interactions(data, seed=0).",
    )
    require(
        min(ks) >= 1,
        f"`ks` must be lengths of at least 1, but they are {tuple(ks)!r}. 5, 10 and 20 are usual.",
    )


@steady()
def rank_scores(model: Ranker, test: HeteroData, ks: Sequence[int]) -> dict[str, float]:
    """Return Recall@k and NDCG@k on the test interactions, means over users that have one.

    Args:
        model: What ranks, for example a trained recommender.
        test: The original; its training interactions are left out of the rankings.
        ks: Lengths of the lists. A list holds at most the whole catalogue: with 8 items, Recall@10
            asks whether the relevant ones are among all 8.

    Returns:
        ``{"recall@5": …, "ndcg@5": …, …}``, each in [0, 1].
    """
    held: Tensor = test_edges(test)
    length = min(max(ks), num_items(test))
    hit, count = hits(model.rank(length, train_edges(test))[1], held, num_items(test))
    # Places beyond the catalogue hold nothing, and count as misses.
    hit = torch.nn.functional.pad(hit, (0, max(ks) - length))
    scores = {}
    for k in ks:
        scores[f"recall@{k}"] = mean_over_users(recall(hit, count, k), count)
        scores[f"ndcg@{k}"] = mean_over_users(ndcg(hit, count, k), count)
    return scores


def _size(data: HeteroData) -> str:
    return f"{num_users(data)} users x {num_items(data)} items"


def _facts(train: HeteroData, test: HeteroData) -> dict[str, str | int | float | None]:
    """What the set's card and counts say: the columns that do not depend on the seed."""
    card = getattr(train, "card", None) or {}
    kept = train_edges(train).size(1)
    edges = train_edges(test).size(1)
    ratio = kept / edges
    method = "given"
    if kept == edges:
        method = "Full"
    return {
        "dataset": name_of_original(card),
        "method": str(card.get("method", method)),
        "ratio": float(card.get("ratio", ratio)),
        "ratio_actual": ratio,
        "num_train": num_users(train),
        "num_edges": kept,
        "bytes": int(statistics(kept_interactions(train, torch.arange(kept)))["bytes"]),
    }


def _reference(full: Iterable[Record] | RecommenderReport | None) -> float | None:
    if full is None:
        return None
    if isinstance(full, RecommenderReport):
        rows = full.rows
    else:
        rows = tuple(full)
    values = [float(row["ndcg@10"]) for row in rows]  # type: ignore[arg-type]
    require(
        bool(values),
        "This needs rows of the full set. Leave `full` out, or pass the report of the original.",
    )
    return fmean(values)
