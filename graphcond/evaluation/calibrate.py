"""Calibration: does a condensed graph rank hyperparameters as the original does, and how well could
anything?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import check_apart, check_nodes, statistics
from graphcond.data.plain import plain
from graphcond.data.provenance import check_split_record
from graphcond.errors import require
from graphcond.evaluation.reference import Reference, at_least_two, compare_rankings, reference
from graphcond.evaluation.table import format_table, make_row, name_of_original
from graphcond.measure import Measure
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.training.filter_graphs import filter_graph
from graphcond.training.filter_program import FilterTraining
from graphcond.training.nodes import FilterRuns, train_filters
from graphcond.typing import Record


@dataclass(frozen=True)
class CalibrationReport:
    """How well a condensed graph ranks candidates.

    Attributes:
        rows: Rows in the shared vocabulary: the original against itself ("Full", the ceiling), the
            linear surrogate on the whole original, then the condensed graph, one row per seed.
        reference: The original's results.
        loss: The condensed graph's validation losses [S', B].
        accuracy: Its validation accuracies [S', B].
    """

    rows: tuple[Record, ...]
    reference: Reference
    loss: Tensor
    accuracy: Tensor

    def mean(self, column: str) -> float:
        """Return the mean of a column over the condensed graph's seeds; NaN where it has none."""
        values = [float(row[column]) for row in self.condensed_rows if row.get(column) is not None]  # type: ignore[arg-type]
        if values:
            return fmean(values)
        return math.nan

    @property
    def condensed_rows(self) -> tuple[Record, ...]:
        """The rows of the condensed graph alone."""
        return self.rows[-self.loss.size(0) :]

    def __str__(self) -> str:
        """Return the table, mean ± std over seeds."""
        return format_table(self.rows)


@steady()
def calibrate(
    net: PolynomialFilterNet,
    lam: Tensor,
    *,
    full: Data | Reference,
    condensed: Data,
    seeds: Sequence[int] = (0, 1),
    recipe: FilterTraining | None = None,
) -> CalibrationReport:
    """Train every candidate on the condensed graph and compare its ranking with the original's.

    Correlations are means over the original's seeds of the correlation with each one, so that a
    second seed of the original (the ceiling, columns ``ceiling_*``) is measured by the same rule.
    ``accuracy`` is the test accuracy on the original of the candidate with the lowest validation
    loss, ``regret`` what it loses against the best of the candidates, both as means over the
    original's seeds.

    Args:
        net: The architecture.
        lam: Candidates λ [B, H], B >= 5, not used in condensing.
        full: The original, or what :func:`reference` made of it (then tables share the expensive
            part).
        condensed: The condensed graph, one ``Data`` with training and validation nodes. It is used
            as given: nothing is read from files.
        seeds: Seeds of the trainings on the condensed graph (and on the original, if it is given as
            data: two or more).
        recipe: How to train, the same on both graphs; None is that of a given reference, else the
            default.

    Returns:
        The report; ``print(report)`` shows a table.

    Raises:
        InputError: If the graphs do not fit together, or the condensed one was made from another
            split.

    Source: HCDC section 7 (Corr. and Perf.); the ceiling, the surrogate, the top quarter and the
    regret are ours.
    """
    condensed = plain(condensed)
    check_nodes(condensed)
    require(
        isinstance(lam, Tensor) and lam.dim() == 2 and lam.size(0) >= 5,
        "This needs a tensor of at least five candidates, but found lam ="
        f" {tuple(getattr(lam, 'shape', ())) or type(lam).__name__!r}."
        " space.sample(80, seed=1) is usual.",
    )
    if isinstance(full, Data):
        same = condensed.num_features == full.num_features
        require(
            same,
            f"This needs the same features, but found full = {full.num_features!r}, condensed ="
            f" {condensed.num_features!r}. Judge a graph condensed from this data set.",
        )
        check_apart(condensed, full)
        whole = reference(net, lam, full, seeds=at_least_two(seeds), recipe=recipe)
        whole_name = str((full.get("card") or {}).get("name", "unnamed"))
    else:
        whole = full
        whole_name = str((condensed.get("card") or {}).get("dataset", "unnamed"))
        same = torch.equal(whole.lam, lam) and whole.net == net and recipe in (None, whole.recipe)
        require(
            same,
            "This needs the reference's candidates, network and training, but found lam ="
            f" {tuple(lam.shape)!r}, net = {net!r}, recipe = {recipe!r}. Make the reference with"
            " the same λ, net and recipe.",
        )
    check_split_record((condensed.get("card") or {}).get("split"), whole.split)
    recipe = whole.recipe
    graph = filter_graph(condensed)
    runs = list[FilterRuns]()
    rows = whole.rows(whole_name)
    # Every row carries the ceiling, so that it can be read without the others.
    ceilings = {
        "ceiling_loss": rows[0].get("spearman_loss"),
        "ceiling_accuracy": rows[0].get("spearman_accuracy"),
    }
    for seed in seeds:
        with Measure() as cost:
            run = train_filters(net, lam, graph, recipe=recipe, seed=seed)
        scores = compare_rankings(whole, run.loss, run.accuracy)
        costs = {"seconds_train": cost.seconds, "peak_mib": cost.peak_mib}
        rows.append(
            make_row(**condensed_facts(condensed), seed=seed, **scores, **ceilings, **costs)
        )
        runs.append(run)
    return CalibrationReport(
        tuple(rows),
        whole,
        torch.stack([run.loss for run in runs]),
        torch.stack([run.accuracy for run in runs]),
    )


def condensed_facts(data: Data) -> dict[str, str | int | float | None]:
    """Return the columns that a graph's card and counts give.

    Args:
        data: A condensed graph with its card, or any graph with training and validation nodes.

    Returns:
        True sizes, counted on the graph, and the card's names.
    """
    card = data.get("card") or {}
    counts = statistics(data)
    return {
        "dataset": name_of_original(card),
        "method": str(card.get("method", "given")),
        "ratio": card.get("ratio"),
        "ratio_actual": card.get("ratio_actual"),
        "num_train": int(data.train_mask.sum()),
        "num_val": int(data.val_mask.sum()),
        "num_edges": int(counts["edges"]),
        "bytes": int(counts["bytes"]),
    }
