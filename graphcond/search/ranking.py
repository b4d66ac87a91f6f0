"""How well one ranking of candidates stands for another, with intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from scipy.stats import DegenerateDataWarning, bootstrap
from torch import Tensor

from graphcond.errors import require, require_range
from graphcond.metrics import kendall, regret, spearman
from graphcond.search.study import fault

if TYPE_CHECKING:
    from optuna import Study

Scores: TypeAlias = Sequence[float] | Tensor


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval over candidates.

    Args:
        value: The figure; NaN where a ranking is constant.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return ``.91 [.80, .96]``."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class RankReport:
    """How well small scores rank what full scores are the truth of.

    Args:
        candidates: How many were compared.
        spearman: Spearman's rank correlation.
        kendall: Kendall's tau-b.
        top_overlap: Share of the best ``top`` by full scores among the best ``top`` by small ones.
        regret: What the best by small scores loses against the best, in the unit of full scores.
        regret_top: The same for the best of the ``top`` by small scores, as after a promotion.
        top: Length of the shortlist.
        confidence: Of the intervals.
    """

    candidates: int
    spearman: Interval
    kendall: Interval
    top_overlap: Interval
    regret: Interval
    regret_top: Interval
    top: int
    confidence: float

    def __str__(self) -> str:
        """Return one figure a line."""
        lines = [
            f"Spearman        {self.spearman}",
            f"Kendall         {self.kendall}",
            f"overlap, top {self.top:<3}{self.top_overlap}",
            f"regret          {self.regret}",
            f"regret, top {self.top:<4}{self.regret_top}",
        ]
        return "\n".join(lines)


def rank_report(
    small: Study | Scores,
    full: Mapping[int, float] | Scores,
    *,
    top: int = 5,
    minimize: bool = False,
    samples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> RankReport:
    """Compare the ranking of a search with that of the original.

    Args:
        small: A study with one objective, or the scores of m candidates on the condensed graph. A
            trial that failed, and NaN, rank last.
        full: The scores of the same candidates on the original: in the same order, for a study that
            of its finished trials' numbers; or by number of trial, and then only those are
            compared.
        top: Length of the shortlist, at least 1 and below m.
        minimize: Whether less is better; a study says so itself.
        samples: Bootstrap samples of candidates, at least 1.
        confidence: Of the intervals, in (0, 1).
        seed: Seed of the bootstrap.

    Returns:
        Rank correlations, overlap of the shortlists, and regrets, with percentile intervals.

    Raises:
        InputError: If the lists differ in length or hold fewer than 3 candidates.

    Source: percentile intervals of ``scipy.stats.bootstrap`` over candidates drawn with
        replacement; samples in which a ranking is constant are left out.

    Example:
        >>> report = rank_report([0.1, 0.4, 0.3, 0.9], [10.0, 30.0, 20.0, 40.0], top=2)
        >>> report.spearman.value, report.top_overlap.value, report.regret.value
        (1.0, 1.0, 0.0)
    """
    found, truth, minimizing = _paired(small, full, minimize)
    require(
        found.numel() == truth.numel() and found.numel() >= 3,
        f"Two lists of at least 3 scores are compared, but they hold {found.numel()} and"
        f" {truth.numel()}. Score the same candidates twice.",
    )
    require_range(1, found.numel() - 1, "It is the length of the shortlist.", top=top)
    sign = 1.0
    if minimizing:
        sign = -1.0
    pair = (_last(sign * found), _last(sign * truth))
    interval = partial(_interval, pair, samples=samples, confidence=confidence, seed=seed)
    return RankReport(
        candidates=found.numel(),
        spearman=interval(spearman),
        kendall=interval(kendall),
        top_overlap=interval(partial(top_overlap, top=top)),
        regret=interval(_regret),
        regret_top=interval(partial(_regret_top, top=top)),
        top=top,
        confidence=confidence,
    )


def top_overlap(small: Tensor, full: Tensor, top: int) -> float:
    """Return the share of the best by one list among the best by another.

    Args:
        small: Scores [m], higher is better; the first of equal ones count as better.
        full: Scores [m] of the same candidates.
        top: How many count as best.

    Returns:
        A share in [0, 1].
    """
    first = small.argsort(descending=True, stable=True)[:top]
    second = full.argsort(descending=True, stable=True)[:top]
    return float(torch.isin(first, second).double().mean())


def _regret(small: Tensor, full: Tensor) -> float:
    return regret(full, small)


def _regret_top(small: Tensor, full: Tensor, top: int) -> float:
    shortlist = small.argsort(descending=True, stable=True)[:top]
    return float(full.max() - full[shortlist].max())


def _paired(
    small: Study | Scores, full: Mapping[int, float] | Scores, minimize: bool
) -> tuple[Tensor, Tensor, bool]:
    """Return both score lists in one order, and whether less is better."""
    if isinstance(small, (Sequence, Tensor)):
        numbers = list(range(len(small)))
        values = torch.as_tensor(small, dtype=torch.float64)
    else:
        finished = [t for t in small.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
        worth = [math.nan if fault(t) or t.value is None else t.value for t in finished]
        numbers = [t.number for t in finished]
        values = torch.tensor(worth, dtype=torch.float64)
        minimize = small.direction.name == "MINIMIZE"
    if isinstance(full, Mapping):
        kept = [place for place, number in enumerate(numbers) if number in full]
        truth = torch.tensor([full[numbers[place]] for place in kept], dtype=torch.float64)
        return values[kept], truth, minimize
    return values, torch.as_tensor(full, dtype=torch.float64), minimize


def _last(values: Tensor) -> Tensor:
    """Return scores whose NaN and infinities are worse than all numbers."""
    numbers = values[values.isfinite()]
    worst = 0.0
    if numbers.numel():
        worst = float(numbers.min()) - 1
    return torch.where(values.isfinite(), values, torch.full_like(values, worst))


def _interval(
    pair: tuple[Tensor, Tensor], figure: Any, samples: int, confidence: float, seed: int
) -> Interval:
    """Return a figure and its percentile interval."""

    def of(first: Any, second: Any) -> float:
        return float(figure(torch.from_numpy(first.copy()), torch.from_numpy(second.copy())))

    arrays = tuple(values.numpy() for values in pair)
    with warnings.catch_warnings():
        # Samples in which a ranking is constant are left out below.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        drawn = bootstrap(
            arrays,
            of,
            paired=True,
            vectorized=False,
            n_resamples=samples,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).bootstrap_distribution
    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) if drawn.size else (math.nan, math.nan)
    return Interval(of(*arrays), float(low), float(high))
