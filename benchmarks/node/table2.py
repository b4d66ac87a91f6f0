"""Table 2: rank correlation and performance of 80 held-out filters on condensed graphs, beside the
ceiling and the linear surrogate.
"""

from __future__ import annotations

import argparse
import time
import warnings

from torch import Tensor
from torch_geometric.data import Data

from benchmarks.node.setting import (
    BUDGETS,
    JUDGE,
    METHODS,
    OURS,
    arguments,
    as_used,
    condensed,
    network,
    original,
    original_rankings,
    regret_of_shortlist,
    store_of,
)
from benchmarks.store import Row, Store
from graphcond.data import digest, load
from graphcond.evaluation import (
    Reference,
    calibrate,
    compare_rankings,
    held_out_accuracy,
    linear_surrogate,
)
from graphcond.measure import Measure
from graphcond.nn import PolynomialFilterNet
from graphcond.search import FilterDescent
from graphcond.training import FilterTraining, train_filters

EARLY = 20
"""Epochs, of 200, of the baseline that condenses nothing and stops early."""
KEY = ("dataset", "method", "count", "count_val", "seed", "kind")
"""``count_val`` is None where it is ``count``."""


def performance(net: PolynomialFilterNet, found: Tensor, data: Data) -> float:
    """Train the picked filter on the original and test it, in percent."""
    runs = train_filters(net, found, data, seed=0)
    return 100 * float(held_out_accuracy(net, found, runs.best_params, data))


def one(
    store: Store,
    whole: Reference,
    data: Data,
    method: str,
    count: int,
    seed: int,
    options: argparse.Namespace,
) -> None:
    """Add the rows of one condensed graph that are missing."""
    net, lam, name = network(data), whole.lam, data.card["name"]
    num_val = (
        round(count * int(data.val_mask.sum()) / int(data.train_mask.sum()))
        if options.val_as_original
        else None
    )
    key = {"dataset": name, "method": method, "count": count, "count_val": num_val, "seed": seed}
    wanted = [
        kind
        for kind in ("grid", *(["hpo"] if options.hpo and seed == 0 else []))
        if not store.has(**key, kind=kind)
    ]
    if not wanted:
        return
    made, seconds = condensed(method, data, count, seed, options.cache, num_val)
    small = as_used(method, made)
    if "grid" in wanted:
        report = calibrate(net, lam, full=whole, condensed=small, seeds=(seed,))
        row = (
            dict(report.condensed_rows[0])
            | key
            | {
                "kind": "grid",
                "classname": str(made.card["method"]),
                "originals": len(whole.seeds),
            }
        )
        row |= {
            "regret_top5": (
                100
                * regret_of_shortlist(report.loss[0], whole.loss.mean(0), whole.held_out.mean(0))
            )
        }
        row |= {
            "isolated": "as made" if small is made else "self-loop",
            "seconds_condense": seconds,
        }
        start = time.perf_counter()
        linear = linear_surrogate(net, lam, small)
        scores = compare_rankings(whole, linear.loss, linear.accuracy)
        row |= {
            "linear_spearman_loss": scores["spearman_loss"],
            "linear_spearman_accuracy": scores["spearman_accuracy"],
        }
        row |= {
            "seconds_linear": time.perf_counter() - start,
            f"seconds_linear_{len(lam)}": linear.seconds,
        }
        curves = (
            {"losses": report.loss[0].tolist(), "accuracies": report.accuracy[0].tolist()}
            if seed == 0
            else {}
        )
        row |= {"data": digest(data)}
        code: tuple[object, ...] = (*JUDGE, METHODS[method], linear_surrogate)
        store.add(row | curves, code=code, settings=made.card["condenser"])
    if "hpo" in wanted:
        begin = time.perf_counter()
        best = FilterDescent(net)(small, starts=lam[:8]).lam[None]
        cost = time.perf_counter() - begin
        row = {
            "kind": "hpo",
            "hpo_seconds": cost,
            "hpo_accuracy": performance(net, best, data),
            "hpo_lam": best[0].tolist(),
        }
        code = (METHODS[method], FilterDescent, performance, network, load)
        store.add(key | row, code=code, settings=made.card["condenser"])


def ceiling(store: Store, whole: Reference, data: Data, options: argparse.Namespace) -> None:
    """Add the original's own rows: the ceiling, the linear surrogate, and descent on the
    original.
    """
    name, net, lam, key = data.card["name"], network(data), whole.lam, {"count": None, "seed": None}
    if not store.has(dataset=name, method="Full", kind="grid", **key):
        for row in whole.rows(name):
            extra: Row = {"kind": "grid", "seeds": list(whole.seeds), "data": digest(data)}
            if row["method"] == "Full":
                extra |= {
                    "losses": whole.loss[0].tolist(),
                    "accuracies": whole.accuracy[0].tolist(),
                }
                extra |= {
                    "tests": whole.held_out.mean(0).tolist(),
                    f"best_of_{len(lam)}": 100 * float(whole.held_out.mean(0).max()),
                }
            else:
                linear = whole.surrogate
                extra |= {
                    f"seconds_linear_{len(lam)}": linear.seconds,
                    "seconds_statistics": linear.seconds_statistics,
                }
                extra |= {
                    "ridge": linear.ridge,
                    "losses": linear.loss.tolist(),
                    "accuracies": linear.accuracy.tolist(),
                }
            store.add(dict(row) | extra, code=JUDGE, settings=whole.recipe)
    if not store.has(dataset=name, method="Early stopping", kind="grid", **key):
        fresh = max(whole.seeds) + 1
        with Measure() as cost:
            runs = train_filters(net, lam, data, recipe=FilterTraining(epochs=EARLY), seed=fresh)
        early: Row = {
            "dataset": name,
            "method": "Early stopping",
            "kind": "grid",
            "epochs": EARLY,
            "data": digest(data),
            "seeds": [fresh],
            "seconds_train": cost.seconds,
        }
        scores = compare_rankings(whole, runs.loss, runs.accuracy)
        code: tuple[object, ...] = (*JUDGE, train_filters, FilterTraining)
        store.add(early | scores, code=code, settings=FilterTraining(epochs=EARLY))
    if options.hpo and not store.has(dataset=name, method="Full", kind="hpo", **key):
        best = FilterDescent(net)(data, starts=lam[:8]).lam[None]
        found = {
            "hpo_accuracy": performance(net, best, data),
            "hpo_lam": best[0].tolist(),
            "seeds": [0],
        }
        code = (FilterDescent, performance, network, load)
        store.add({"dataset": name, "method": "Full", "kind": "hpo"} | found, code=code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--hpo",
        action="store_true",
        help="also descend the hypergradient from eight starts (seed 0)",
    )
    parser.add_argument(
        "--counts",
        nargs="+",
        type=int,
        help="condensed training nodes instead of each data set's three sizes",
    )
    parser.add_argument(
        "--originals", type=int, help="trainings of the original, at least 2; default: by data set"
    )
    share = "as many validation nodes for each training node as the original has, instead of one"
    parser.add_argument("--val-as-original", action="store_true", help=share)
    options = arguments(parser)
    warnings.simplefilter("ignore", UserWarning)
    store = store_of(options, "table2", KEY)
    for name in options.datasets:
        data = original(name, options.root)
        budgets = options.counts or (BUDGETS[name][1:2] if options.quick else BUDGETS[name])
        whole = original_rankings(data, options.cache, quick=options.quick, count=options.originals)
        ceiling(store, whole, data, options)
        methods = options.methods[:1] + [OURS] if options.quick else options.methods
        for seed in range(options.seeds):
            for method in methods:
                for count in budgets:
                    one(store, whole, data, method, count, seed, options)


if __name__ == "__main__":
    main()
