"""The accuracy table: GCNs trained on condensed graphs, 10 trainings × 3 condensations; resumes
where it was stopped.

Validation labels choose epochs (all methods alike) and, where a condenser says so, one of its
settings or rounds; test labels are looked at once, by the evaluator, at the chosen epoch.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch_geometric.data import Data

from benchmarks.node.control import TaughtNodes
from benchmarks.node.gcn import Evaluator
from benchmarks.store import Store, add_usual
from graphcond import condensers
from graphcond.data import digest, load, statistics

BUDGETS = {
    "cora": (35, 70, 140),
    "citeseer": (30, 60, 120),
    "amazon-photo": (24, 48),
    "coauthor-cs": (45, 90),
    "digits": (90,),
}
TIMING = (
    "CPU seconds of one thread, which is what an idle core takes; seconds_condense_wall is the"
    " clock of a shared, loaded machine"
)
METHODS: dict[str, Callable[..., condensers.NodeCondenser]] = {
    "KernelInducingPoints": condensers.KernelInducingPoints,
    "Partition": condensers.Partition,
    "GCond (ours)": condensers.GCond,
    "RandomNodes": condensers.RandomNodes,
    "RandomNodes, teacher's labels": TaughtNodes,
    "GCondX (ours)": condensers.GCondX,
    "DistributionMatching": condensers.DistributionMatching,
    "Herding": condensers.Herding,
    "KCenter": condensers.KCenter,
    "DosCond (ours)": condensers.DosCond,
    "TrajectoryMatching": condensers.TrajectoryMatching,
    "Matching, all nodes": partial(
        condensers.GradientMatching, adjacency="identity", targets="teacher", start="partition"
    ),
    "Partition, training nodes": partial(condensers.Partition, labels="train"),
}
"""Names of the table; budgets and seeds are added to each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    names = [*METHODS, "Full"]
    parser.add_argument(
        "--datasets", nargs="+", default=["cora", "citeseer"], choices=list(BUDGETS)
    )
    parser.add_argument("--methods", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", type=int, nargs="+", help="only these budgets")
    add_usual(parser, quick="digits, one seed, three methods, two trainings")
    options = parser.parse_args()
    trainings = 10
    if options.quick:
        options.seeds = [0]
        options.datasets = ["digits"]
        options.methods = ["Partition", "RandomNodes", "KernelInducingPoints"]
        trainings = 2
    quick = "_quick" if options.quick else ""
    path = options.out / f"node_accuracy{quick}.json"
    key = ("dataset", "method", "count", "seed")
    store = Store(path, key, force=options.force, stale=options.stale)
    graphs = {name: load(name, options.root) for name in options.datasets}
    wanted = itertools.product(options.seeds, options.methods, graphs.items())
    for seed, method, (name, data) in wanted:
        for count in _counts(name, method, options.counts):
            one(
                store,
                {"dataset": name, "method": method, "count": count, "seed": seed},
                data,
                trainings,
            )


def _counts(name: str, method: str, chosen: list[int] | None) -> tuple[int, ...]:
    """Return the condensed training nodes of a method; the original has one row, under 0."""
    if method == "Full":
        return (0,)
    return tuple(count for count in BUDGETS[name] if chosen is None or count in chosen)


def one(store: Store, key: dict[str, Any], data: Data, trainings: int) -> None:
    """Add a row unless it is there."""
    if store.has(**key):
        return
    method, evaluator = str(key["method"]), Evaluator()
    made = cell(method, data, key["count"], key["seed"], evaluator, trainings)
    judge = whole if method == "Full" else evaluator
    settings = f"{made.get('condenser')}; {evaluator}"
    made["data"] = digest(data)
    store.add(key | made, code=(judge, load, METHODS.get(method)), settings=settings)


def cell(
    method: str, data: Data, count: int, seed: int, evaluator: Evaluator, trainings: int
) -> dict[str, object]:
    """Condense once, train many times."""
    row: dict[str, object] = {"seed": seed, "trainings": trainings, "evaluator": str(evaluator)}
    small = data
    if method == "Full":
        row |= {
            "num_train": int(data.train_mask.sum()),
            "num_edges": data.num_edges,
            "bytes": statistics(data)["bytes"],
        }
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            began = time.process_time()
            made = METHODS[method](
                num_nodes=count, num_val=int(data.y.max()) + 1, seed=seed
            ).condense(data)
        row |= {
            "seconds_condense": time.process_time() - began,
            "seconds_condense_wall": made.report["seconds_condense"],
            "timing": TIMING,
        }
        row |= {"condenser": made.data.card["condenser"]}
        row |= {
            "worse_than_random": any(
                issubclass(entry.category, condensers.WorseThanRandomWarning) for entry in caught
            )
        }
        fields = (
            "ratio_actual",
            "ratio_train",
            "num_train",
            "num_val",
            "num_edges",
            "bytes",
            "nonzeros",
            "peak_mib",
        )
        row |= {name: made.report[name] for name in fields}
        train = made.data.train_mask
        small = made.data.subgraph(train)
    began = time.process_time()
    accuracy = 100 * (
        evaluator(small, data, trainings, seed)
        if method != "Full"
        else whole(evaluator, data, trainings, seed)
    )
    return row | {
        "accuracy": float(accuracy.mean()),
        "std_trainings": float(accuracy.std()),
        "accuracies": [float(value) for value in accuracy],
        "seconds_train": (time.process_time() - began) / trainings,
    }


def whole(evaluator: Evaluator, data: Data, trainings: int, seed: int) -> torch.Tensor:
    """Train on the original one model at a time: dense propagation does not fit a batch of them."""
    from graphcond import nn
    from graphcond.evaluation import evaluate_node
    from graphcond.training import ClassifierTraining, EarlyStopping

    recipe = ClassifierTraining(
        epochs=evaluator.epochs,
        learning_rate=evaluator.learning_rate,
        weight_decay=evaluator.weight_decay,
        stopping=EarlyStopping(patience=evaluator.epochs, every=evaluator.every),
    )
    factory = partial(nn.GraphNet, kind="gcn", hidden=evaluator.hidden, dropout=evaluator.dropout)
    report = evaluate_node(
        factory, data, data, seeds=range(10 * seed, 10 * seed + trainings), recipe=recipe
    )
    return torch.tensor([float(row["accuracy"]) / 100 for row in report.rows])  # type: ignore[arg-type]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
