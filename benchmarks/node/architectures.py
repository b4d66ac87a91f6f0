"""Architectures: does a condensed graph rank models of HCDC's discrete space (appendix J) as the
original does?
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace
from functools import partial
from itertools import product
from statistics import fmean
from typing import Any

import torch
from torch_geometric.data import Data

from benchmarks.node.setting import (
    BUDGETS,
    METHODS,
    arguments,
    as_used,
    condensed,
    original,
    regret_of_shortlist,
    store_of,
)
from graphcond.data import load, without_test
from graphcond.metrics import accuracy, kendall, regret, spearman
from graphcond.search import ModelObjective
from graphcond.spaces import ModelChoices
from graphcond.training import ClassifierTraining, EarlyStopping, infer

KEY = ("dataset", "method", "count", "seed", "judge")
"""``judge``: whose validation nodes judged, those of the graph itself (None) or the original's."""
SPACE = ModelChoices(widths=(128,))
"""The paper's ten kinds and two depths; its second width, 256, would take another twice as long."""
RECIPE = ClassifierTraining(stopping=EarlyStopping(patience=10, every=5))
"""At most 200 epochs; a training ends once 50 epochs brought no better validation accuracy, on any
graph.
"""
EARLY = replace(RECIPE, epochs=20)
"""The rival that condenses nothing and stops early."""


def train_all(objective: ModelObjective, test: Data, count: int) -> dict[str, Any]:
    """Train the first ``count`` models: what each is worth, its accuracy on the original's test
    nodes, and CPU seconds.
    """
    values, tests, start = list[float](), list[float](), time.process_time()
    for choice in SPACE.decode(SPACE.sample(count)):
        model, value = objective.trained(choice)
        tests.append(100 * float(accuracy(infer(model, test), test.y, test.test_mask)))
        values.append(value)
    return {"values": values, "tests": tests, "cpu_seconds": time.process_time() - start}


def scores(values: list[float], whole: list[dict[str, Any]]) -> dict[str, float]:
    """Compare what models are worth on a graph with some trainings on the original."""
    own, truths = (
        torch.tensor(values).double(),
        [torch.tensor(row["values"]).double() for row in whole],
    )
    tests = torch.tensor([row["tests"] for row in whole]).double().mean(0)
    return {
        "spearman": fmean(spearman(truth, own) for truth in truths),
        "kendall": fmean(kendall(truth, own) for truth in truths),
        "regret": regret(tests, own),
        "regret_top5": regret_of_shortlist(-own, -torch.stack(truths).mean(0), tests),
    }


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--wholes", type=int, default=2, help="trainings of the original, at least 2"
    )
    options = arguments(parser, datasets=("cora",), seeds=3)
    warnings.simplefilter("ignore", UserWarning)
    store = store_of(options, "architectures", KEY)
    code = (train_all, scores, ModelObjective, load)
    methods = options.methods[:1] if options.quick else options.methods
    models = 3 if options.quick else len(SPACE.all())
    for name in options.datasets:
        data, count = original(name, options.root), BUDGETS[name][1]
        seen, objective = (
            without_test(data),
            partial(ModelObjective, num_classes=int(data.y.max()) + 1),
        )
        keys = [
            {"dataset": name, "method": "Full", "count": None, "seed": seed}
            for seed in range(options.wholes)
        ]
        for seed, key in enumerate(keys):
            if not store.has(**key):
                row = key | train_all(objective(seen, recipe=RECIPE, seed=seed), data, models)
                store.add(row, code=code, settings=RECIPE)
        whole = [store.get(**key) for key in keys]
        for row in whole:
            others = [other for other in whole if other is not row]
            if "spearman" not in row:
                store.add(row | scores(row["values"], others), code=code, settings=RECIPE)
        key = {"dataset": name, "method": "Early stopping", "count": None, "seed": options.wholes}
        if not store.has(**key):
            found = train_all(objective(seen, recipe=EARLY, seed=options.wholes), data, models)
            row = key | found | scores(found["values"], whole)
            store.add(row, code=code, settings=EARLY)
        for seed, method, judge in product(range(options.seeds), methods, (None, "original")):
            key = {"dataset": name, "method": method, "count": count, "seed": seed, "judge": judge}
            if not store.has(**key):
                made, seconds = condensed(method, data, count, seed, options.cache)
                small, outer = as_used(method, made), seen if judge else None
                found = train_all(
                    objective(small, recipe=RECIPE, seed=seed, validation=outer), data, models
                )
                row = key | found | scores(found["values"], whole) | {"seconds_condense": seconds}
                settings = f"{made.card['condenser']}; {RECIPE}"
                store.add(row, code=(*code, METHODS[method]), settings=settings)


if __name__ == "__main__":
    main()
