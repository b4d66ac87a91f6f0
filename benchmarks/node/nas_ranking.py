"""One order of the sampled networks of NAS-Bench-Graph, what it is worth, and random search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import bootstrap, rankdata
from torch import Tensor

from graphcond.metrics import spearman

PROMOTED = 5


@dataclass(frozen=True)
class Ranking:
    """One way to order the sampled networks of a data set.

    Attributes:
        dataset: The data set.
        name: The way.
        seed: Seed of the sample, the condensation and the weights.
        score: What each network is worth, more is better [n].
        truth: Published validation accuracy [n].
        test: Published test accuracy [n].
        seconds: CPU seconds before anything is promoted.
        full: CPU seconds of one full training.
    """

    dataset: str
    name: str
    seed: int
    score: Tensor
    truth: Tensor
    test: Tensor
    seconds: float
    full: float

    def regret(self, promoted: int) -> float:
        """Return what is lost, in points, of the best test accuracy of the sample by training so
        many networks in full, in this order, and taking the best by validation.
        """
        first = self.score.argsort(descending=True, stable=True)[:promoted]
        picked = first[self.truth[first].argmax()]
        return 100 * float(self.test.max() - self.test[picked])

    def regret_at(self, cost: float) -> float | None:
        """Return the regret after as many promotions as a total cost leaves, in full trainings;
        None if it leaves none.
        """
        promoted = int(cost - self.seconds / self.full)
        return None if promoted < 1 else self.regret(promoted)

    def interval(self, draws: int = 2000) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of Spearman's correlation over the networks."""
        found = bootstrap(
            (self.score.numpy(), self.truth.numpy()),
            _spearman,
            paired=True,
            vectorized=True,
            n_resamples=draws,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        low, high = found.confidence_interval
        return float(low), float(high)

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        low, high = self.interval()
        return {
            "dataset": self.dataset,
            "ranking": self.name,
            "seed": self.seed,
            "networks": len(self.score),
            "spearman": spearman(self.truth, self.score),
            "low": low,
            "high": high,
            "regret_1": self.regret(1),
            "regret_5": self.regret(PROMOTED),
            "regret_10": self.regret(10),
            "regret_cost10": self.regret_at(10),
            "cost": self.seconds / self.full + PROMOTED,
            "cpu_search": self.seconds,
            "cpu_full": self.full,
        }


def _spearman(one: Any, other: Any, axis: int = -1) -> Any:
    """Return Spearman's correlation along an axis, of many samples at once."""
    ranks = [rankdata(each, axis=axis) for each in (one, other)]
    first, second = (each - each.mean(axis, keepdims=True) for each in ranks)
    scale = np.sqrt((first**2).sum(axis) * (second**2).sum(axis))
    return (first * second).sum(axis) / scale


def random_curve(like: Ranking, most: int, draws: int = 300) -> list[float]:
    """Return the mean regret of random search after 1, 2, … full trainings."""
    stream = np.random.default_rng(0)
    curves = np.zeros((draws, most))
    for draw in range(draws):
        order = torch.from_numpy(stream.permutation(len(like.truth)))[:most]
        best = like.truth[order].cummax(0).values
        for size in range(most):
            picked = order[(like.truth[order] == best[size]).nonzero()[0, 0]]
            curves[draw, size] = 100 * float(like.test.max() - like.test[picked])
    return [float(value) for value in curves.mean(0)]


def random_row(like: Ranking) -> dict[str, Any]:
    """Return the row of random search."""
    curve = random_curve(like, 10)
    return {
        "dataset": like.dataset,
        "ranking": "random search",
        "seed": like.seed,
        "networks": len(like.score),
        "regret_1": curve[0],
        "regret_5": curve[4],
        "regret_10": curve[9],
        "regret_cost10": curve[9],
        "cost": float(PROMOTED),
        "cpu_search": 0.0,
        "cpu_full": like.full,
    }
