"""Accuracy of a GCN trained on condensed graphs: 10 trainings × 3 condensations, epoch chosen on the original's validation nodes."""

from __future__ import annotations

import warnings
from functools import partial

from benchmarks.paper.node.common import ACCURACY_BUDGETS, Store, arguments, condensed, original
from graphcond import nn
from graphcond.evaluation import evaluate_node
from graphcond.training import ClassifierTraining, EarlyStopping

GCN = partial(nn.GraphNet, kind="gcn", hidden=256)
RECIPE = ClassifierTraining(epochs=300, stopping=EarlyStopping(patience=300, every=10))
EVALUATOR = "PyG GCN, 2 layers, hidden 256, dropout .5, Adam .01, weight decay 5e-4, 300 epochs, best of looks every 10 on validation"


def main() -> None:
    options = arguments(__doc__ or "", seeds=3)
    warnings.simplefilter("ignore", UserWarning)
    store = Store("node_accuracy", ("dataset", "method", "count", "seed"))
    trainings = range(2 if options.quick else 10)
    for seed in range(options.seeds):
        for method in options.methods:
            for name in options.datasets:
                data = original(name, options.root)
                budgets = ACCURACY_BUDGETS[name][1:2] if options.quick else ACCURACY_BUDGETS[name]
                for count in budgets:
                    known = store.has(dataset=name, method=method, count=count, seed=seed)
                    found = None if known else condensed(method, data, count, seed, options.cache)
                    if found is None:
                        continue
                    report = evaluate_node(GCN, found[0], data, seeds=trainings, recipe=RECIPE)
                    row = {k: v for k, v in report.rows[0].items() if k not in ("accuracy", "seconds_train", "peak_mib")}
                    row |= {"method": method, "count": count, "seed": seed, "trainings": len(trainings), "evaluator": EVALUATOR}
                    row |= {"accuracy": report.mean("accuracy"), "std_trainings": report.std("accuracy")}
                    row |= {"seconds_train": report.mean("seconds_train"), "seconds_condense": found[1]}
                    store.add(row)


if __name__ == "__main__":
    main()
