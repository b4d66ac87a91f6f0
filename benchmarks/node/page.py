"""The node half's tables, for README.md and benchmarks/README.md."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from benchmarks.tables import (
    MARK,
    SEEDS,
    NoRowsError,
    Row,
    grid,
    long_table,
    place,
    printed,
    record,
    rows_of,
    several,
    source,
    winners,
)

RANKED = (
    "digits",
    "cora",
    "citeseer",
    "pubmed",
    "amazon-photo",
    "coauthor-cs",
    "tolokers",
    "ogbn-arxiv-partial",
)
TABLE2 = "node_table2.json"
CLASSES = {
    "Random": "RandomNodes",
    "GCond": "GCond (ours)",
    "GCond-X": "GCondX (ours)",
    "HCDC": "HCDC (as printed)",
}
"""What the paper calls a method, and what the library does."""
CORESETS = ("Herding", "KCenter")
"""Methods that README.md has no room for: they rank as random nodes do."""


def short() -> str:
    """The ranking of 80 filters, for README.md: who wins, then the methods, fresh rows only.

    Peers of one condensation are left to the page of benchmarks.
    """
    rows = [row for row in rows_of(TABLE2, fresh=True) if row.get("kind", "grid") == "grid"]
    rows = [row for row in rows if not row.get("count_val") and row["method"] not in CORESETS]
    runs = Counter(row["method"] for row in rows if row.get("count"))
    few = {method for method in runs if runs[method] < SEEDS and "as printed" not in method}
    rows = [row for row in rows if row["method"] not in few]
    if not rows:
        raise NoRowsError
    first = []
    for name, own in _by_dataset(rows):
        rivals = [row for row in own if row["method"] != "Full"]
        first.append(winners(rivals, "spearman_loss", f"By loss on {name}", 3))
        first.append(winners(rivals, "spearman_accuracy", "By accuracy", 3))
    return f"{' '.join(first)}\n\n{source(TABLE2, fresh=True)}\n\n{_grids(rows, usual=SEEDS)}"


def ranking() -> str:
    """Table 2 of HCDC, with the paper's correlation in brackets."""
    larger = {True: ", larger S_val", False: ""}
    rows = [row for row in rows_of(TABLE2) if row.get("kind", "grid") == "grid"]
    rows = [{**row, "method": row["method"] + larger[bool(row.get("count_val"))]} for row in rows]
    return f"{source(TABLE2)}\n\n{_grids(rows)}"


def _grids(rows: Sequence[Row], usual: int = 5) -> str:
    """Return a grid per data set: Spearman by loss / by accuracy / regret."""
    columns = ("spearman_loss", "spearman_accuracy", "regret")
    theirs = {
        (row["dataset"], row["num_train"], CLASSES[row["method"]]): row
        for row in printed("HCDC, Table 2")
        if "num_train" in row
    }
    found = []
    for name, own in _by_dataset(rows):
        sizes = sorted({row["count"] for row in own if row.get("count")})
        cells: dict[tuple[str, str], str] = {}
        for (method, size), some in _by_method(own, sizes):
            plain = method.removesuffix(MARK)
            paper = theirs.get((name, size, plain))
            note = "" if paper is None else f" [{paper['correlation']:.2f}]"
            expected = usual if some[0].get("count") else 1
            cells[method, str(size)] = several(some, columns, (3, 3, 1), expected) + note
        found.append(grid(name, cells, [str(size) for size in sizes]))
    return "\n\n".join(found)


def _by_dataset(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each data set, in the order of :data:`RANKED`."""
    each = ((name, [row for row in rows if row["dataset"] == name]) for name in RANKED)
    return [(name, own) for name, own in each if own]


def _by_method(rows: Sequence[Row], sizes: list[int]) -> list[tuple[tuple[str, int], list[Row]]]:
    """Return the rows of each method and size.

    What has no size, the original and its rivals, stands under the first.
    """
    first = sizes[0] if sizes else 0

    def key(row: Row) -> tuple[str, int]:
        return str(row["method"]), row.get("count") or first

    order = sorted({key(row) for row in rows}, key=lambda each: (place(each[0]), each[1]))
    return [(each, [row for row in rows if key(row) == each]) for each in order]


def ranking_in_full() -> str:
    """Every column of the ranking."""
    columns = ["dataset", "method", "num_train", "num_val", "seeds", "spearman_loss"]
    columns += ["spearman_accuracy", "kendall_loss", "top_quarter_spearman", "regret"]
    columns += ["regret_top5", "accuracy", "seconds_condense", "bytes"]
    rows = [row for row in rows_of(TABLE2) if row.get("kind", "grid") == "grid"]
    return long_table(TABLE2, columns, ("dataset", "num_train", "method"), rows)


def architectures() -> str:
    """How condensed graphs rank architectures, and CPU seconds of training them all there."""
    digits = {"spearman": 3, "kendall": 3, "regret": 1, "regret_top5": 1, "cpu_seconds": 0}
    judges = {None: "", "original": ", judged by the original"}
    rows = rows_of("node_architectures.json")
    rows = [{**row, "method": row["method"] + judges[row.get("judge")]} for row in rows]
    found = []
    for name, own in _by_dataset(rows):
        sizes = sorted({row["count"] for row in own if row["count"]})
        cells = {
            (method, column): several(some, (column,), (digit,))
            for (method, _), some in _by_method(own, sizes)
            for column, digit in digits.items()
        }
        found.append(grid(f"{name}, {sizes[0]}", cells, list(digits)))
    return f"{source('node_architectures.json')}\n\n" + "\n\n".join(found)


def continuous_search() -> str:
    """HCDC's Perf.: the filter found by descending the hypergradient on a graph, then tested."""
    rows = [row for row in rows_of(TABLE2) if row["kind"] == "hpo"]
    if not rows:
        raise NoRowsError
    rows = [{**row, "num_train": row.get("count")} for row in rows]
    columns = ["dataset", "method", "num_train", "hpo_accuracy", "hpo_seconds"]
    return long_table(TABLE2, columns, ("dataset", "num_train", "method"), rows)


def ablations() -> str:
    """Hypergradient matching with one part changed at a time."""
    columns = ["dataset", "method", "num_train", "seeds", "cosine_distance", "spearman_loss"]
    columns += ["spearman_accuracy", "top_quarter_spearman", "regret", "seconds_condense"]
    name = "node_ablations.json"
    rows = [{**row, "method": f"{row['variant']}{MARK * row['stale']}"} for row in rows_of(name)]
    return long_table(name, columns, ("dataset", "num_train", "method"), rows)


def accuracy() -> str:
    """Accuracy of a GCN trained on the condensed graph, by size."""
    found = []
    for name, own in _by_dataset(rows_of("node_accuracy.json")):
        sizes = sorted({row["count"] for row in own if row["count"]})
        cells = {
            (method, str(size)): several(some, ("accuracy",), (1,))
            for (method, size), some in _by_method(own, sizes)
        }
        found.append(grid(name, cells, [str(size) for size in sizes]))
    return f"{source('node_accuracy.json')}\n\n" + "\n\n".join(found)


def accuracy_in_full() -> str:
    """Accuracy with what the graphs weigh and cost."""
    columns = ["dataset", "num_train", "method", "seeds", "accuracy", "num_edges", "bytes"]
    columns.append("seconds_condense")
    return long_table("node_accuracy.json", columns, ("dataset", "num_train", "method"))


def transfer() -> str:
    """Accuracy of several networks trained on graphs condensed with a GCN."""
    found = []
    for name, own in _by_dataset(rows_of("node_transfer.json")):
        own.sort(key=lambda row: place(row["method"]))
        cells = {(row["method"], row["model"]): f"{row['accuracy']:.1f}" for row in own}
        models = sorted({row["model"] for row in own})
        found.append(grid(f"{name}, {own[-1]['count']}", cells, models))
    return f"{source('node_transfer.json')}\n\n" + "\n\n".join(found)


def ogb_gnn() -> str:
    """The GCN of OGB's script, by condensed graph: two layers, three with BatchNorm as it is, and
    with the original's statistics.
    """
    found = [source("node_ogb_gnn.json")]
    columns = ("2 layers", "3 layers, BatchNorm", "after adapt")
    for name, rows in _by_dataset(rows_of("node_ogb_gnn.json")):
        cells: dict[tuple[str, str], str] = {}
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if row["method"] == method]
            line = f"{method}{MARK * any(row['stale'] for row in own)}"
            for layers, column, kind in zip((2, 3, 3), columns, ("plain", "plain", "adapted")):
                some = [row for row in own if row["layers"] == layers]
                cells[line, column] = several(some, (f"test_{kind}",), (1,))
        found.append(grid(f"{name}, {100 * rows[0]['ratio']:g} %", cells, columns))
    return "\n\n".join(found)


def cost() -> str:
    """What searching costs on the original and on the condensed graph, and when condensing pays."""
    head = "graph, filters | condensed by, to | on the original, CPU s | GNN on S | linear on S"
    head = f"| {head} | condensing, CPU s | pays from | Spearman by loss, S / surrogate |"
    lines = [head, "| --- " * 8 + "|"]
    for row in rows_of("node_cost.json"):
        if row["kind"] == "search":
            gains = f"{row['ratio_gnn']:.1f} × | {row['ratio_linear']:,.0f} ×"
            costs = f"{row['cpu_seconds_condense']:.1f} | {math.ceil(row['break_even_candidates'])}"
            what = f"{row['dataset']}, 80 | {row['method']}, {row['count']} nodes"
            lines.append(f"| {what} | {row['cpu_seconds_80_whole']:.0f} | {gains} | {costs} | |")
    for row in rows_of("node_cost_arxiv.json"):
        gains = f"{row['ratio_search']:.0f} × | "
        costs = f"{row['cpu_seconds_condense']:.0f} | {math.ceil(row['break_even_candidates'])}"
        what = f"{row['dataset']}, {row['filters']} | {row['method']}, {row['num_train']} nodes"
        good = f"{row['spearman_loss']:.2f} / {row['linear_spearman_loss']:.2f}"
        seconds = f"{row['cpu_seconds_original']:,.0f}"
        lines.append(f"| {what} | {seconds} | {gains} | {costs} | {good} |")
    lines += _exponents()
    return f"{source('node_cost.json', 'node_cost_arxiv.json')}\n\n" + "\n".join(lines)


def _exponents() -> list[str]:
    """Return the sentences on how costs grow with the edges."""
    sizes = {
        "slope_cpu_seconds_": "10^4 to 10^7",
        "slope_large_cpu_seconds_": "10^5 to 10^7",
    }
    lines = []
    for row in record("node_cost.json")["rows"]:
        for name, span in sizes.items():
            found = ", ".join(
                f"{key.removeprefix(name)} {value:.2f}"
                for key, value in row.items()
                if key.startswith(name)
            )
            if found:
                lines.append(f"\nFitted exponent of CPU seconds in edges, {span}: {found}.")
    return lines
