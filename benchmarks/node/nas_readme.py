"""The tables of architecture search and of purposes, for benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from benchmarks.tables import (
    MARK,
    Row,
    grid,
    methods_of,
    record,
    rows_of,
    several,
    source,
    spread,
)

RANKINGS = "nas_bench_graph_rankings.json"
PURPOSE = "node_purpose.json"
SUPERNETS = "node_supernets.json"
DATASETS = ("cora", "citeseer", "pubmed", "cs", "photo")


def rankings() -> str:
    """Rankings of NAS-Bench-Graph's networks: Spearman with its interval, regret, cost."""
    parts = [source(RANKINGS)]
    rows = record(RANKINGS)["rows"]
    for name in DATASETS:
        own = [row for row in rows if row["dataset"] == name]
        if own:
            parts.append(_one_dataset(name, own))
    return "\n\n".join(parts)


def _one_dataset(name: str, rows: Sequence[Row]) -> str:
    """Return the table of a data set, the best correlation first, random search last."""
    names = dict.fromkeys(row["ranking"] for row in rows)
    grouped = {each: [row for row in rows if row["ranking"] == each] for each in names}
    order = sorted(names, key=lambda each: -_mean(grouped[each], "spearman"))
    cells: dict[tuple[str, str], str] = {}
    for each in order:
        own = grouped[each]
        line = f"{each}{MARK * any(row['stale'] for row in own)}"
        if own[0].get("spearman") is not None:
            interval = f"[{_mean(own, 'low'):.2f}, {_mean(own, 'high'):.2f}]"
            cells[line, "Spearman"] = f"{several(own, ('spearman',), (2,))} {interval}"
        for size in (1, 5, 10):
            if f"regret_{size}" in own[0]:
                cells[line, f"regret, {size}"] = spread([row[f"regret_{size}"] for row in own])
        if "cost" in own[0]:
            cells[line, "cost"] = f"{_mean(own, 'cost'):.2f}"
    count = max(row["networks"] for row in rows)
    columns = ["Spearman", "regret, 1", "regret, 5", "regret, 10", "cost"]
    return grid(f"{name}, {count} networks", cells, columns)


def _mean(rows: Sequence[Row], column: str) -> float:
    found = [row[column] for row in rows if row.get(column) is not None]
    return mean(found) if found else -2.0


def purposes() -> str:
    """What each condenser is good for: accuracy, ranking of filters, ranking of networks."""
    rows = rows_of(PURPOSE)
    digits = {"accuracy": 1, "filters": 2, "architectures": 2, "cpu_condense": 1, "num_nodes": 0}
    parts = [source(PURPOSE)]
    for name in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == name]
        cells: dict[tuple[str, str], str] = {}
        for method in dict.fromkeys(row["method"] for row in own):
            some = [row for row in own if row["method"] == method]
            for column, digit in digits.items():
                if some[0].get(column) is not None:
                    cells[method, column] = several(some, (column,), (digit,))
        parts.append(grid(f"{name}, {own[0]['count']}", cells, list(digits)))
    return "\n\n".join(parts)


def supernets() -> str:
    """What searches on a supernet choose, beside random search of the same CPU seconds."""
    rows = rows_of(SUPERNETS)
    digits = {"test": 1, "mean_network": 1, "random_search": 1, "trainings": 0, "cpu_seconds": 1}
    cells = {}
    for method in methods_of(rows):
        own = [row for row in rows if row["method"] == method]
        line = f"{method}{MARK * any(row['stale'] for row in own)}"
        for column, digit in digits.items():
            cells[line, column] = several(own, (column,), (digit,), usual=len(own))
    return "\n\n".join([source(SUPERNETS), grid("256 networks, five graphs", cells, list(digits))])
