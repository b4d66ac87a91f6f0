"""``graphcond search``: search a space on a condensed graph, promote the best to the original, test
the winner.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from graphcond.cli.options import Search
from graphcond.cli.source import load_split
from graphcond.data import check_writable, digest, read, without_test, write_atomically
from graphcond.errors import require
from graphcond.evaluation import evaluate_node, held_out_accuracy
from graphcond.search import FilterObjective, ModelObjective, promote, search
from graphcond.search.study import fixed
from graphcond.training import ClassifierTraining, EarlyStopping, FilterTraining, train_filters

EVERY = 10
"""Epochs between two looks at the original's validation nodes, each of which costs a forward pass
on it.
"""


def run(options: Search) -> None:
    """Search, promote, test once, print."""
    counts: dict[str, Any] = {"trials": options.trials, "top": options.top}
    require(
        options.trials >= options.top >= 1,
        "`trials` >= `top` >= 1",
        "Try more or promote fewer.",
        **counts,
    )
    full = load_split(options.data, options.root, "per-user", options.seed)
    require(
        isinstance(full, Data),
        "a graph",
        "Interactions have no architectures to search.",
        data=options.data,
    )
    small = without_test(full) if options.condensed is None else read(options.condensed)
    fits = small.get("x") is not None and small.num_features == full.num_features
    require(
        fits,
        "a `condensed` graph of this data set",
        "Give the file made from it.",
        data=options.data,
        condensed=options.condensed,
    )
    objective = _objective(options, int(full.y.max()) + 1)
    journal = None if options.out is None else Path(options.out) / "search.journal"
    if options.out is not None:
        check_writable(Path(options.out) / "search.json")
    start = time.perf_counter()
    seen, models = without_test(full), options.space == "models"
    # A graph condensed for filters ranks filters by its own validation nodes, and other
    # architectures only by the original's.
    trial = objective(small, validation=seen) if models else objective(small)
    name = (
        f"{options.space} on {digest(small, seen if models else None)}, {options.epochs} epochs,"
        f" seed {options.seed}"
    )
    study = search(
        trial, options.trials, seed=options.seed, finite=models, journal=journal, name=name
    )
    searched = time.perf_counter()
    best = promote(study, objective(seen), options.top)
    promoted = time.perf_counter()
    accuracy = _test(options, objective(full), best[0].params)
    found: dict[str, Any] = {
        "trials": len(study.trials),
        "seconds_search": searched - start,
        "seconds_promote": promoted - searched,
    }
    found |= {
        "accuracy": accuracy,
        "winner": best[0].params,
        "promoted": [each._asdict() for each in best],
    }
    if options.out is not None:
        with write_atomically(Path(options.out) / "search.json") as beside:
            beside.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2) if options.json else _describe(found))


def _objective(options: Search, classes: int) -> Any:
    """Return what makes an objective of a graph."""
    if options.space == "models":
        looks = EarlyStopping(patience=options.epochs, every=min(EVERY, options.epochs))
        recipe = ClassifierTraining(epochs=options.epochs, stopping=looks)
        return partial(ModelObjective, recipe=recipe, seed=options.seed, num_classes=classes)
    return partial(
        FilterObjective,
        recipe=FilterTraining(epochs=options.epochs),
        seed=options.seed,
        num_classes=classes,
    )


def _test(options: Search, objective: Any, params: dict[str, Any]) -> float:
    """Train the winner on the original and return its accuracy on the test nodes, in percent: the
    one look at them.
    """
    choice, data = objective.choice(fixed(params)), objective.data
    if options.space == "models":
        return evaluate_node(
            choice, data, data, seeds=(options.seed,), recipe=objective.recipe
        ).mean("accuracy")
    runs = train_filters(
        objective.network, choice, data, recipe=objective.recipe, seed=options.seed
    )
    return 100 * float(held_out_accuracy(objective.network, choice, runs.best_params, data))


def _describe(found: dict[str, Any]) -> str:
    seconds = (
        f"{found['seconds_search']:.1f} s; the best on the original in"
        f" {found['seconds_promote']:.1f} s"
    )
    lines = [f"{found['trials']} candidates in {seconds}:", ""]
    width = max(len(_words(each["params"])) for each in found["promoted"])
    lines.append(f"{'candidate':<{width}}  searched graph  original")
    lines += [
        f"{_words(each['params']):<{width}}  {each['small']:>14.4f}  {each['full']:>8.4f}"
        for each in found["promoted"]
    ]
    lines += [
        "",
        f"Test accuracy of the first, trained on the original: {found['accuracy']:.1f} %.",
    ]
    lines.append(
        "Values are of validation, higher is better; test nodes were looked at once, for the"
        " winner."
    )
    return "\n".join(lines)


def _words(params: dict[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.3f}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )
