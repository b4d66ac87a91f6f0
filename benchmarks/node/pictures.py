"""What Figures 2 and 11 share: the rows they show, and how a picture is kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.node.setting import BUDGETS, METHODS
from benchmarks.store import RESULTS, read_record
from graphcond.data import write_atomically

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

Rows = dict[str, dict[str, Any]]


def newest(rows: list[dict[str, Any]], name: str, count: int) -> Rows:
    """Seed 0 of every method at one budget with as many validation nodes, in the table's order, the
    original first.
    """
    fits = [
        row
        for row in rows
        if row["dataset"] == name and row.get("count") in (None, count) and not row.get("count_val")
    ]
    found = {row["method"]: row for row in fits if row.get("losses")}
    order = ["Full", "Linear surrogate", *METHODS]
    return {method: found[method] for method in order if method in found}


def save(figure: Any, path: Path) -> None:
    """Write a picture."""
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)
    print(path)


def draw(description: str | None, figure: str, picture: Callable[[Rows, str, Path], None]) -> None:
    """Draw a figure for every data set and size that is asked for.

    Args:
        description: What the command says of itself.
        figure: Number of the figure, part of the file's name.
        picture: Draws rows under a title into a file.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--datasets", nargs="+", default=["cora", "citeseer"])
    parser.add_argument(
        "--counts",
        nargs="+",
        type=int,
        help="condensed training nodes instead of each data set's middle size",
    )
    parser.add_argument("--quick", action="store_true", help="only the first data set")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the pictures")
    options = parser.parse_args()
    names = options.datasets[:1] if options.quick else options.datasets
    for name, count, shown in _asked(names, options.counts):
        title = f"{name}, {count} training and {count} validation nodes, 80 held-out filters"
        picture(shown, title, options.out / f"node_{figure}_{name}.png")


def _asked(names: list[str], counts: list[int] | None) -> Iterator[tuple[str, int, Rows]]:
    """Yield the recorded rows of each data set and size, where there are enough."""
    rows = read_record(RESULTS / "node_table2.json")["rows"]
    for name in names:
        for count in counts or BUDGETS[name][1:2]:
            shown = newest(rows, name, count)
            if len(shown) > 2:
                yield name, count, shown
