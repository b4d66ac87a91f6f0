"""How well a condensed graph trains a network: train on it, test on the original."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import check_apart, check_nodes, sparsified, without_test
from graphcond.data.plain import plain
from graphcond.errors import InputError, NumericalError, require
from graphcond.evaluation.calibrate import condensed_facts
from graphcond.evaluation.seeds import whole_numbers
from graphcond.evaluation.table import Report, make_row
from graphcond.measure import Measure
from graphcond.metrics import accuracy
from graphcond.nn.zoo import WEIGHTED, GraphNet
from graphcond.training.classifiers import ClassifierTraining, infer, train_classifier
from graphcond.typing import NodeModelFactory, Record


@dataclass(frozen=True)
class NodeReport(Report):
    """What a graph is worth for training.

    Attributes:
        rows: One row per seed in the shared vocabulary; ``accuracy`` is in percent, on the
            original's test nodes.
    """


@steady()
def evaluate_node(
    factory: NodeModelFactory,
    train: Data,
    test: Data,
    *,
    seeds: Iterable[int] = range(3),
    recipe: ClassifierTraining | None = None,
    sparsify: float | None = None,
    full: NodeReport | None = None,
) -> NodeReport:
    """Train from scratch on ``train`` for every seed, keep the epoch that is best on the original's
    validation nodes, test once.

    Args:
        factory: Makes the model.
        train: The graph to judge: a condensed one, or ``test`` itself (method "Full"). It is used
            as given, nothing is read from files.
        test: The original, with its three splits.
        seeds: Seeds of weights and dropout.
        recipe: How to train; None is the default :class:`~graphcond.training.ClassifierTraining`.
        sparsify: Keep the edges of ``train`` with at least this weight and give them weight 1; None
            leaves them as they are.
        full: Report of the original, for ``percent_of_full``.

    Returns:
        One row per seed, with true sizes, seconds and peak memory.

    Raises:
        InputError: If the graphs do not fit together, there are no test nodes, or ``train`` was
            made from another split or holds test nodes.
        NumericalError: If a trained network gives a test node a NaN.

    Warns:
        UserWarning: If the model ignores edge weights and the weights of ``train`` differ.
    """
    same = train is test
    test = plain(test)
    train = plain(train)
    if same:
        train = test  # which `_whole` knows the original by
    check_nodes(test)
    check_nodes(train)
    require(
        train.num_features == test.num_features,
        f"This needs the same features, but found train = {train.num_features!r}, test ="
        f" {test.num_features!r}. Judge a graph condensed from this data set.",
    )
    require(
        "test_mask" in test,
        "This needs test nodes. Set `test.test_mask`, or split with split_nodes(data).",
    )
    check_apart(train, test)
    if sparsify is not None:
        train = sparsified(train, sparsify)
    classes = int(test.y.max()) + 1
    rows = list[Record]()
    facts = {**condensed_facts(without_test(train)), **_whole(train, test)}
    for seed in whole_numbers("seeds", seeds, "range(3)"):
        with Measure() as cost:
            try:
                model = factory(test.num_features, classes, seed=seed).to(
                    device=test.x.device, dtype=test.x.dtype
                )
            except TypeError as error:
                raise InputError(
                    "`factory` must make a network when it is called as factory(num_features,"
                    f" num_classes, seed=0), but: {error}. Pass nn.GraphNet, or a function that"
                    " takes `seed`."
                ) from error
            _warn_if_blind(model, train)
            # Validation nodes of the original stop the training, so that every set stops alike.
            train_classifier(model, train, without_test(test), recipe=recipe, seed=seed)
            score = 100 * float(accuracy(infer(model, test), test.y, test.test_mask))
        require(
            not math.isnan(score),
            f"With seed {seed} the network's answers on test nodes are NaN. Lower the learning"
            " rate, or check the features and edge weights for huge values.",
            error=NumericalError,
        )
        percent = None
        if full is not None:
            percent = 100 * score / full.mean("accuracy")
        costs = {"seconds_train": cost.seconds, "peak_mib": cost.peak_mib}
        rows.append(make_row(**facts, seed=seed, accuracy=score, percent_of_full=percent, **costs))
    return NodeReport(tuple(rows))


def _warn_if_blind(model: torch.nn.Module, data: Data) -> None:
    weight = data.get("edge_weight")
    if (
        not isinstance(model, GraphNet)
        or model.kind in WEIGHTED
        or weight is None
        or weight.numel() == 0
    ):
        return
    # Equal weights say nothing that a network without weights could miss.
    if float(weight.max() - weight.min()) > 1e-6:
        warnings.warn(
            f"{model.kind} ignores edge_weight: it sees all {weight.numel()} edges as equal. "
            "Pass sparsify=0.5, say, to keep the heavy ones only.",
            stacklevel=3,
        )


def _whole(train: Data, test: Data) -> dict[str, str | int | float | None]:
    if train is test:
        return {"method": "Full", "ratio": None}
    return {}
