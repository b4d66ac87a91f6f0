"""Transfer: a graph condensed with one network trains others; models blind to edge weights get a
sparsified graph.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

from torch_geometric.data import Data

from benchmarks.node.setting import BUDGETS, METHODS, arguments, condensed, original, store_of
from benchmarks.store import Store
from graphcond import nn
from graphcond.data import load
from graphcond.evaluation import evaluate_node
from graphcond.training import ClassifierTraining, EarlyStopping

MODELS: dict[str, dict[str, Any]] = {
    "GCN": {"kind": "gcn"},
    "SAGE": {"kind": "sage-mean"},
    "GAT": {"kind": "gat"},
    "APPNP": {"kind": "appnp"},
    "SGC": {"kind": "sgc-2", "num_layers": 1},
    "ChebNet": {"kind": "cheb-2"},
}
COUNTS = {name: sizes[1] for name, sizes in BUDGETS.items()} | {"cora": 70}
"""Condensed training nodes: the middle size of Table 2; on Cora that of GCond's tables."""
RECIPE = ClassifierTraining(epochs=200, stopping=EarlyStopping(patience=200, every=10))
LINEAR = replace(RECIPE, learning_rate=0.2, weight_decay=5e-6)
"""SGC as its authors' code trains it: under the GCN's weight decay a single layer on features
averaged over neighbours stays near 0.
"""


def one(store: Store, small: Data, data: Data, key: dict[str, object], seeds: range) -> None:
    """Train one network on a graph, the original or a condensed one, test it on the original and
    add the row.
    """
    model = str(key["model"])
    blind = small is not data and MODELS[model]["kind"] not in nn.WEIGHTED
    factory, recipe = (
        partial(nn.GraphNet, hidden=64, **MODELS[model]),
        LINEAR if model == "SGC" else RECIPE,
    )
    report = evaluate_node(
        factory, small, data, seeds=seeds, recipe=recipe, sparsify=0.5 if blind else None
    )
    row = {
        name: value
        for name, value in report.rows[0].items()
        if name not in ("accuracy", "seconds_train", "peak_mib")
    } | key
    row |= {"count": None if small is data else COUNTS[str(key["dataset"])], "sparsified": blind}
    row |= {"accuracy": report.mean("accuracy"), "std_trainings": report.std("accuracy")}
    method = str(key["method"])
    code = (evaluate_node, factory, recipe, load, METHODS.get(method))
    settings = (small.get("card") or {}).get("condenser")
    store.add(row, code=code, settings=f"{settings}; {recipe}")


def main() -> None:
    options = arguments(argparse.ArgumentParser(description=__doc__), seeds=1)
    warnings.simplefilter("ignore", UserWarning)
    store = store_of(options, "transfer", ("dataset", "method", "model", "seed"))
    trainings = range(1 if options.quick else 3)
    methods = ["Full", *options.methods[: 1 if options.quick else None]]
    for name in options.datasets:
        data = original(name, options.root)
        for seed, method in itertools.product(range(options.seeds), methods):
            keys = [
                {"dataset": name, "method": method, "model": model, "seed": seed}
                for model in MODELS
            ]
            missing = [key for key in keys if not store.has(**key)]
            if missing:
                small = (
                    data
                    if method == "Full"
                    else condensed(method, data, COUNTS[name], seed, options.cache)[0]
                )
            for key in missing:
                one(store, small, data, key, trainings)


if __name__ == "__main__":
    main()
