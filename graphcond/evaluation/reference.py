"""What the original says about candidates: the truth that a condensed graph's ranking is compared
with, and its noise ceiling.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import check_nodes, describe, digest, load_state, save_state, split_record
from graphcond.data.plain import plain
from graphcond.errors import require
from graphcond.evaluation.surrogate import SurrogateScores, linear_surrogate
from graphcond.evaluation.table import make_row
from graphcond.measure import Measure
from graphcond.metrics import accuracy, kendall, regret, spearman, top_quarter_spearman
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.training.filter_graphs import filter_graph
from graphcond.training.filter_program import FilterTraining
from graphcond.training.nodes import train_filters
from graphcond.typing import Record, Tensors

# Part of a cached result's name. Raise it whenever training gives other numbers for the same input:
# 2 = all candidates start from one draw.
_PROTOCOL = 2


def at_least_two(seeds: Sequence[int]) -> Sequence[int]:
    """Return seeds for the original: those of a condensed graph, and a second one where there is
    but one, for a ceiling is the agreement of two.

    Args:
        seeds: One seed or more.
    """
    if len(set(seeds)) >= 2:
        return seeds
    return seeds[0], seeds[0] + 1


@dataclass(frozen=True)
class Reference:
    """What the original says about B candidates, from S seeds.

    Attributes:
        net: The architecture.
        recipe: How it was trained.
        lam: Candidates λ [B, H].
        loss: Validation losses [S, B].
        accuracy: Validation accuracies [S, B].
        held_out: Accuracies on the test nodes, at each candidate's best epoch [S, B].
        seeds: The S seeds.
        seconds: Seconds of training and judging, mean over seeds.
        peak_mib: Peak memory.
        surrogate: The linear model's scores on the original.
        split: Which split of the original this is, as :func:`graphcond.data.split_record` says.
    """

    net: PolynomialFilterNet
    recipe: FilterTraining
    lam: Tensor
    loss: Tensor
    accuracy: Tensor
    held_out: Tensor
    seeds: tuple[int, ...]
    seconds: float
    peak_mib: float
    surrogate: SurrogateScores
    split: Mapping[str, Any] = field(default_factory=lambda: {"digests": {}})

    def rows(self, dataset: str) -> list[Record]:
        """Return what the original says of itself.

        Args:
            dataset: Name for the column.

        Returns:
            "Full", the ceiling: the mean over seeds of one as stand-in for the others; and the
            linear surrogate.
        """
        each = [
            compare_rankings(self, self.loss[s], self.accuracy[s], leave_out=s)
            for s in range(self.loss.size(0))
        ]
        mean = {column: fmean(entry[column] for entry in each) for column in each[0]}
        ceilings = {
            "ceiling_loss": mean["spearman_loss"],
            "ceiling_accuracy": mean["spearman_accuracy"],
        }
        whole = make_row(
            dataset=dataset,
            method="Full",
            **mean,
            **ceilings,
            seconds_train=self.seconds,
            peak_mib=self.peak_mib,
        )
        scores = compare_rankings(self, self.surrogate.loss, self.surrogate.accuracy)
        seconds = self.surrogate.seconds_statistics + self.surrogate.seconds
        return [
            whole,
            make_row(
                dataset=dataset,
                method="Linear surrogate",
                **scores,
                **ceilings,
                seconds_train=seconds,
            ),
        ]


@steady()
def reference(
    net: PolynomialFilterNet,
    lam: Tensor,
    data: Data,
    *,
    seeds: Sequence[int] = (0, 1),
    recipe: FilterTraining | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Reference:
    """Train all candidates on the original, once per seed, and test them.

    Args:
        net: The architecture.
        lam: Candidates λ [B, H].
        data: The original, with its three splits.
        seeds: Distinct seeds; at least two, because the second one gives the ceiling.
        recipe: How to train; None is the default :class:`~graphcond.training.FilterTraining`.
        cache: Folder where each seed's results are kept, under a name made from the content of
            everything they depend on.

    Returns:
        The results, for as many calls of :func:`calibrate` as wanted.

    Raises:
        InputError: If there are fewer than two seeds or no test nodes.
    """
    data = plain(data)
    check_nodes(data)
    require(
        len(set(seeds)) >= 2,
        f"This needs at least two seeds of the original, but found seeds = {tuple(seeds)!r}. Pass"
        " seeds=(0, 1).",
    )
    require(
        len(set(seeds)) == len(seeds),
        f"This needs distinct seeds, but found seeds = {tuple(seeds)!r}. A seed agrees with itself:"
        " name it once.",
    )
    require(
        "test_mask" in data,
        "This needs test nodes. The picked candidate is judged on them: set `data.test_mask`.",
    )
    recipe = recipe or FilterTraining()
    found = [_one_seed(net, lam, data, recipe, seed, cache) for seed in seeds]
    columns = {
        name: torch.stack([tensors[name] for tensors, _, _ in found])
        for name in ("loss", "accuracy", "held_out")
    }
    seconds = fmean(entry[1] for entry in found)
    peak = max(entry[2] for entry in found)
    surrogate = linear_surrogate(net, lam, data)
    return Reference(
        net,
        recipe,
        lam,
        **columns,
        seeds=tuple(seeds),
        seconds=seconds,
        peak_mib=peak,
        surrogate=surrogate,
        split=split_record(data),
    )


def compare_rankings(
    whole: Reference, loss: Tensor, accuracy: Tensor, leave_out: int | None = None
) -> dict[str, float]:
    """Return the columns that compare one list of scores with the original's.

    Args:
        whole: The original's results.
        loss: Validation losses of the stand-in [B].
        accuracy: Its validation accuracies [B].
        leave_out: Index of the original's seed that the stand-in itself is, or None.

    Returns:
        Columns of the shared vocabulary. A stand-in that gives every candidate the same score gets
        NaN: it ranks nothing.
    """
    # A seed of the original is not compared with itself.
    others = [s for s in range(whole.loss.size(0)) if s != leave_out]
    loss = loss.double()
    accuracy = accuracy.double()
    truth = 100 * whole.held_out[others].double().mean(0)
    picked = loss == loss.min()  # ties share the pick
    return {
        "spearman_loss": fmean(spearman(whole.loss[s].double(), loss) for s in others),
        "spearman_accuracy": fmean(spearman(whole.accuracy[s].double(), accuracy) for s in others),
        "kendall_loss": fmean(kendall(whole.loss[s].double(), loss) for s in others),
        "top_quarter_spearman": fmean(
            top_quarter_spearman(-whole.loss[s].double(), -loss) for s in others
        ),
        "regret": regret(truth, -loss),
        "accuracy": float(truth[picked].mean()),
    }


def _one_seed(
    net: PolynomialFilterNet,
    lam: Tensor,
    data: Data,
    recipe: FilterTraining,
    seed: int,
    cache: str | os.PathLike[str] | None,
) -> tuple[Tensors, float, float]:
    """Train and test on the original with one seed, or read what an equal call wrote."""
    path = None
    if cache is not None:
        content = digest(f"{_PROTOCOL} {describe((net, recipe, seed))}", lam, data)
        path = Path(cache) / f"reference-{content}.safetensors"
    if path is not None and path.exists():
        tensors, record = load_state(path)
        return tensors, float(record["seconds"]), float(record["peak_mib"])
    # An interrupted training on the original goes on from here: it is a table's longest part.
    checkpoint = None
    if path is not None:
        checkpoint = path.with_suffix(".partial")
    with Measure() as cost:
        runs = train_filters(net, lam, data, recipe=recipe, seed=seed, checkpoint=checkpoint)
        tensors = {
            "loss": runs.loss,
            "accuracy": runs.accuracy,
            "held_out": held_out_accuracy(net, lam, runs.best_params, data),
        }
    if path is not None:
        save_state(path, tensors, {"seconds": cost.seconds, "peak_mib": cost.peak_mib})
        for part in path.parent.glob(f"{path.stem}.partial.*"):
            part.unlink()
    return tensors, cost.seconds, cost.peak_mib


@steady()
@torch.no_grad()
def held_out_accuracy(
    net: PolynomialFilterNet, lam: Tensor, params: Tensors, data: Data, chunk: int = 16
) -> Tensor:
    """Return the accuracy of B trained models on the test nodes.

    Args:
        net: The architecture.
        lam: Candidates [B, H].
        params: Their parameters, trained on any graph.
        data: The original, with ``test_mask``.
        chunk: Models evaluated at once.

    Returns:
        Shares [B] in [0, 1].
    """
    graph = filter_graph(data)
    found = []
    for first in range(0, lam.size(0), chunk):
        some = slice(first, first + chunk)
        logits = net(
            {name: value[some] for name, value in params.items()},
            lam[some].to(data.x.dtype),
            graph.operator,
            graph.x,
        )
        found.append(accuracy(logits, data.y, data.test_mask))
    return torch.cat(found)
