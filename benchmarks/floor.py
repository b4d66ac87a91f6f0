"""What the floor costs: a BPR epoch and the full ranking of Gowalla, 80 filters and GCN on Cora.
``python -m benchmarks.floor``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.store import RESULTS, Store
from graphcond import nn
from graphcond.data import (
    load,
    num_items,
    num_users,
    split_interactions,
    train_edges,
)
from graphcond.evaluation import evaluate_node
from graphcond.measure import Measure
from graphcond.nn import GraphNet, PolynomialFilterNet
from graphcond.spaces import PolynomialFilters
from graphcond.training import BPR, BPRProgram, Recommender
from graphcond.training.nodes import train_filters


def timed(what: str, repeats: int, call: Callable[[], object]) -> dict[str, object]:
    """Return median seconds and largest peak of ``repeats`` calls."""
    costs = []
    for _ in range(repeats):
        with Measure() as cost:
            call()
        costs.append(cost)
    seconds = sorted(cost.seconds for cost in costs)
    row = {
        "what": what,
        "repeats": repeats,
        "seconds": median(seconds),
        "seconds_min": seconds[0],
        "seconds_max": seconds[-1],
    }
    row["peak_mib"] = max(cost.peak_mib for cost in costs)
    return row


def gowalla() -> list[dict[str, object]]:
    """One BPR epoch of MF with 64 dimensions, and the top 10 of all users."""
    data = split_interactions(load("gowalla"), strategy="published")
    model = nn.MF(num_users(data), num_items(data), dim=64, seed=0)
    program = BPRProgram(model, train_edges(data), None, BPR())
    program.step(0)
    rows = [
        timed(
            f"BPR epoch, Gowalla, {train_edges(data).size(1):,} interactions, dim 64",
            5,
            lambda: program.step(1),
        )
    ]
    trained = Recommender(model.user.detach(), model.item.detach(), None)  # type: ignore[arg-type]
    size = f"{num_users(data):,} x {num_items(data):,}"
    rows.append(
        timed(
            f"full ranking, Gowalla, {size}, top 10", 5, lambda: trained.rank(10, train_edges(data))
        )
    )
    return rows


def cora(filters: int = 80, repeats: int = 3, seeds: int = 10) -> list[dict[str, object]]:
    """Filters in one batched run, and GCN's accuracy over seeds."""
    data = load("cora")
    net = PolynomialFilterNet(data.num_features, hidden=16, num_classes=7)
    lam = PolynomialFilters(order=2).sample(filters, seed=1)
    what = f"{filters} filters, Cora, 200 epochs, hidden 16"
    rows = [timed(what, repeats, lambda: train_filters(net, lam, data))]
    report = evaluate_node(GraphNet, data, data, seeds=range(seeds))
    rows.append(
        {
            "what": f"GCN, Cora, test accuracy over seeds 0-{seeds - 1}",
            "accuracy": report.mean("accuracy"),
            "std": report.std("accuracy"),
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of Cora's part")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    options = parser.parse_args()
    store = Store(options.out / f"floor{'_quick' * options.quick}.json", ("what",))
    if options.quick:
        rows = cora(filters=4, repeats=1, seeds=2)
    else:
        rows = gowalla() + cora()
    for row in rows:
        store.add(row, code=(gowalla, cora))


if __name__ == "__main__":
    main()
