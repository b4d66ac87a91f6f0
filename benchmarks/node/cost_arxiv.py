"""What condensing ogbn-arxiv's real graph (stand-in features) costs, in one process.

Beside it stand the filters, trained on the original and on the condensed graph.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch

from benchmarks.node.setting import candidates, network
from benchmarks.store import RESULTS, Store
from graphcond.condensers import HypergradientMatching, Pool
from graphcond.data import load, without_test
from graphcond.evaluation import linear_surrogate
from graphcond.measure import Measure
from graphcond.metrics import regret, spearman
from graphcond.training import FilterTraining, train_filters


def main() -> None:
    """Condense once, calibrate on one seed of the original, and write the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", default=os.environ.get("GRAPHCOND_DATA"), help="folder with raw data sets"
    )
    parser.add_argument("--quick", action="store_true", help="digits, five steps, two epochs")
    parser.add_argument("--ratio", type=float, default=0.0025)
    parser.add_argument("--filters", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    options = parser.parse_args()
    name = "digits" if options.quick else "ogbn-arxiv-partial"
    ratio = 0.05 if options.quick else options.ratio
    quick = "_quick" if options.quick else ""
    data = without_test(load(name, root=options.root))
    over = Pool(size=10, batch=8, steps=5) if options.quick else Pool()
    recipe = FilterTraining(epochs=2) if options.quick else FilterTraining()
    start, began = time.process_time(), time.perf_counter()
    made = HypergradientMatching(ratio=ratio, over=over).condense(data)
    row = {**made.report, "cpu_seconds_condense": time.process_time() - start}
    row |= {
        f"seconds_{entry['part']}": entry["seconds"] for entry in made.history if "seconds" in entry
    }
    net, lam = network(data), candidates(options.filters)
    clock = time.process_time()
    with Measure() as cost:
        truth = train_filters(net, lam, data, recipe=recipe, seed=0)
    row |= {"seconds_original": cost.seconds, "cpu_seconds_original": time.process_time() - clock}
    clock = time.process_time()
    with Measure() as spent:
        small = train_filters(net, lam, made.data, recipe=recipe, seed=0)
    row |= {"seconds_small": spent.seconds, "cpu_seconds_small": time.process_time() - clock}
    row["ratio_search"] = row["cpu_seconds_original"] / row["cpu_seconds_small"]
    saved = (row["cpu_seconds_original"] - row["cpu_seconds_small"]) / options.filters
    row["break_even_candidates"] = row["cpu_seconds_condense"] / saved
    linear = linear_surrogate(net, lam, data)
    for name, found in (("", small), ("linear_", linear)):
        row[f"{name}spearman_loss"] = spearman(truth.loss.double(), found.loss.double())
        row[f"{name}spearman_accuracy"] = spearman(truth.accuracy.double(), found.accuracy.double())
        row[f"{name}regret_val"] = 100 * regret(truth.accuracy.double(), -found.loss.double())
    row |= {"filters": options.filters, "peak_mib": max(cost.peak_mib, float(row["peak_mib"]))}
    row |= {
        "seconds_all": time.perf_counter() - began,
        "cpu_seconds_all": time.process_time() - start,
        "load": os.getloadavg()[0],
    }
    store = Store(options.out / f"node_cost_arxiv{quick}.json", ("dataset",))
    code = (HypergradientMatching, over, train_filters, linear_surrogate, network, load)
    store.add(row, code=code, settings=made.report["condenser"])


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    main()
