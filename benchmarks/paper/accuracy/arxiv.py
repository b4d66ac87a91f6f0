"""Condensing ogbn-arxiv's real graph (features are stated stand-ins) to 0.25 %: seconds, memory,
and a linear model's accuracy.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import torch

from benchmarks.paper.accuracy.__main__ import METHODS
from benchmarks.store import RESULTS, Store
from graphcond.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["Partition", "GCond-X", "KIP", "GCond", "DM"],
        choices=list(METHODS),
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    store, data = (
        Store(RESULTS / "accuracy_arxiv.json", ("dataset", "method", "ratio", "seed")),
        load("ogbn-arxiv-partial", options.root),
    )
    for method in options.methods:
        if store.has(dataset="ogbn-arxiv-partial", method=method, ratio=0.0025, seed=0):
            continue
        began = time.process_time()
        made = METHODS[method](ratio=0.0025, seed=0).condense(data)
        fields = (
            "ratio",
            "ratio_actual",
            "ratio_train",
            "num_train",
            "num_val",
            "num_edges",
            "bytes",
            "nonzeros",
            "seconds_condense",
            "peak_mib",
        )
        row = {name: made.report[name] for name in fields} | {
            "cpu_seconds_condense": time.process_time() - began
        }
        row |= {
            name: made.report[name]
            for name in ("linear_accuracy", "linear_accuracy_random", "condenser")
            if name in made.report
        }
        store.add(
            {
                "dataset": "ogbn-arxiv-partial",
                "method": method,
                "seed": 0,
                "features": data.card["note"],
                **row,
            }
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
