"""Which condenser serves which purpose: accuracy, filters, architectures, at one budget of nodes.

Each cell condenses a graph and asks three questions of it. How accurate is a GCN trained on it?
Does it rank 20 filters as the original does, by its own validation loss? Does training on it rank
40 networks of NAS-Bench-Graph as the published table does? For the last one the graph has as many
labelled nodes as the original, and the original's validation nodes judge, as in
``graphcond search``.
"""

from __future__ import annotations

import argparse
import os
import time

import torch
from torch_geometric.data import Data

from benchmarks.node.gcn import Evaluator
from benchmarks.node.nas_bench_graph import recipe
from benchmarks.node.nas_table import PROTOCOLS, SPACE, as_published, read_table
from benchmarks.node.setting import as_used, candidates, network
from benchmarks.store import Store, add_usual
from graphcond import condensers
from graphcond.condensers import NodeCondenser
from graphcond.data import load, parts, without_test
from graphcond.evaluation import Reference, calibrate, reference
from graphcond.metrics import spearman
from graphcond.training import train_forest

KEY = ("dataset", "method", "count", "seed")
BUDGETS = {"cora": 35, "citeseer": 30, "amazon-photo": 24}
METHODS: dict[str, type[NodeCondenser]] = {
    "Partition": condensers.Partition,
    "KernelInducingPoints": condensers.KernelInducingPoints,
    "HypergradientMatching (ours)": condensers.HypergradientMatching,
    "SampledNeighbourhoods": condensers.SampledNeighbourhoods,
    "RandomNodes": condensers.RandomNodes,
}
SLOW = ("HypergradientMatching (ours)",)
"""With as many nodes as the original has labels it takes minutes; ``node.architectures`` has it."""
FILTERS = 20
NETWORKS = 40
TRAININGS = 5


def made(method: str, data: Data, count: int, seed: int) -> tuple[Data, float]:
    """Return a condensed graph and its CPU seconds."""
    start = time.process_time()
    small = METHODS[method](num_nodes=count, num_val=count, seed=seed)(data)
    return small, time.process_time() - start


def gcn_accuracy(small: Data, data: Data, seed: int) -> float:
    """Return the mean test accuracy of GCNs trained on the graph, in percent."""
    train, _ = parts(small)
    return 100 * float(Evaluator()(train, data, TRAININGS, seed).mean())


def filter_ranking(method: str, small: Data, truth: Reference, data: Data, seed: int) -> float:
    """Return Spearman's correlation of the filters' losses here and on the original."""
    graph = as_used(method, small)
    found = calibrate(network(data), truth.lam, full=truth, condensed=graph, seeds=(seed,))
    return found.mean("spearman_loss")


def network_ranking(method: str, name: str, seed: int, root: str | None) -> float | None:
    """Return Spearman's correlation of networks trained here with the published accuracies."""
    if name not in PROTOCOLS or method in SLOW:
        return None
    data = without_test(as_published(name, root))
    train, _ = parts(made(method, data, int(data.train_mask.sum()), seed)[0])
    trees = SPACE.decode(SPACE.sample(NETWORKS, seed=seed))
    table = read_table(root)
    runs = train_forest(trees, train, data, recipe=recipe(name), seed=seed)
    return spearman(table.valid[name][table.rows(trees)], runs.score)


def fill(store: Store, name: str, options: argparse.Namespace) -> None:
    """Add the rows of a data set that are missing."""
    data = load(name, options.root)
    truth: Reference | None = None
    for seed in options.seeds:
        for method in options.methods:
            key = {"dataset": name, "method": method, "count": BUDGETS[name], "seed": seed}
            if store.has(**key):
                continue
            if truth is None:
                truth = reference(network(data), candidates()[:FILTERS], data)
            small, seconds = made(method, data, BUDGETS[name], seed)
            row = {
                "cpu_condense": seconds,
                "num_nodes": int(small.num_nodes or 0),
                "accuracy": gcn_accuracy(small, data, seed),
                "filters": filter_ranking(method, small, truth, data, seed),
                "architectures": network_ranking(method, name, seed, options.root),
            }
            code = (METHODS[method], Evaluator, calibrate, train_forest, load, fill)
            store.add(key | row, code=code, settings=str(Evaluator()))


def main() -> None:
    """Fill in what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument("--datasets", nargs="+", default=list(BUDGETS), choices=BUDGETS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_usual(parser, quick="Cora, one seed, two methods")
    options = parser.parse_args()
    if options.quick:
        options.datasets, options.seeds = ["cora"], [0]
        options.methods = ["Partition", "SampledNeighbourhoods"]
    quick = "_quick" if options.quick else ""
    path = options.out / f"node_purpose{quick}.json"
    store = Store(path, KEY, force=options.force, stale=options.stale)
    for name in options.datasets:
        fill(store, name, options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
