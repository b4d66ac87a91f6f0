"""Condensing ogbn-arxiv's real graph (features are stated stand-ins) to 0.25 %: seconds, memory,
and a linear model's accuracy.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import torch

from benchmarks.node.accuracy import METHODS
from benchmarks.store import Store, add_usual
from graphcond.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[
            "Partition",
            "GCondX (ours)",
            "KernelInducingPoints",
            "GCond (ours)",
            "DistributionMatching",
        ],
        choices=list(METHODS),
    )
    add_usual(parser, quick="digits and the first method")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    quick = "_quick" if options.quick else ""
    name, ratio = ("digits", 0.05) if options.quick else ("ogbn-arxiv-partial", 0.0025)
    options.methods = options.methods[: 1 if options.quick else None]
    store = Store(
        options.out / f"node_accuracy_arxiv{quick}.json",
        ("dataset", "method", "ratio", "seed"),
        force=options.force,
        stale=options.stale,
    )
    data = load(name, options.root)
    for method in options.methods:
        if store.has(dataset=name, method=method, ratio=ratio, seed=0):
            continue
        began = time.process_time()
        made = METHODS[method](ratio=ratio, seed=0).condense(data)
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
        key = {"dataset": name, "method": method, "seed": 0, "features": data.card.get("note")}
        code = (METHODS[method], load)
        store.add({**key, **row}, code=code, settings=made.report["condenser"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
