"""Cost: searching 80 filters on the original and on a condensed graph, break-even candidates, and
cost against the number of edges.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch_geometric.data import Data

from benchmarks.node.setting import (
    METHODS,
    OURS,
    arguments,
    candidates,
    network,
    original,
    store_of,
)
from benchmarks.store import Row, Store
from graphcond.data import describe, load
from graphcond.evaluation import linear_surrogate
from graphcond.nn import PolynomialFilterNet
from graphcond.seeding import generator
from graphcond.training import FilterTraining, train_filters


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall clock and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def search(store: Store, data: Data, count: int, method: str, rounds: int) -> None:
    """Time 80 filters on the original and on a condensed graph, in turn, and give the ratios."""
    name, net, lam = data.card["name"], network(data), candidates()
    if store.has(kind="search", dataset=name, method=method, count=count):
        return
    condenser = METHODS[method](num_nodes=count, seed=0)
    condense, (small,) = [], [condenser(data)]
    times: dict[str, list[float]] = {
        "whole": [],
        "small": [],
        "linear_whole": [],
        "linear_small": [],
    }
    for _ in range(rounds):
        condense.append(clocked(lambda: condenser(data))[1])
        times["whole"].append(clocked(lambda: train_filters(net, lam, data))[1])
        times["small"].append(clocked(lambda: train_filters(net, lam, small))[1])
        times["linear_whole"].append(linear_surrogate(net, lam, data).seconds)
        times["linear_small"].append(linear_surrogate(net, lam, small).seconds)
    median = {key: statistics.median(values) for key, values in times.items()}
    gain = (median["whole"] - median["small"]) / 80
    row: Row = {f"cpu_seconds_80_{key}": value for key, value in median.items()} | {
        "cpu_seconds_condense": statistics.median(condense)
    }
    row |= {
        "ratio_gnn": median["whole"] / median["small"],
        "ratio_linear": median["whole"] / median["linear_small"],
    }
    row |= {
        "break_even_candidates": statistics.median(condense) / gain,
        "epochs": FilterTraining().epochs,
        "rounds": rounds,
    }
    row |= {"kind": "search", "dataset": name, "method": method, "count": count}
    store.add(row, code=(METHODS[method], search, load), settings=describe(condenser))


def grown(num_edges: int, features: int = 32, classes: int = 5) -> Data:
    """A planted graph with mean degree 10 and twenty training nodes a class."""
    n = max(200, num_edges // 10)
    stream = generator(0, "cost", num_edges)
    y = torch.randint(classes, (n,), generator=stream)
    pairs = torch.randint(n, (2, num_edges // 2), generator=stream)
    x = torch.nn.functional.one_hot(y, features).float() + torch.randn(
        n, features, generator=stream
    )
    role = torch.rand(n, generator=stream)
    masks = {"train_mask": role < min(0.3, 100 / n + 0.01), "val_mask": role > 0.9}
    return Data(x=x, y=y, edge_index=torch.cat([pairs, pairs.flip(0)], 1), **masks)


def growth(store: Store, sizes: tuple[int, ...], method: str) -> None:
    """CPU seconds of one training step of one filter, of the surrogate's statistics and of
    condensing, against edges.
    """
    net, lam = PolynomialFilterNet(32, hidden=16, num_classes=5), candidates()[:1]
    points = []
    for size in sizes:
        data = grown(size)
        train_filters(net, lam, data, recipe=FilterTraining(epochs=1))
        short = FilterTraining(epochs=4)
        work = partial(train_filters, net, lam, data, recipe=short)
        # Five times: one more epoch is spent on judging.
        epoch = min(clocked(work)[1] for _ in range(2)) / 5
        linear = clocked(partial(linear_surrogate, net, lam, data))[1]
        condense = clocked(partial(METHODS[method](num_nodes=20, seed=0).condense, data))[1]
        row = {
            "edges": size,
            "nodes": data.num_nodes,
            "cpu_seconds_epoch": epoch,
            "cpu_seconds_surrogate": linear,
        }
        row |= {"cpu_seconds_condense": condense}
        points.append(row)
        row |= {"kind": "growth", "dataset": "planted", "method": method, "count": size}
        store.add(row, code=(METHODS[method], grown, train_filters, linear_surrogate))
    row = {"kind": "slope", "dataset": "planted", "method": method, "count": len(points)}
    store.add(
        row | slopes(points), code=(METHODS[method], grown, train_filters, linear_surrogate, slopes)
    )


def slopes(points: list[dict[str, float]]) -> dict[str, float]:
    """Fitted exponents of the costs in the edges: over all sizes, and over the largest three, where
    nothing fits a cache any longer.
    """
    found = {}
    for column in ("cpu_seconds_epoch", "cpu_seconds_surrogate", "cpu_seconds_condense"):
        for name, some in (("slope", points), ("slope_large", points[-3:])):
            edges, costs = ([math.log(point[key]) for point in some] for key in ("edges", column))
            found[f"{name}_{column}"] = statistics.linear_regression(edges, costs).slope
    return found


def main() -> None:
    options = arguments(
        argparse.ArgumentParser(description=__doc__), datasets=("cora",), seeds=None
    )
    store = store_of(options, "cost", ("kind", "dataset", "method", "count"))
    methods = [
        m for m in options.methods if m in ("RandomNodes", "Partition", OURS)
    ] or options.methods
    for name in options.datasets:
        data = original(name, options.root)
        for method in methods[: 1 if options.quick else None]:
            search(store, data, 49, method, 1 if options.quick else 3)
    growth(store, (10**3, 10**4) if options.quick else (10**4, 10**5, 10**6, 10**7), "Partition")


if __name__ == "__main__":
    main()
